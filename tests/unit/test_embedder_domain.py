"""What becomes of the other items of a call when one of them sets off a bug."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from servicekit.errors import Internal, Unavailable
from services.embedder.domain import (
    Embedded,
    Embedder,
    EncodedImage,
    ImageSource,
    ModelSpec,
    Pixels,
    Preparation,
    Rgb,
    Tokens,
    Vector,
)

SPEC = ModelSpec("space/1", "m", 2, "none", 1, 8, None, "Apache-2.0")
VECTOR = np.array([1, 0], np.float32)


class _Blank:
    def encode(self, text: str) -> Tokens:
        return Tokens(np.zeros(2, np.int32), truncated=False)


def _decode(data: bytes) -> Pixels:
    if data == b"poison":
        raise ZeroDivisionError
    return np.zeros((1, 1, 3), np.uint8)


def _prepare(pixels: Pixels, background: Rgb | None) -> Pixels:
    return pixels


def _embedder(executor: ThreadPoolExecutor) -> Embedder:
    def from_raw(rgb: bytes, width_px: int, height_px: int) -> Pixels:
        return _decode(rgb)

    return Embedder(SPEC, Preparation(_decode, from_raw, _prepare, _Blank(), executor))


IMAGES: list[ImageSource] = [EncodedImage(data) for data in (b"a", b"poison", b"b")]


async def test_an_image_that_wakes_a_bug_fails_alone() -> None:
    async def submit(item: Pixels, *, size_bytes: int) -> Vector:
        return VECTOR

    with ThreadPoolExecutor(2) as executor:
        first, second, third = await _embedder(executor).embed_images(IMAGES, None, submit)
    assert isinstance(first, Embedded)
    assert isinstance(third, Embedded)
    assert isinstance(second, Internal)
    assert isinstance(second.__cause__, ZeroDivisionError)


async def test_a_fault_of_the_service_ends_the_whole_call() -> None:
    async def submit(item: Pixels, *, size_bytes: int) -> Vector:
        raise Unavailable("The worker is gone.", reason="DRAINING")

    with ThreadPoolExecutor(2) as executor, pytest.raises(Unavailable):
        await _embedder(executor).embed_images(IMAGES, None, submit)
