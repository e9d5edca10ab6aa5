"""Checks of single fields. Each raises InvalidArgument (FIELD_INVALID) that names the field."""

import re
from typing import Any, Final

import numpy as np

from lookalike.type.v1 import embedding_pb2
from servicekit.errors import InvalidArgument
from services.indexer.domain import Garment, Vector

_SHA256: Final = re.compile(r"[0-9a-f]{64}")
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f-\x9f]")

MAX_DIMENSION: Final = 8192

# How far from 1 the length of a vector may be and still be put right.
_LENGTH_TOLERANCE: Final = 1e-3


def invalid(field: str, message: str) -> InvalidArgument:
    return InvalidArgument(f"{field}: {message}.", reason="FIELD_INVALID", field=field)


def text(value: str, field: str, max_bytes: int, *, empty: bool = False) -> str:
    if not value and not empty:
        raise invalid(field, "must not be empty")
    if len(value.encode()) > max_bytes:
        raise invalid(field, f"must have at most {max_bytes} bytes")
    return value


def identifier(value: str, field: str) -> str:
    text(value, field, 256)
    if _CONTROL.search(value):
        raise invalid(field, "must not hold control characters")
    return value


def attribute_key(value: str, field: str) -> str:
    text(value, field, 1024)
    if _CONTROL.search(value):
        raise invalid(field, "a key must not hold control characters")
    return value


def sha256(value: str, field: str) -> str:
    if not _SHA256.fullmatch(value):
        raise invalid(field, "must be 64 lower-case hexadecimal digits")
    return value


def count(value: int, field: str, minimum: int, maximum: int) -> int:
    if not minimum <= value <= maximum:
        raise invalid(field, f"must be from {minimum} to {maximum}, not {value}")
    return value


def size(items: Any, field: str, minimum: int, maximum: int) -> None:
    if not minimum <= len(items) <= maximum:
        raise invalid(field, f"must have from {minimum} to {maximum} elements, not {len(items)}")


def page_size(value: int, default: int, maximum: int) -> int:
    """A page's size: 0 means the default, and above the maximum is the maximum."""
    if value < 0:
        raise invalid("page_size", "must not be negative")
    return min(value, maximum) or default


def garment(number: int, field: str) -> Garment:
    try:
        return Garment(number)
    except ValueError:
        raise invalid(field, f"{number} is no garment") from None


def vector(message: embedding_pb2.Embedding, field: str) -> Vector:
    """The values, put right to length 1 if they nearly have it. Shapes: returns (d,)."""
    data = message.values_f32
    if not data or len(data) % 4:
        raise invalid(field, "must be float32 values, 4 bytes each")
    values = np.frombuffer(data, "<f4")
    length = float(np.linalg.norm(values.astype(np.float64)))
    # Also false for a length that is not a number.
    if not abs(length - 1.0) <= _LENGTH_TOLERANCE:
        raise invalid(field, f"must be a vector of length 1, not {length:g}")
    return (values / np.float32(length)).astype(np.float32)
