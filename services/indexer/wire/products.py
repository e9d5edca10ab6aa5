"""Products and their images."""

import math
from collections.abc import Iterable, Mapping
from typing import Final

import numpy as np
from google.protobuf import struct_pb2
from google.rpc import status_pb2

from lookalike.indexer.v1 import indexer_pb2
from lookalike.type.v1 import embedding_pb2, garment_pb2, image_pb2, product_pb2
from services.indexer.domain import (
    Attributes,
    AttributeValue,
    GarmentBox,
    ImageFailure,
    Product,
    ProductImage,
    Scalar,
    Slot,
    Space,
    Vector,
)
from services.indexer.wire import checks, spaces
from services.indexer.wire.filters import value_message

MAX_IMAGES: Final = 500
_MAX_ATTRIBUTES: Final = 64
_MAX_ATTRIBUTES_BYTES: Final = 64 * 1024


def product(record: indexer_pb2.ProductRecord, field: str) -> Product:
    """A product without its pooled vectors.

    Args:
      field: the record's own path in the request, for errors.

    Raises:
      InvalidArgument: FIELD_INVALID.
    """
    message, path = record.product, f"{field}.product"
    checks.size(message.images, f"{path}.images", 0, MAX_IMAGES)
    images = tuple(
        _image(image, f"{path}.images[{index}]") for index, image in enumerate(message.images)
    )
    return Product(
        product_id=checks.identifier(message.product_id, f"{path}.product_id"),
        name=checks.text(message.name, f"{path}.name", 1024, empty=True),
        attributes=attributes(message.attributes, f"{path}.attributes"),
        images=images,
        failures=image_failures(message.image_failures),
        content_digest=checks.text(
            record.content_digest, f"{field}.content_digest", 256, empty=True
        ),
        pipeline_version=checks.text(
            record.pipeline_version, f"{field}.pipeline_version", 1024, empty=not images
        ),
        space=_space(record, images, field),
        others=tuple(
            spaces.space_vectors(other, len(images), f"{field}.other_spaces[{index}]")
            for index, other in enumerate(record.other_spaces)
        ),
    )


def _space(
    record: indexer_pb2.ProductRecord, images: Iterable[ProductImage], field: str
) -> Space | None:
    lengths = {len(found.vector) for image in images for found in image.embeddings}
    if not lengths:
        return None
    checks.text(record.embedding_version, f"{field}.embedding_version", 256)
    checks.count(record.dimension, f"{field}.dimension", 1, checks.MAX_DIMENSION)
    if lengths != {record.dimension}:
        raise checks.invalid(f"{field}.dimension", "is not the length of every vector")
    return Space(record.embedding_version, record.dimension, record.model)


def attributes(message: struct_pb2.Struct, field: str) -> Attributes:
    """What is kept: no nulls, empty texts and empty lists.

    Raises:
      InvalidArgument: FIELD_INVALID for other than texts, numbers, booleans and lists of those.
    """
    if message.ByteSize() > _MAX_ATTRIBUTES_BYTES:
        raise checks.invalid(field, f"must have at most {_MAX_ATTRIBUTES_BYTES} bytes")
    kept: dict[str, AttributeValue] = {}
    # Sorted, because a protobuf map has no order that a digest or a page could rely on.
    for key in sorted(message.fields):
        path = f"{field}.{checks.attribute_key(key, field)}"
        value = message.fields[key]
        if value.WhichOneof("kind") == "list_value":
            scalars = tuple(
                scalar
                for element in value.list_value.values
                if (scalar := _scalar(element, path)) is not None
            )
            if scalars:
                kept[key] = scalars
        elif (scalar := _scalar(value, path)) is not None:
            kept[key] = scalar
    checks.size(kept, field, 0, _MAX_ATTRIBUTES)
    return kept


def _scalar(value: struct_pb2.Value, field: str) -> Scalar | None:
    match value.WhichOneof("kind"):
        case "string_value":
            return value.string_value or None
        case "bool_value":
            return value.bool_value
        case "number_value":
            if not math.isfinite(value.number_value):
                raise checks.invalid(field, "must be a finite number")
            return value.number_value
        case "null_value" | None:
            return None
        case _:
            raise checks.invalid(field, "must be a text, a number, a boolean or a list of those")


def _image(message: product_pb2.ProductImage, field: str) -> ProductImage:
    embeddings = spaces.embeddings(message.embeddings, f"{field}.embeddings")
    return ProductImage(
        sha256=checks.sha256(message.sha256, f"{field}.sha256"),
        uri=checks.text(message.uri, f"{field}.uri", 8192, empty=True),
        label=checks.text(message.label, f"{field}.label", 1024, empty=True),
        width_px=message.width_px,
        height_px=message.height_px,
        size_bytes=message.size_bytes,
        whole_image_fallback=message.whole_image_fallback,
        garments=tuple(_box(found, f"{field}.garments") for found in message.garments),
        embeddings=embeddings,
    )


def _box(message: product_pb2.ImageGarment, field: str) -> GarmentBox:
    box = message.bounding_box
    if not (math.isfinite(message.area_fraction) and math.isfinite(message.confidence)):
        raise checks.invalid(field, "must have finite numbers")
    return GarmentBox(
        checks.garment(message.garment, field),
        (box.left_px, box.top_px, box.width_px, box.height_px),
        message.area_fraction,
        message.confidence,
    )


def image_failures(messages: Iterable[product_pb2.ImageFailure]) -> tuple[ImageFailure, ...]:
    return tuple(
        ImageFailure(
            message.image_index,
            message.label,
            message.stage,
            message.status.SerializeToString(),
            message.retryable,
        )
        for message in messages
    )


def failure_messages(failures: Iterable[ImageFailure]) -> list[product_pb2.ImageFailure]:
    return [
        product_pb2.ImageFailure(
            image_index=failure.image_index,
            label=failure.label,
            stage=product_pb2.IngestStage.ValueType(failure.stage),
            status=status_pb2.Status.FromString(failure.status),
            retryable=failure.retryable,
        )
        for failure in failures
    ]


def product_message(found: Product) -> product_pb2.Product:
    """With vectors where the product has them."""
    message = product_pb2.Product(
        product_id=found.product_id,
        name=found.name,
        attributes=_struct(found.attributes),
        images=[image_message(image) for image in found.images],
        image_failures=failure_messages(found.failures),
        pipeline_version=found.pipeline_version,
    )
    if found.own_garment is not None:
        message.own_garment = garment_pb2.Garment.ValueType(found.own_garment)
    message.create_time.FromMicroseconds(found.create_time_us)
    message.update_time.FromMicroseconds(found.update_time_us)
    if Slot.OWN in found.vectors:
        message.embedding.values_f32 = _packed(found.vectors[Slot.OWN])
    return message


def image_message(image: ProductImage) -> product_pb2.ProductImage:
    return product_pb2.ProductImage(
        sha256=image.sha256,
        uri=image.uri,
        label=image.label,
        width_px=image.width_px,
        height_px=image.height_px,
        size_bytes=image.size_bytes,
        whole_image_fallback=image.whole_image_fallback,
        garments=[_box_message(found) for found in image.garments],
        embeddings=[
            embedding_pb2.GarmentEmbedding(
                garment=garment_pb2.Garment.ValueType(found.garment),
                embedding=embedding_pb2.Embedding(values_f32=_packed(found.vector)),
            )
            for found in image.embeddings
        ],
    )


def _box_message(found: GarmentBox) -> product_pb2.ImageGarment:
    left, top, width, height = found.box_px
    return product_pb2.ImageGarment(
        garment=garment_pb2.Garment.ValueType(found.garment),
        bounding_box=image_pb2.BoundingBox(
            left_px=left, top_px=top, width_px=width, height_px=height
        ),
        area_fraction=found.area_fraction,
        confidence=found.confidence,
    )


def _struct(found: Attributes) -> struct_pb2.Struct:
    message = struct_pb2.Struct()
    fields: Mapping[str, AttributeValue] = found
    for key, value in fields.items():
        if isinstance(value, tuple):
            message.fields[key].list_value.values.extend(value_message(item) for item in value)
        else:
            message.fields[key].CopyFrom(value_message(value))
    return message


def _packed(vector: Vector) -> bytes:
    return np.ascontiguousarray(vector, "<f4").tobytes()
