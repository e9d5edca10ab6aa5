"""How products lie in a store that knows no documents: JSON texts, and vectors as packed bytes."""

import base64
import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import numpy as np

from services.indexer.domain import (
    Attributes,
    Garment,
    GarmentBox,
    GarmentEmbedding,
    ImageFailure,
    ProductImage,
    Slot,
    Vector,
)

# One byte of count, up to 7 of garments; 8 in all, so that the values after it are aligned.
_HEADER: Final = 8
NO_VECTORS_BYTES: Final = _HEADER
"""Length of what `pack_vectors` makes of none."""
# A lookup takes a third of the time of Slot(number), and a start makes it half a million times.
_SLOTS: Final = {int(slot): slot for slot in Slot}


def pack_vectors(vectors: Mapping[int, Vector]) -> bytes:
    """Count, garments, then little-endian float32 values. Shapes: vectors (d,) each."""
    numbers = sorted(vectors)
    header = bytes([len(numbers), *numbers]).ljust(_HEADER, b"\0")
    values = [np.ascontiguousarray(vectors[number], "<f4").tobytes() for number in numbers]
    return b"".join([header, *values])


def unpack_vectors(data: bytes) -> dict[int, Vector]:
    """The inverse; the vectors are read-only views of `data`."""
    count = data[0]
    if not count:
        return {}
    values = np.frombuffer(data, "<f4", offset=_HEADER).reshape(count, -1)
    return dict(zip(data[1 : 1 + count], values, strict=True))


def pooled_to_store(own: Garment | None, vectors: Mapping[Slot, Vector]) -> dict[int, Vector]:
    """The pooled vectors without the product's own where that is just its garment's."""
    stored = {int(slot): vector for slot, vector in vectors.items()}
    if own is not None and np.array_equal(stored[Slot.OWN], stored.get(own, ())):
        del stored[Slot.OWN]
    return stored


def pooled_from_store(own: int | None, stored: Mapping[int, Vector]) -> dict[Slot, Vector]:
    """The inverse of `pooled_to_store`."""
    vectors = {_SLOTS[number]: vector for number, vector in stored.items()}
    if own is not None and Slot.OWN not in vectors:
        vectors[Slot.OWN] = vectors[_SLOTS[own]]
    return vectors


def dump_attributes(attributes: Attributes) -> str:
    return json.dumps(attributes, ensure_ascii=False, separators=(",", ":"))


def load_attributes(text: str) -> Attributes:
    found: dict[str, Any] = json.loads(text)
    for key, value in found.items():
        if type(value) is list:
            found[key] = tuple(value)
    return found


def image_fields(image: ProductImage) -> dict[str, Any]:
    """An image without its vectors, as plain values."""
    return {
        "sha256": image.sha256,
        "uri": image.uri,
        "label": image.label,
        "width_px": image.width_px,
        "height_px": image.height_px,
        "size_bytes": image.size_bytes,
        "whole_image_fallback": image.whole_image_fallback,
        "garments": [
            {
                "garment": int(found.garment),
                "box_px": list(found.box_px),
                "area_fraction": found.area_fraction,
                "confidence": found.confidence,
            }
            for found in image.garments
        ],
    }


def image_from_fields(
    fields: Mapping[str, Any], vectors: Mapping[int, Vector] | None = None
) -> ProductImage:
    return ProductImage(
        sha256=fields["sha256"],
        uri=fields["uri"],
        label=fields["label"],
        width_px=fields["width_px"],
        height_px=fields["height_px"],
        size_bytes=fields["size_bytes"],
        whole_image_fallback=fields["whole_image_fallback"],
        garments=tuple(
            GarmentBox(
                Garment(found["garment"]),
                (found["box_px"][0], found["box_px"][1], found["box_px"][2], found["box_px"][3]),
                found["area_fraction"],
                found["confidence"],
            )
            for found in fields["garments"]
        ),
        embeddings=tuple(
            GarmentEmbedding(Garment(number), vector) for number, vector in (vectors or {}).items()
        ),
    )


def image_vectors(image: ProductImage) -> dict[int, Vector]:
    return {int(found.garment): found.vector for found in image.embeddings}


def failure_fields(failure: ImageFailure) -> dict[str, Any]:
    return {
        "image_index": failure.image_index,
        "label": failure.label,
        "stage": failure.stage,
        "status": base64.b64encode(failure.status).decode(),
        "retryable": failure.retryable,
    }


def failures_from_fields(found: Iterable[Mapping[str, Any]]) -> tuple[ImageFailure, ...]:
    return tuple(
        ImageFailure(
            fields["image_index"],
            fields["label"],
            fields["stage"],
            base64.b64decode(fields["status"]),
            fields["retryable"],
        )
        for fields in found
    )


def dump(values: Sequence[Mapping[str, Any]]) -> str:
    return json.dumps(values, ensure_ascii=False, separators=(",", ":"))


def load(text: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(text)
    return found
