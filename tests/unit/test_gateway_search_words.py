"""Words of features, and tokens of pages."""

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from servicekit.errors import InvalidArgument
from services.gateway.feature_words import Features
from services.gateway.page_token import (
    ListedPage,
    RankedPage,
    query_digest,
    read_token,
    write_token,
)

DIGEST = query_digest(b"a query")


@pytest.mark.parametrize(
    ("features", "words"),
    [
        (Features(), ""),
        (Features(colour="light blue", type="skirt", person="women"), "light blue skirt for women"),
        (Features(colour="red", pattern="striped", category="Dresses"), "red striped Dresses"),
        (Features(type="dress", category="Dresses"), "dress"),
        (Features(person="kids"), "clothes for kids"),
        (Features(season="summer"), "clothes, summer"),
        (
            Features("dress", " blue ", "", "dotted", "summer", "women"),
            "blue dotted dress for women, summer",
        ),
    ],
)
def test_features_read_like_a_caption(features: Features, words: str) -> None:
    assert features.words() == words


def test_features_filter_by_the_attribute_of_the_same_name() -> None:
    features = Features(type="dress", colour=" blue ", season="  ")
    assert features.conditions() == (("type", "dress"), ("colour", "blue"))


@given(st.binary(min_size=16, max_size=16), st.integers(0, 2**32 - 1), st.text(max_size=80))
def test_a_token_comes_back_as_it_was(digest: bytes, offset: int, text: str) -> None:
    ranked = RankedPage(digest, offset, text)
    listed = ListedPage(digest, text)
    assert read_token(write_token(ranked), digest) == ranked
    assert read_token(write_token(listed), digest) == listed


@given(st.text(max_size=120))
def test_no_text_is_a_token_by_chance(text: str) -> None:
    with pytest.raises(InvalidArgument) as caught:
        read_token(text, DIGEST)
    assert (caught.value.reason, caught.value.field) == ("PAGE_TOKEN_INVALID", "page_token")


@given(st.integers(0, 60), st.integers(1, 255))
def test_no_byte_of_a_token_can_be_altered(position: int, change: int) -> None:
    token = write_token(RankedPage(DIGEST, 40, "lookalike-mini-v1+0123456789abcdef"))
    raw = bytearray(base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)))
    raw[position % len(raw)] ^= change
    with pytest.raises(InvalidArgument):
        read_token(base64.urlsafe_b64encode(raw).rstrip(b"=").decode(), DIGEST)


def test_a_token_of_another_query_is_refused() -> None:
    token = write_token(RankedPage(DIGEST, 5, "v"))
    with pytest.raises(InvalidArgument, match="another query"):
        read_token(token, query_digest(b"another query"))
