"""Free-form attributes in the one form in which they are compared and stored."""

import json
import math
import re
from collections.abc import Mapping

from servicekit.errors import InvalidArgument
from services.gateway.catalogue import Attributes, Scalar

MAX_KEYS = 64
MAX_BYTES = 64 * 1024
MAX_SENT_BYTES = 4 * MAX_BYTES
"""Of attributes as they come, with all that will be dropped."""
MAX_KEY_BYTES = 1_024
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")


def canonical_attributes(given: Mapping[str, object] | None) -> Attributes:
    """Drops what says nothing (nulls, blank strings, empty lists) and checks the rest.

    Args:
      given: None for more than MAX_SENT_BYTES.

    Raises:
      InvalidArgument: FIELD_INVALID for a nested object or list, a number that is none, an empty
        key, more than 64 keys or 64 KiB.
    """
    if given is None:
        raise _too_large()
    kept: dict[str, Scalar | tuple[Scalar, ...]] = {}
    size = 0
    for key, value in given.items():
        clean = _clean(key, value)
        if clean is None:
            continue
        _check_key(key)
        kept[key] = clean
        # Counted before anything is serialised: ten megabytes of text are refused for free.
        size += len(key) + (len(clean) if isinstance(clean, str | tuple) else 1)
        if size > MAX_BYTES:
            raise _too_large()
    if len(kept) > MAX_KEYS:
        raise _invalid(
            f"A product has {len(kept)} attributes; at most {MAX_KEYS} are kept.",
            "product.attributes",
        )
    if len(canonical_json(kept)) > MAX_BYTES:
        raise _too_large()
    return kept


def canonical_json(value: object) -> bytes:
    """The same bytes for the same value: keys in order, no blanks, UTF-8."""
    text = json.dumps(
        value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
    )
    return text.encode()


def _check_key(key: str) -> None:
    if not key.strip() or len(key.encode()) > MAX_KEY_BYTES or _CONTROL.search(key):
        raise _invalid(
            f"An attribute's key has 1 to {MAX_KEY_BYTES} bytes and no control characters.",
            "product.attributes",
        )


def _clean(key: str, value: object) -> Scalar | tuple[Scalar, ...] | None:
    if isinstance(value, list | tuple):
        items = tuple(item for item in (_scalar(key, item) for item in value) if item is not None)
        return items or None
    return _scalar(key, value)


def _scalar(key: str, value: object) -> Scalar | None:
    if value is None:
        return None
    if isinstance(value, str):
        return value if value.strip() else None
    if isinstance(value, bool):
        return value
    if isinstance(value, int | float):
        if not math.isfinite(value):
            raise _invalid("An attribute is not a finite number.", f"product.attributes.{key}")
        return float(value)
    raise _invalid(
        "An attribute is a string, a number, a boolean or a list of those.",
        f"product.attributes.{key}",
    )


def _too_large() -> InvalidArgument:
    return _invalid(
        f"A product's attributes are larger than {MAX_BYTES} bytes.", "product.attributes"
    )


def _invalid(message: str, field: str) -> InvalidArgument:
    return InvalidArgument(message, reason="FIELD_INVALID", field=field)
