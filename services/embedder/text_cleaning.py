"""What a model's reference does to a text before its tokenizer sees it, by name.

Sources: open_clip's tokenizer.py (MIT) and transformers' tokenization_siglip.py (Apache-2.0), both
after google-research/big_vision's `canonicalize_text`.
"""

import html
import re
import string
from collections.abc import Callable

import ftfy

_PUNCTUATION = str.maketrans("", "", string.punctuation)
_SPIECE_UNDERLINE = "\u2581"


def _as_is(text: str) -> str:
    return text


def _open_clip_lower(text: str) -> str:
    return " ".join(_mended(text).split()).lower()


def _open_clip_canonical(text: str) -> str:
    text = _mended(text).replace("_", " ").translate(_PUNCTUATION).lower()
    return " ".join(text.split())


def _siglip_canonical(text: str) -> str:
    text = text.replace(_SPIECE_UNDERLINE, " ").lower().translate(_PUNCTUATION)
    return re.sub(r"\s+", " ", text).strip()


def _mended(text: str) -> str:
    return html.unescape(html.unescape(ftfy.fix_text(text))).strip()


CLEANINGS: dict[str, Callable[[str], str]] = {
    "none": _as_is,
    "open_clip-lower": _open_clip_lower,
    "open_clip-canonicalize": _open_clip_canonical,
    "siglip-canonicalize": _siglip_canonical,
}
"""By the name that a manifest gives as `cleaning`."""
