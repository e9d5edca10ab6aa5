"""Texts to token ids, exactly as the model's reference makes them."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import tokenizers

from services.embedder.domain import Tokens
from services.embedder.text_cleaning import CLEANINGS


@dataclass(frozen=True, slots=True)
class TokenRule:
    """What a model wants of its token ids.

    context_length: most tokens, special ones included.
    pad_to_context: every text has exactly that many, because the model was trained so.
    pad_id: what it is padded with.
    cleaning: name of what happens to the text first (services/embedder/text_cleaning.py).
    """

    context_length: int
    pad_to_context: bool = False
    pad_id: int = 0
    cleaning: str = "none"


class ModelTokenizer:
    """A tokenizer.json under a rule; thread-safe.

    A longer text loses its end, and the last token of what remains is still the end token:
    truncation happens before the special tokens are set around the text.

    Raises:
      ValueError: the rule's cleaning is unknown, or the file is no tokenizer.
    """

    def __init__(self, path: Path, rule: TokenRule) -> None:
        if rule.cleaning not in CLEANINGS:
            raise ValueError(f"cleaning {rule.cleaning!r} is unknown")
        self._clean = CLEANINGS[rule.cleaning]
        try:
            self._tokenizer = tokenizers.Tokenizer.from_file(str(path))
        except Exception as error:
            raise ValueError(f"{path} is no tokenizer: {error}") from error
        # The file may ask for padding and truncation of its own.
        self._tokenizer.no_padding()
        self._tokenizer.enable_truncation(rule.context_length)
        self._rule = rule

    def encode(self, text: str) -> Tokens:
        """Token ids of one text, special ones included."""
        encoding = self._tokenizer.encode(self._clean(text))
        ids = encoding.ids
        if self._rule.pad_to_context:
            ids = ids + [self._rule.pad_id] * (self._rule.context_length - len(ids))
        return Tokens(np.array(ids, np.int32), bool(encoding.overflowing))


def token_rule(properties: Mapping[str, Any]) -> TokenRule:
    """From a manifest's `[properties]`: its table `tokenizer`, or only the context's length.

    Raises:
      KeyError, TypeError, ValueError: it is not complete.
    """
    table = properties.get("tokenizer", {})
    context = table.get("context_length_tokens", properties.get("context_length_tokens"))
    if context is None:
        raise KeyError("context_length_tokens")
    return TokenRule(
        context_length=int(context),
        pad_to_context=bool(table.get("pad_to_context", False)),
        pad_id=int(table.get("pad_id", 0)),
        cleaning=str(table.get("cleaning", "none")),
    )
