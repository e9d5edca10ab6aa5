"""Stored photographs made small."""

import asyncio
import io

import pytest
from PIL import Image

from services.gateway.ranking import StoredImage
from services.gateway.thumbnails import Thumbnails, reduce_image


def stored(
    size: tuple[int, int], kind: str = "JPEG", mode: str = "RGB", orientation: int = 1
) -> StoredImage:
    picture = Image.new(mode, size, (200, 30, 30, 128) if mode == "RGBA" else 0)
    out = io.BytesIO()
    exif = Image.Exif()
    exif[0x0112] = orientation
    if kind == "JPEG":
        picture.save(out, kind, exif=exif)
    else:
        picture.save(out, kind)
    return StoredImage(out.getvalue(), f"image/{kind.lower()}")


def opened(image: StoredImage) -> Image.Image:
    return Image.open(io.BytesIO(image.data))


def test_a_large_photograph_is_reduced_to_jpeg() -> None:
    small = reduce_image(stored((1_000, 500)), 100)
    assert small.media_type == "image/jpeg"
    assert opened(small).size == (100, 50)


def test_a_turned_photograph_is_sent_upright() -> None:
    small = reduce_image(stored((1_000, 500), orientation=6), 100)
    assert opened(small).size == (50, 100)
    assert not opened(small).getexif()


def test_transparency_is_kept() -> None:
    small = reduce_image(stored((400, 400), "PNG", "RGBA"), 50)
    assert small.media_type == "image/webp"
    assert opened(small).mode == "RGBA"


def test_sixteen_bits_are_scaled_and_not_cut_off() -> None:
    grey = Image.new("I;16", (200, 100), 0x4040)
    out = io.BytesIO()
    grey.save(out, "TIFF")
    small = reduce_image(StoredImage(out.getvalue(), "image/tiff"), 20)
    assert opened(small).convert("L").getpixel((10, 5)) == 0x40


def test_a_small_photograph_is_left_alone() -> None:
    image = stored((64, 64))
    assert reduce_image(image, 64) is image


def test_a_small_photograph_that_browsers_cannot_show_is_turned_into_one_they_can() -> None:
    small = reduce_image(stored((40, 30), "TIFF"), 64)
    assert small.media_type == "image/jpeg"
    assert opened(small).size == (40, 30)


@pytest.mark.parametrize("size", [(3_000, 1), (1, 3_000)])
def test_extreme_shapes_keep_at_least_one_pixel(size: tuple[int, int]) -> None:
    assert min(opened(reduce_image(stored(size), 16)).size) == 1


async def test_the_cache_keeps_what_fits_and_forgets_the_oldest() -> None:
    image = stored((300, 300), "PNG", "RGBA")
    size = len(reduce_image(image, 100).data)
    thumbnails = Thumbnails(cache_bytes=2 * size)
    try:
        for name in ("a", "b", "c"):
            await thumbnails.reduced(name, image, 100)
        assert thumbnails.cached("a", 100) is None
        assert thumbnails.cached("b", 100) is not None
        assert thumbnails.cached("b", 50) is None
        assert thumbnails.cached("c", 100) is not None
    finally:
        thumbnails.close()


async def test_many_who_want_the_same_thumbnail_get_the_same_one() -> None:
    thumbnails = Thumbnails(cache_bytes=0)
    try:
        image = stored((800, 600))
        found = await asyncio.gather(*[thumbnails.reduced("a", image, 64) for _ in range(8)])
        assert all(one is found[0] for one in found)
        assert thumbnails.cached("a", 64) is None
    finally:
        thumbnails.close()
