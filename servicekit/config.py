"""Settings: a frozen dataclass, read once from the environment, every mistake told together.

A field's annotation says what is allowed, and the docstring under it is its documentation, which a
test compares with the READMEs (`describe`). Annotations may be int, float, str, bool, Path, Secret,
a Literal, a string-valued Enum, a `tuple[str, ...]` (comma-separated), any of these `| None`, and
`Annotated` with Range or Env. An empty variable counts as not set.
"""

import ast
import difflib
import inspect
import math
import os
import types
import typing
from collections.abc import Iterator, Mapping
from dataclasses import MISSING, Field, dataclass, fields
from enum import Enum
from pathlib import Path
from textwrap import dedent
from typing import Annotated, Any, Final, Literal, TypeVar

T = TypeVar("T")

_TRUE: Final = ("1", "true", "yes", "on")
_FALSE: Final = ("0", "false", "no", "off")


class ConfigError(Exception):
    """Some settings are missing or wrong; one sentence each in `problems`."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = tuple(problems)


class Secret:
    """A text that shows in no repr, log or traceback; `reveal()` where it is used."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        return self._text

    def __repr__(self) -> str:
        return "Secret('***')"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._text == self._text

    def __hash__(self) -> int:
        return hash(self._text)


@dataclass(frozen=True, slots=True)
class Range:
    """Bounds of a number, both inclusive."""

    min: float = -math.inf
    max: float = math.inf

    def __str__(self) -> str:
        if self.max == math.inf:
            return f"at least {self.min:g}"
        if self.min == -math.inf:
            return f"at most {self.max:g}"
        return f"from {self.min:.10g} to {self.max:.10g}"


@dataclass(frozen=True, slots=True)
class Env:
    """The whole name of the variable, for a setting that several services share."""

    name: str


@dataclass(frozen=True, slots=True)
class Setting:
    """One setting as the documentation names it.

    Attributes:
      name: the environment variable.
      type: what is allowed, in words: `int from 1 to 64`, `one of fp32, int8`.
      default: as it would be written in the environment; None: it must be set.
      help: the docstring under the field, on one line.
    """

    name: str
    type: str
    default: str | None
    help: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerConfig:
    """The settings that every service has; each service adds its own and its ports."""

    host: str = "127.0.0.1"
    """Address to listen on for gRPC. The default takes calls from this machine only."""

    port: Annotated[int, Range(0, 65535)]
    """Port to listen on for gRPC; 0 takes any free one and logs it."""

    metrics_host: str = "127.0.0.1"
    """Address to listen on for Prometheus."""

    metrics_port: Annotated[int, Range(0, 65535)]
    """Port of Prometheus' /metrics; 0 takes any free one and logs it."""

    max_message_bytes: Annotated[int, Range(1024, 2**31 - 1)] = 64 * 1024 * 1024
    """Largest gRPC message taken or sent; a larger one is refused with RESOURCE_EXHAUSTED."""

    drain_s: Annotated[float, Range(0, 3600)] = 10.0
    """Seconds that calls in flight get to finish after SIGTERM before they are cancelled."""

    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    """Least severe level of the log lines written."""


def load(cls: type[T], env: Mapping[str, str] = os.environ, prefix: str = "") -> T:
    """Reads a configuration; field `port` with prefix `LOOKALIKE_SEGMENTER_` comes from
    `LOOKALIKE_SEGMENTER_PORT`.

    A ValueError of the dataclass's own `__post_init__` counts as a problem as well.

    Raises:
      ConfigError: with all the problems: bad values, missing ones, and variables with the prefix
        that are almost the name of a setting.
    """
    problems: list[str] = []
    values: dict[str, object] = {}
    names = set()
    for field, annotation in _fields_of(cls):
        name = _variable(field, annotation, prefix)
        names.add(name)
        text = env.get(name, "").strip()
        if text:
            try:
                values[field.name] = _parse(annotation, text)
            except ValueError:
                shown = "its value" if _is_secret(annotation) else repr(text)
                problems.append(f"{name} must be {_in_words(annotation)}, not {shown}.")
        elif field.default is MISSING and field.default_factory is MISSING:
            problems.append(f"{name} is not set; it must be {_in_words(annotation)}.")
    problems += _misspelt(env, names, prefix)
    if problems:
        raise ConfigError(problems)
    try:
        return cls(**values)
    except ValueError as error:
        raise ConfigError([str(error)]) from error


def describe(cls: type[Any], prefix: str = "") -> list[Setting]:
    """The settings of a configuration in the order of its fields, for documents and their tests."""
    docs = _docstrings(cls)
    return [
        Setting(
            _variable(field, annotation, prefix),
            _in_words(annotation),
            _default_of(field),
            docs.get(field.name, ""),
        )
        for field, annotation in _fields_of(cls)
    ]


def _fields_of(cls: type[Any]) -> Iterator[tuple[Field[Any], Any]]:
    hints = typing.get_type_hints(cls, include_extras=True)
    for field in fields(cls):
        yield field, hints[field.name]


def _variable(field: Field[Any], annotation: Any, prefix: str) -> str:
    for extra in _extras(annotation):
        if isinstance(extra, Env):
            return extra.name
    return prefix + field.name.upper()


def _misspelt(env: Mapping[str, str], names: set[str], prefix: str) -> Iterator[str]:
    # Only near misses: other programs may share the prefix.
    if not prefix:
        return
    for given in sorted(env):
        if given.startswith(prefix) and given not in names:
            tail = given.removeprefix(prefix)
            tails = {name.removeprefix(prefix): name for name in names}
            for close in difflib.get_close_matches(tail, tails, n=1, cutoff=0.75):
                yield f"{given} is not a setting; did you mean {tails[close]}?"


def _extras(annotation: Any) -> tuple[Any, ...]:
    if typing.get_origin(annotation) is Annotated:
        return tuple(annotation.__metadata__)
    return ()


def _bare(annotation: Any) -> Any:
    """The type inside Annotated and `| None`."""
    if typing.get_origin(annotation) is Annotated:
        return _bare(typing.get_args(annotation)[0])
    if typing.get_origin(annotation) in (types.UnionType, typing.Union):
        [inner] = [arg for arg in typing.get_args(annotation) if arg is not types.NoneType]
        return _bare(inner)
    return annotation


def _is_secret(annotation: Any) -> bool:
    return _bare(annotation) is Secret


def _range_of(annotation: Any) -> Range | None:
    for extra in _extras(annotation):
        if isinstance(extra, Range):
            return extra
    for arg in typing.get_args(annotation):
        if (inner := _range_of(arg)) is not None:
            return inner
    return None


def _choices(kind: Any) -> list[str] | None:
    if typing.get_origin(kind) is Literal:
        return [str(choice) for choice in typing.get_args(kind)]
    if isinstance(kind, type) and issubclass(kind, Enum):
        return [str(member.value) for member in kind]
    return None


def _parse(annotation: Any, text: str) -> object:
    kind = _bare(annotation)
    value: object
    if typing.get_origin(kind) is Literal:
        [value] = [choice for choice in typing.get_args(kind) if str(choice) == text]
    elif kind == tuple[str, ...]:
        value = tuple(part.strip() for part in text.split(",") if part.strip())
    elif kind is bool:
        if text.lower() not in _TRUE + _FALSE:
            raise ValueError(text)
        value = text.lower() in _TRUE
    elif kind is Path:
        try:
            value = Path(text).expanduser()
        except RuntimeError as error:  # ~somebody who has no home here
            raise ValueError(text) from error
    elif kind in (int, float):
        number = kind(text)
        allowed = _range_of(annotation) or Range()
        # An int may be too large for isfinite(), never infinite.
        if isinstance(number, float) and not math.isfinite(number):
            raise ValueError(text)
        if not allowed.min <= number <= allowed.max:
            raise ValueError(text)
        value = number
    elif kind in (str, Secret) or _choices(kind) is not None:
        value = kind(text)
    else:
        raise TypeError(f"settings cannot be of type {kind!r}")
    return value


def _in_words(annotation: Any) -> str:
    kind = _bare(annotation)
    choices = _choices(kind)
    if choices is not None:
        return "one of " + ", ".join(choices)
    if kind == tuple[str, ...]:
        return "a list separated by commas"
    words = {
        bool: "true or false",
        int: "a whole number",
        float: "a number",
        str: "a text",
        Path: "a path",
        Secret: "a secret",
    }[kind]
    allowed = _range_of(annotation)
    return words if allowed is None else f"{words} {allowed}"


def _default_of(field: Field[Any]) -> str | None:
    value = field.default
    if value is MISSING:
        if field.default_factory is MISSING:
            return None
        value = field.default_factory()
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Enum):
        return str(value.value)
    if isinstance(value, tuple):
        return ",".join(value)
    if isinstance(value, Secret):
        return "***"
    return str(value)


def _docstrings(cls: type[Any]) -> dict[str, str]:
    """The string under each field, also of the classes it inherits from."""
    docs: dict[str, str] = {}
    for base in reversed(cls.__mro__):
        if "__dataclass_fields__" not in vars(base):
            continue
        [tree] = ast.parse(dedent(inspect.getsource(base))).body
        assert isinstance(tree, ast.ClassDef)
        for statement, following in zip(tree.body, tree.body[1:], strict=False):
            if (
                isinstance(statement, ast.AnnAssign)
                and isinstance(statement.target, ast.Name)
                and isinstance(following, ast.Expr)
                and isinstance(following.value, ast.Constant)
                and isinstance(following.value.value, str)
            ):
                docs[statement.target.id] = " ".join(following.value.value.split())
    return docs
