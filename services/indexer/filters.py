"""Conditions on stored attributes, and the form in which values are compared."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

from services.indexer.domain import Scalar

ValueKey: TypeAlias = tuple[int, str | float | bool]
"""A value as it is compared: its kind first, so that 1, True and "1" stay apart."""

MAX_CONDITIONS: Final = 32
MAX_VALUES: Final = 256

_BOOLEAN, _NUMBER, _TEXT = 0, 1, 2


def value_key(value: Scalar) -> ValueKey:
    """The value without regard to case and surrounding blanks."""
    if isinstance(value, bool):
        return (_BOOLEAN, value)
    if isinstance(value, int | float):
        return (_NUMBER, float(value))
    return (_TEXT, value.strip().casefold())


@dataclass(frozen=True, slots=True)
class AnyOf:
    """Some element equals one of these."""

    keys: frozenset[ValueKey]


@dataclass(frozen=True, slots=True)
class NoneOf:
    """No element equals any of these; nothing at all passes too."""

    keys: frozenset[ValueKey]


@dataclass(frozen=True, slots=True)
class InRange:
    """Some element is a number between these, both included."""

    minimum: float
    maximum: float


@dataclass(frozen=True, slots=True)
class Exists:
    """The attribute is there, or is not."""

    there: bool


Test: TypeAlias = AnyOf | NoneOf | InRange | Exists


@dataclass(frozen=True, slots=True)
class Condition:
    """A test of one field: an attribute's key, `product_id` or `name`."""

    field: str
    test: Test


Filter: TypeAlias = Sequence[Condition]
"""All of them hold."""


def wanted(test: Test) -> Callable[[ValueKey], bool]:
    """Whether a value makes the test hold, or for NoneOf makes it fail."""
    if isinstance(test, AnyOf | NoneOf):
        return test.keys.__contains__
    if isinstance(test, InRange):
        low, high = test.minimum, test.maximum
        return lambda key: key[0] == _NUMBER and low <= float(key[1]) <= high
    return lambda _: True
