"""What every kind of source yields, and how it refers to photographs."""

import os
import re
from typing import Any, Final

from lookalike_client.ingest.inputs import ImageInput, ProductInput, Rejected

Entry = ProductInput | Rejected

SOURCE_INVALID: Final = "SOURCE_INVALID"
"""A line that is no product, a folder that cannot be listed."""
FIELD_INVALID: Final = "FIELD_INVALID"
"""A field that is missing, out of range or not of its type."""

_URL: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+://")


def image_of(reference: object, folder: str) -> ImageInput:
    """A photograph that a manifest refers to: a path relative to its folder, or a URL."""
    if not isinstance(reference, str):
        label = f"{reference!r}"[:200]
        return ImageInput.unreadable(label, f"{label} is neither a path nor a URL")
    if not reference.strip():
        return ImageInput.unreadable(reference, "the path is empty")
    if _URL.match(reference):
        try:
            return ImageInput.from_url(reference)
        except ValueError as error:
            return ImageInput.unreadable(reference, str(error))
    return ImageInput.from_file(os.path.join(folder, reference), label=reference)


def product_of(
    *,
    where: str,
    product_id: object,
    images: object,
    name: object,
    attributes: object,
    folder: str,
) -> Entry:
    """A product as a manifest gives it, or why it is none."""
    shown = product_id if isinstance(product_id, str) else ""
    try:
        if not isinstance(images, list):
            raise ValueError("images is missing" if images is None else "images is not a list")
        return ProductInput(
            product_id=_required(product_id),
            images=tuple(image_of(reference, folder) for reference in images),
            name="" if name is None else _string(name, "name"),
            attributes={} if attributes is None else _object(attributes),
        )
    except ValueError as error:
        return Rejected(where, shown, FIELD_INVALID, str(error))


def _required(product_id: object) -> str:
    if product_id is None:
        raise ValueError("product_id is missing")
    return _string(product_id, "product_id")


def _string(value: object, name: str) -> str:
    if not isinstance(value, str):
        raise ValueError(f"{name} is not a string")
    return value


def _object(value: object) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise ValueError("attributes is not an object")
    return value
