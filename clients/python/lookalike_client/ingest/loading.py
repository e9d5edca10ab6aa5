"""Reads a product's files and makes its message. Blocking: runs in threads."""

import dataclasses
import os
import stat
from typing import Final

from lookalike.gateway.v1 import ingest_pb2
from lookalike_client import wire
from lookalike_client.ingest.inputs import ImageInput, ProductInput

_ENVELOPE_BYTES: Final = 64 * 1024
"""Room in a message for what is neither image nor text: tags, lengths, labels."""


@dataclasses.dataclass(frozen=True, slots=True)
class Limits:
    """What is not worth sending, because the server would refuse it or end the stream."""

    image_bytes: int
    message_bytes: int


@dataclasses.dataclass(frozen=True, slots=True)
class Loaded:
    """A product ready to send."""

    message: ingest_pb2.IngestProduct
    image_bytes: int
    images: int


def measure(product: ProductInput, limits: Limits) -> int:
    """Bytes that `load` will hold, about."""
    return sum(_measured(image, limits) for image in product.images)


def load(product: ProductInput, limits: Limits) -> Loaded:
    """Reads the files. An image that cannot be read goes with the reason instead of bytes."""
    message = ingest_pb2.IngestProduct(product_id=product.product_id, name=product.name)
    if product.attributes:
        message.attributes.CopyFrom(wire.to_struct(product.attributes))
    left = limits.message_bytes - _ENVELOPE_BYTES - message.ByteSize()
    total = 0
    for image in product.images:
        sent = message.images.add(label=image.label)
        if image.url is not None:
            sent.uri = image.url
            continue
        try:
            data = _read(image, limits.image_bytes)
            if len(data) > left:
                raise _UnreadableError(
                    f"with it the product would exceed {limits.message_bytes} bytes, "
                    "the limit of a message"
                )
        except _UnreadableError as error:
            sent.unreadable_reason = str(error)
            continue
        sent.data = data
        left -= len(data)
        total += len(data)
    return Loaded(message, total, len(product.images))


class _UnreadableError(Exception):
    """Why an image has no bytes."""


def _read(image: ImageInput, limit: int) -> bytes:
    if image.unreadable_reason is not None:
        raise _UnreadableError(image.unreadable_reason)
    if image.data is not None:
        _check_size(len(image.data), limit)
        return image.data
    assert image.path is not None
    try:
        found = os.stat(image.path)
        if stat.S_ISDIR(found.st_mode):
            raise _UnreadableError("it is a directory")
        if not stat.S_ISREG(found.st_mode):  # opening a pipe would wait for its writer
            raise _UnreadableError("it is not a regular file")
        _check_size(found.st_size, limit)
        with open(image.path, "rb") as file:
            data = file.read(limit + 1)
    except (OSError, ValueError) as error:  # ValueError: a NUL in the path
        raise _UnreadableError(getattr(error, "strerror", None) or str(error)) from error
    _check_size(len(data), limit)
    return data


def _check_size(size_bytes: int, limit: int) -> None:
    if size_bytes > limit:
        raise _UnreadableError(f"it has {size_bytes} bytes; at most {limit} are sent")


def _measured(image: ImageInput, limits: Limits) -> int:
    if image.data is not None:
        return len(image.data)
    if image.path is None:
        return 0
    try:
        return min(os.stat(image.path).st_size, limits.image_bytes)
    except (OSError, ValueError):
        return 0
