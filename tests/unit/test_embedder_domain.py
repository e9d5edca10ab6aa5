"""What becomes of the other items of a call when one of them sets off a bug."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest

from servicekit.errors import Internal, InvalidArgument, Unavailable
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


def _by_first_byte(executor: ThreadPoolExecutor, weight: float) -> Embedder:
    """Embeds a picture as one of three axes: 0 and 1 garments, 9 the photograph."""

    def decode(data: bytes) -> Pixels:
        if data == b"poison":
            raise InvalidArgument("no picture", reason="IMAGE_UNDECODABLE")
        return np.full((1, 1, 3), data[0], np.uint8)

    def prepare(pixels: Pixels, background: Rgb | None) -> Pixels:
        # A photograph stands before its own background.
        assert (background is None) == (pixels[0, 0, 0] == 9)
        return pixels

    def from_raw(rgb: bytes, width_px: int, height_px: int) -> Pixels:
        return decode(rgb)

    spec = replace(SPEC, dimension=3, photograph_weight=weight)
    return Embedder(spec, Preparation(decode, from_raw, prepare, _Blank(), executor))


async def _axis(item: Pixels, *, size_bytes: int) -> Vector:
    return np.eye(3, dtype=np.float32)[min(int(item[0, 0, 0]), 2)]


GARMENTS: list[ImageSource] = [EncodedImage(b"\x00"), EncodedImage(b"\x01")]
PHOTOGRAPH = EncodedImage(b"\x09")


async def test_the_photograph_is_mixed_into_its_garments_by_the_models_weight() -> None:
    with ThreadPoolExecutor(2) as executor:
        embedder = _by_first_byte(executor, 0.75)
        found = await embedder.embed_images(GARMENTS, (0, 255, 0), _axis, PHOTOGRAPH)
        alone = await embedder.embed_images(GARMENTS, (0, 255, 0), _axis)
    vectors = [one.vector for one in found if isinstance(one, Embedded)]
    np.testing.assert_allclose(vectors, [[0.8, 0, 0.6], [0, 0.8, 0.6]], atol=1e-6)
    assert [one.vector.tolist() for one in alone if isinstance(one, Embedded)] == [
        [1, 0, 0],
        [0, 1, 0],
    ]


async def test_a_model_without_a_weight_does_not_even_read_the_photograph() -> None:
    with ThreadPoolExecutor(2) as executor:
        embedder = _by_first_byte(executor, 0.0)
        found = await embedder.embed_images(GARMENTS, (0, 255, 0), _axis, EncodedImage(b"poison"))
    assert all(isinstance(one, Embedded) for one in found)


async def test_a_photograph_that_cannot_be_read_is_told_of_every_garment() -> None:
    with ThreadPoolExecutor(2) as executor:
        embedder = _by_first_byte(executor, 1.0)
        found = await embedder.embed_images(GARMENTS, (0, 255, 0), _axis, EncodedImage(b"poison"))
    assert [type(one) for one in found] == [InvalidArgument, InvalidArgument]
