"""Conditions and features as people write them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lookalike_client.query import (
    AnyOf,
    Between,
    Condition,
    Exists,
    Features,
    NoneOf,
    parse_condition,
    parse_features,
)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("colour=blue", AnyOf("colour", ("blue",))),
        ("colour = blue , red", AnyOf("colour", ("blue", "red"))),
        ("colour!=blue", NoneOf("colour", ("blue",))),
        ("size=42", AnyOf("size", ("42", 42.0))),
        ("organic=True", AnyOf("organic", ("True", True))),
        ("name=Shirt\\, blue", AnyOf("name", ("Shirt, blue",))),
        ("name=a\\", AnyOf("name", ("a\\",))),
        ("url=a=b", AnyOf("url", ("a=b",))),
        ("price>=10.5", Between("price", minimum=10.5)),
        ("price<=-3", Between("price", maximum=-3.0)),
        ("brand", Exists("brand")),
        ("!brand", Exists("brand", exists=False)),
    ],
)
def test_a_condition_reads_as_it_is_written(text: str, expected: Condition) -> None:
    assert parse_condition(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        *("", "!", "=", "=blue", "colour=", "colour=,", "price>=", "price>=cheap", "a<1", "a>1"),
        *("price<=nan", "price>=inf", "a<b=c"),
    ],
)
def test_a_malformed_condition_is_refused_with_a_sentence(text: str) -> None:
    with pytest.raises(ValueError, match=r"condition|names no|no number"):
        parse_condition(text)


@given(st.text(max_size=40))
def test_any_text_is_a_condition_or_refused(text: str) -> None:
    try:
        condition = parse_condition(text)
    except ValueError:
        return
    assert condition.field == condition.field.strip() != ""


@given(st.lists(st.text(min_size=1).filter(lambda text: text == text.strip()), min_size=1))
def test_escaped_values_come_back_whole(values: list[str]) -> None:
    written = ",".join(value.replace("\\", "\\\\").replace(",", "\\,") for value in values)
    condition = parse_condition(f"key={written}")
    assert isinstance(condition, AnyOf)
    assert [value for value in condition.values if isinstance(value, str)] == values


def test_features_are_read_and_unknown_ones_refused() -> None:
    assert parse_features(("colour=light blue", " type = dress")) == Features(
        colour="light blue", type="dress"
    )
    for wrong in ("size=4", "colour", "colour= "):
        with pytest.raises(ValueError, match="is no feature"):
            parse_features((wrong,))
