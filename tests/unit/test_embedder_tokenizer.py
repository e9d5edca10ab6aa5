"""The tokenizer: ids as published, an end that stays the end, bounded work."""

import pytest

from models.registry import installed
from services.embedder.domain import MAX_TEXT_BYTES
from services.embedder.tokenizer import ModelTokenizer, TokenRule

START, END = 2, 3
CONTEXT = 128


@pytest.fixture(scope="module")
def tokenizer() -> ModelTokenizer:
    return ModelTokenizer(installed("lookalike-mini-v1") / "tokenizer.json", TokenRule(CONTEXT))


def test_ids_are_those_of_the_models_own_vocabulary(tokenizer: ModelTokenizer) -> None:
    tokens = tokenizer.encode("Light blue SKIRT for women")
    assert tokens.ids.tolist() == [START, 1428, 1636, 8766, 1011, 1314, END]
    assert not tokens.truncated


def test_a_text_of_exactly_the_context_is_whole(tokenizer: ModelTokenizer) -> None:
    tokens = tokenizer.encode(" ".join(["blue"] * (CONTEXT - 2)))
    assert len(tokens.ids) == CONTEXT
    assert not tokens.truncated


def test_a_longer_text_loses_its_end_but_not_the_end_token(tokenizer: ModelTokenizer) -> None:
    tokens = tokenizer.encode("red " + " ".join(["blue"] * 500))
    assert len(tokens.ids) == CONTEXT
    assert tokens.ids[0] == START
    assert tokens.ids[-1] == END
    assert tokens.truncated


def test_what_lies_beyond_the_context_does_not_matter(tokenizer: ModelTokenizer) -> None:
    start = " ".join(["blue"] * 200)
    assert tokenizer.encode(start).ids.tolist() == tokenizer.encode(start + " dress").ids.tolist()


@pytest.mark.parametrize(
    "text",
    [
        "x" * MAX_TEXT_BYTES,
        "!" * MAX_TEXT_BYTES,
        "赤" * (MAX_TEXT_BYTES // 3),
        "\u0301" * 1000,
        "\x00\x01 \u200b",
        "👗" * 5000,
        "a\u0300" * 10_000,
    ],
)
def test_strange_texts_become_at_most_the_context(tokenizer: ModelTokenizer, text: str) -> None:
    tokens = tokenizer.encode(text)
    assert 2 <= len(tokens.ids) <= CONTEXT
    assert tokens.ids[0] == START
    assert tokens.ids[-1] == END
