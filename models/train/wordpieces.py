"""A smaller vocabulary for the text tower: half of MiniLM's file is rows for words nobody says.

Kept are the special tokens, every single character, the pieces of all training texts, and the
most frequent pieces of English (BERT's vocabulary is sorted by frequency). A word that lost its
own piece is spelt from shorter ones, as rare words always were.
"""

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

_SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
_WORD_ROWS = "embeddings.word_embeddings.weight"


def kept_ids(vocabulary: dict[str, int], seen: Iterable[Sequence[int]], most: int) -> list[int]:
    """Token numbers to keep, ascending, the first one 0 (padding)."""
    kept = {vocabulary[token] for token in _SPECIAL}
    kept |= {i for token, i in vocabulary.items() if len(token.removeprefix("##")) == 1}
    for ids in seen:
        kept.update(ids)
    for token, i in sorted(vocabulary.items(), key=lambda pair: pair[1]):
        if len(kept) >= most:
            break
        if token.removeprefix("##").isascii() and not token.startswith("[unused"):
            kept.add(i)
    return sorted(kept)


def shrink(
    tokenizer: Path, tensors: dict[str, npt.NDArray[Any]], seen: Iterable[Sequence[int]], most: int
) -> tuple[str, dict[str, npt.NDArray[Any]]]:
    """The tokenizer's file and the weights with at most about `most` tokens left."""
    document = json.loads(tokenizer.read_text())
    vocabulary: dict[str, int] = document["model"]["vocab"]
    ids = kept_ids(vocabulary, seen, most)
    place = {old: new for new, old in enumerate(ids)}
    document["model"]["vocab"] = {
        token: place[old]
        for token, old in sorted(vocabulary.items(), key=lambda pair: pair[1])
        if old in place
    }
    for token in document["added_tokens"]:
        token["id"] = place[token["id"]]
    for special in document["post_processor"].get("special_tokens", {}).values():
        special["ids"] = [place[old] for old in special["ids"]]
    for name in ("sep", "cls"):
        if name in document["post_processor"]:
            token, old = document["post_processor"][name]
            document["post_processor"][name] = [token, place[old]]
    rows = tensors[_WORD_ROWS][np.array(ids)]
    return json.dumps(document, ensure_ascii=False), {**tensors, _WORD_ROWS: rows}
