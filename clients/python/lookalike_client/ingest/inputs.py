"""What goes in: products and their photographs, checked when they are made."""

import dataclasses
import math
import os
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final, Self

MAX_IMAGES: Final = 32
"""Photographs of one product (lookalike.gateway.v1.IngestProduct)."""
MAX_TEXT_CHARS: Final = 1_000_000
"""Characters of a product in all. No server takes that many; here they would end the stream."""
MAX_LABEL_BYTES: Final = 1_024


@dataclasses.dataclass(frozen=True, slots=True)
class ImageInput:
    """A photograph to send. Exactly one of its four sources is set.

    Make one with `from_file`, `from_bytes`, `from_url` or `unreadable`.
    """

    label: str
    path: str | None = None
    data: bytes | None = dataclasses.field(default=None, repr=False)
    url: str | None = None
    unreadable_reason: str | None = None

    def __post_init__(self) -> None:
        sources = (self.path, self.data, self.url, self.unreadable_reason)
        if sum(source is not None for source in sources) != 1:
            raise ValueError("an image has exactly one source")
        # A label is only shown, so it is made to fit rather than refused.
        object.__setattr__(self, "label", _shown(self.label))

    @classmethod
    def from_file(cls, path: str | os.PathLike[str], *, label: str | None = None) -> Self:
        """A file, read when its turn comes; if that fails, the image is told as failed."""
        name = os.fspath(path)
        return cls(os.path.basename(name) if label is None else label, path=name)

    @classmethod
    def from_bytes(cls, data: bytes, *, label: str = "") -> Self:
        """An encoded file in memory."""
        return cls(label, data=data)

    @classmethod
    def from_url(cls, url: str, *, label: str | None = None) -> Self:
        """A URL for the server to fetch."""
        _encodable(url, "an image's URL")
        return cls(url if label is None else label, url=url)

    @classmethod
    def unreadable(cls, label: str, reason: str) -> Self:
        """An image that is missing, so that its product's outcome tells of it."""
        return cls(label, unreadable_reason=_shown(reason))


@dataclasses.dataclass(frozen=True, slots=True)
class ProductInput:
    """A product to send.

    Attributes:
      product_id: the catalogue's own stable identifier, 1 to 256 bytes.
      images: 0 to 32 photographs, in the order they shall be shown.
      name: a name to show; may be empty.
      attributes: free-form; each value a string, a number, a boolean, a list of those, or empty
        (None, "", []), which is left out.

    Raises:
      ValueError: a value is out of range or not of its type; the message says which.
    """

    product_id: str
    images: tuple[ImageInput, ...] = ()
    name: str = ""
    attributes: Mapping[str, Any] = dataclasses.field(default_factory=dict)

    def __post_init__(self) -> None:
        _text(self.product_id, "product_id")
        if not self.product_id:
            raise ValueError("product_id is empty")
        _text(self.name, "name")
        images = tuple(self.images)
        if len(images) > MAX_IMAGES:
            raise ValueError(f"images holds {len(images)} entries; at most {MAX_IMAGES}")
        object.__setattr__(self, "images", images)
        object.__setattr__(self, "attributes", MappingProxyType(_attributes(self.attributes)))
        chars = len(self.product_id) + len(self.name) + _chars(self.attributes)
        if chars > MAX_TEXT_CHARS:
            raise ValueError(f"its texts hold {chars} characters; at most {MAX_TEXT_CHARS}")


@dataclasses.dataclass(frozen=True, slots=True)
class Rejected:
    """A product of a source that cannot be sent: it is counted as failed, the others go on."""

    where: str
    """Where in the source: `catalogue.jsonl:12`."""
    product_id: str
    """Empty if it has none."""
    reason: str
    message: str


def _attributes(attributes: object) -> dict[str, Any]:
    if not isinstance(attributes, Mapping):
        raise ValueError(f"attributes is {_kind(attributes)}, not an object")
    kept = {}
    for key, value in attributes.items():
        _text(key, "an attribute's key")
        if isinstance(value, list | tuple):
            value = [_scalar(item, key) for item in value if item not in (None, "")]
        elif value is not None:
            value = _scalar(value, key)
        if value not in (None, "", []):
            kept[key] = value
    return kept


def _scalar(value: object, key: str) -> str | float | bool:
    if isinstance(value, bool):
        return value
    if isinstance(value, str):
        return _encodable(value, f"attribute {_short(key)!r}")
    if isinstance(value, int | float):
        try:
            number = float(value)
        except OverflowError:
            number = math.inf
        if math.isfinite(number):
            return number
        raise ValueError(f"attribute {_short(key)!r} holds a number that is out of range")
    raise ValueError(
        f"attribute {_short(key)!r} holds {_kind(value)}; "
        "a value is a string, a number, a boolean or a list of those"
    )


def _chars(attributes: Mapping[str, Any]) -> int:
    return sum(
        len(key) + (sum(map(_length, value)) if isinstance(value, list) else _length(value))
        for key, value in attributes.items()
    )


def _length(value: object) -> int:
    return len(value) if isinstance(value, str) else 8


def _text(value: object, name: str) -> None:
    if not isinstance(value, str):
        raise ValueError(f"{name} is {_kind(value)}, not a string")
    _encodable(value, name)


def _encodable(text: str, name: str) -> str:
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise ValueError(f"{name} holds half a character (a lone surrogate)") from error
    return text


def _shown(text: str) -> str:
    data = text.encode("utf-8", "replace")
    return (
        data.decode()
        if len(data) <= MAX_LABEL_BYTES
        else data[:MAX_LABEL_BYTES].decode("utf-8", "ignore")
    )


def _short(text: str) -> str:
    return text if len(text) <= 80 else f"{text[:80]}…"


def _kind(value: object) -> str:
    names = {dict: "an object", list: "a list", bool: "a boolean", type(None): "null"}
    if isinstance(value, int | float) and not isinstance(value, bool):
        return "a number"
    return names.get(type(value), f"a {type(value).__name__}")
