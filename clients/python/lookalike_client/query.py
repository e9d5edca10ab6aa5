"""What a search is made of: parts that rank, conditions that filter."""

import dataclasses
import math
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final, Self

from lookalike_client.models import Garment

Scalar = str | float | int | bool


@dataclasses.dataclass(frozen=True, slots=True)
class Text:
    """Words to be near to. A negative weight leads away from them; 0 is refused."""

    text: str
    weight: float = 1.0


@dataclasses.dataclass(frozen=True, slots=True)
class Photo:
    """A photograph to be near to: an encoded file, at most 32 MiB."""

    data: bytes = dataclasses.field(repr=False)
    garment: Garment | str | None = None
    """The garment meant; None: all clothing together."""
    weight: float = 1.0

    @classmethod
    def from_file(
        cls,
        path: str | os.PathLike[str],
        *,
        garment: Garment | str | None = None,
        weight: float = 1.0,
    ) -> Self:
        """Reads a file.

        Raises:
          OSError: it cannot be read.
        """
        return cls(Path(path).read_bytes(), garment, weight)


@dataclasses.dataclass(frozen=True, slots=True)
class Like:
    """A product of the catalogue to be near to."""

    product_id: str
    weight: float = 1.0


@dataclasses.dataclass(frozen=True, slots=True)
class Features:
    """What people say of clothes; each matches the stored attribute of the same name."""

    type: str = ""
    colour: str = ""
    category: str = ""
    pattern: str = ""
    season: str = ""
    person: str = ""


@dataclasses.dataclass(frozen=True, slots=True)
class FeatureWords:
    """Features as words to be near to (as a filter: `search(..., features=...)`)."""

    features: Features
    weight: float = 1.0


Part = Text | Photo | Like | FeatureWords


@dataclasses.dataclass(frozen=True, slots=True)
class AnyOf:
    """The attribute equals one of the values; text is compared without regard to case."""

    field: str
    values: tuple[Scalar, ...]


@dataclasses.dataclass(frozen=True, slots=True)
class NoneOf:
    """The attribute equals none of the values; a product without it passes."""

    field: str
    values: tuple[Scalar, ...]


@dataclasses.dataclass(frozen=True, slots=True)
class Between:
    """The attribute is a number in this interval, bounds included; None: open."""

    field: str
    minimum: float | None = None
    maximum: float | None = None


@dataclasses.dataclass(frozen=True, slots=True)
class Exists:
    """The attribute is there, or (False) is not."""

    field: str
    exists: bool = True


Condition = AnyOf | NoneOf | Between | Exists

_CONDITION: Final = re.compile(r"(?P<field>[^=!<>]+)(?P<operator>!=|>=|<=|=)(?P<values>.*)", re.S)
_VALUE: Final = re.compile(r"(?:\\.|[^,\\]|\\\Z)+", re.S)
_GRAMMAR: Final = "write key=value, key=a,b, key!=value, key>=10, key<=10, key or !key"


def parse_condition(text: str) -> Condition:
    r"""Reads a condition as people write it on a command line.

    `colour=blue`, `colour=blue,green` (any of), `colour!=red` (none of), `price>=10`, `price<=50`,
    `colour` (is there), `!colour` (is not). A backslash keeps a comma: `name=Shirt\, blue`.
    A value that reads as a number or a boolean matches the text and the number or boolean.

    Raises:
      ValueError: it reads as none of these.
    """
    match = _CONDITION.fullmatch(text)
    if match is None:
        name = text.removeprefix("!").strip()
        if not name or any(sign in name for sign in "=!<>"):
            raise ValueError(f"{text!r} is no condition: {_GRAMMAR}")
        return Exists(name, exists=not text.startswith("!"))
    field, operator, values = match["field"].strip(), match["operator"], match["values"]
    if not field:
        raise ValueError(f"{text!r} names no attribute: {_GRAMMAR}")
    if operator in (">=", "<="):
        bound = _number(values.strip())
        if bound is None:
            raise ValueError(f"{text!r} compares with {values!r}, which is no number")
        return Between(field, minimum=bound) if operator == ">=" else Between(field, maximum=bound)
    chosen = tuple(_spellings(values))
    if not chosen:
        raise ValueError(f"{text!r} names no value: {_GRAMMAR}")
    return AnyOf(field, chosen) if operator == "=" else NoneOf(field, chosen)


def parse_features(pairs: tuple[str, ...]) -> Features:
    """Reads `colour=blue` and the like into features.

    Raises:
      ValueError: a pair is malformed, or its key is no feature.
    """
    known = {field.name for field in dataclasses.fields(Features)}
    values: dict[str, str] = {}
    for pair in pairs:
        key, sign, value = pair.partition("=")
        if not sign or key.strip() not in known or not value.strip():
            raise ValueError(
                f"{pair!r} is no feature: write key=value; keys: {', '.join(sorted(known))}"
            )
        values[key.strip()] = value.strip()
    return Features(**values)


def _spellings(values: str) -> Iterator[Scalar]:
    # A manifest may have stored 42 as a number or as text; whoever filters cannot know which.
    for found in _VALUE.findall(values):
        value = re.sub(r"\\(.)", r"\1", found, flags=re.S).strip()
        if not value:
            continue
        yield value
        if value.casefold() in ("true", "false"):
            yield value.casefold() == "true"
        elif (number := _number(value)) is not None:
            yield number


def _number(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return number if math.isfinite(number) else None
