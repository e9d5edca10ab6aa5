"""Products as clients send them: what is refused before any work, and what makes two the same."""

import asyncio
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass

from servicekit.errors import InvalidArgument
from services.gateway.attributes import canonical_attributes, canonical_json
from services.gateway.catalogue import Attributes

MAX_IMAGES = 32
MAX_ID_BYTES = 256
MAX_NAME_BYTES = 1_024
MAX_LABEL_BYTES = 1_024
_HASH_IN_THREAD_BYTES = 512 * 1024


@dataclass(frozen=True, slots=True)
class ImageData:
    """A photograph's bytes."""

    data: bytes


@dataclass(frozen=True, slots=True)
class ImageUri:
    """A photograph that the server was meant to fetch."""

    uri: str


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A photograph that the client meant to send and could not read."""

    reason: str


@dataclass(frozen=True, slots=True)
class IncomingImage:
    """A photograph of an incoming product; `source` is None if the client set none."""

    source: ImageData | ImageUri | Unreadable | None
    label: str


@dataclass(frozen=True, slots=True)
class IncomingProduct:
    """A product as it came, unchecked. size_bytes: of its images; memory_bytes: of all of it.

    attributes: None if they are too large to be looked at.
    """

    product_id: str
    name: str
    attributes: Mapping[str, object] | None
    images: tuple[IncomingImage, ...]
    size_bytes: int
    memory_bytes: int


@dataclass(frozen=True, slots=True)
class CheckedProduct:
    """A product that may go through the pipeline, with its digests.

    Attributes:
      image_sha256s: one for each image; None where there are no bytes.
      content_digest: SHA-256 of name, attributes and list of images, in hexadecimal digits.
    """

    incoming: IncomingProduct
    attributes: Attributes
    image_sha256s: tuple[str | None, ...]
    content_digest: str


async def check(product: IncomingProduct) -> CheckedProduct:
    """Checks a product's own fields and computes its digests.

    Raises:
      InvalidArgument: FIELD_INVALID or PRODUCT_EMPTY; the product is refused with it.
    """
    _check_id(product.product_id)
    if len(product.name.encode()) > MAX_NAME_BYTES:
        raise _invalid(f"A name is longer than {MAX_NAME_BYTES} bytes.", "product.name")
    attributes = canonical_attributes(product.attributes)
    if not product.images:
        raise InvalidArgument("A product has no images.", reason="PRODUCT_EMPTY")
    if len(product.images) > MAX_IMAGES:
        raise _invalid(
            f"A product has more than {MAX_IMAGES} images.",
            "product.images",
        )
    for position, image in enumerate(product.images):
        if len(image.label.encode()) > MAX_LABEL_BYTES:
            raise _invalid(
                f"A label is longer than {MAX_LABEL_BYTES} bytes.",
                f"product.images[{position}].label",
            )
    if product.size_bytes > _HASH_IN_THREAD_BYTES:
        digests = await asyncio.to_thread(_digests, product.images)
    else:
        digests = _digests(product.images)
    return CheckedProduct(
        incoming=product,
        attributes=attributes,
        image_sha256s=digests,
        content_digest=content_digest(product.name, attributes, product.images, digests),
    )


def content_digest(
    name: str,
    attributes: Attributes,
    images: tuple[IncomingImage, ...],
    image_sha256s: tuple[str | None, ...],
) -> str:
    """SHA-256 over the canonical JSON of all that makes a product what it is."""
    listed = [
        [*_identity(image, digest), image.label]
        for image, digest in zip(images, image_sha256s, strict=True)
    ]
    return hashlib.sha256(canonical_json([name, attributes, listed])).hexdigest()


def _identity(image: IncomingImage, digest: str | None) -> tuple[str, str]:
    match image.source:
        case ImageUri(uri):
            return "uri", uri
        case Unreadable(reason):
            return "unreadable", reason
        case _:
            return "sha256", digest or ""


def _digests(images: tuple[IncomingImage, ...]) -> tuple[str | None, ...]:
    return tuple(
        hashlib.sha256(image.source.data).hexdigest()
        if isinstance(image.source, ImageData)
        else None
        for image in images
    )


def _check_id(product_id: str) -> None:
    if not 1 <= len(product_id.encode()) <= MAX_ID_BYTES:
        raise _invalid(f"A product_id has 1 to {MAX_ID_BYTES} bytes.", "product.product_id")
    if any(ord(char) < 0x20 or 0x7F <= ord(char) < 0xA0 for char in product_id):
        raise _invalid("A product_id holds a control character.", "product.product_id")


def _invalid(message: str, field: str) -> InvalidArgument:
    return InvalidArgument(message, reason="FIELD_INVALID", field=field)
