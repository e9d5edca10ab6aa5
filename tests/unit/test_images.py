"""servicekit.images: hostile bytes in, upright RGB or a typed refusal out."""

import contextlib
import io
import random
import struct
import warnings
import zlib
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from PIL import Image, ImageDraw

from servicekit.errors import InvalidArgument
from servicekit.images import (
    DEFAULT_LIMITS,
    DecodeLimits,
    Encoding,
    decode,
    encode,
    encode_classes,
    from_raw,
    reduce_to,
)


def photograph(width: int = 40, height: int = 30, mode: str = "RGB") -> Image.Image:
    """Red left half, blue right half, a white block at the top left."""
    image = Image.new("RGB", (width, height), (200, 20, 20))
    draw = ImageDraw.Draw(image)
    draw.rectangle((width // 2, 0, width, height), fill=(20, 20, 200))
    draw.rectangle((0, 0, width // 8, height // 6), fill=(255, 255, 255))
    return image.convert(mode)


def file_of(image: Image.Image, format_name: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, format_name, **options)
    return buffer.getvalue()


def png_with_header(width: int, height: int, data: bytes = b"") -> bytes:
    """A PNG whose header announces a size and whose data do not."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return (
            struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        )

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    parts = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(data)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + parts


def reason_of(data: bytes, limits: DecodeLimits = DEFAULT_LIMITS) -> str:
    with pytest.raises(InvalidArgument) as refused:
        decode(data, limits)
    return refused.value.reason


def is_red(pixel: np.ndarray) -> bool:
    return bool(pixel[0] > 150 and pixel[2] < 90)


def is_blue(pixel: np.ndarray) -> bool:
    return bool(pixel[2] > 150 and pixel[0] < 90)


@pytest.mark.parametrize(
    ("format_name", "options"),
    [
        ("JPEG", {"quality": 95}),
        ("JPEG", {"quality": 95, "progressive": True}),
        ("PNG", {}),
        ("GIF", {}),
        ("WEBP", {"lossless": True}),
        ("TIFF", {}),
        ("TIFF", {"compression": "tiff_lzw"}),
        ("AVIF", {"quality": 90}),
        ("HEIF", {"quality": 90}),
        ("PPM", {}),
        ("SGI", {}),
        ("MPO", {"quality": 95}),
    ],
)
def test_every_promised_format_decodes(format_name: str, options: dict[str, object]) -> None:
    pixels = decode(file_of(photograph(), format_name, **options))
    assert pixels.shape == (30, 40, 3)
    assert pixels.dtype == np.uint8
    assert is_red(pixels[20, 10])
    assert is_blue(pixels[20, 30])


def test_an_icon_decodes_to_its_largest_picture() -> None:
    data = file_of(photograph(64, 64, "RGBA"), "ICO", sizes=[(16, 16), (64, 64)])
    assert decode(data).shape == (64, 64, 3)


def test_cmyk_is_converted() -> None:
    pixels = decode(file_of(photograph(mode="CMYK"), "JPEG", quality=95))
    assert is_red(pixels[20, 10])
    assert is_blue(pixels[20, 30])


@pytest.mark.parametrize("format_name", ["PNG", "TIFF"])
def test_16_bit_grey_is_scaled_and_not_clipped(format_name: str) -> None:
    wide = np.linspace(0, 65535, 32 * 8).reshape(8, 32).astype(np.uint16)
    pixels = decode(file_of(Image.fromarray(wide), format_name))
    np.testing.assert_array_equal(pixels[:, :, 0], np.rint(wide / 257.0).astype(np.uint8))


def test_a_dark_16_bit_picture_stays_dark() -> None:
    wide = np.full((4, 4), 200, np.uint16)
    assert decode(file_of(Image.fromarray(wide), "PNG")).max() == 1


def test_float_grey_from_0_to_1_is_scaled() -> None:
    ramp = np.linspace(0, 1, 16, dtype=np.float32).reshape(4, 4)
    pixels = decode(file_of(Image.fromarray(ramp), "TIFF"))
    np.testing.assert_array_equal(pixels[:, :, 1], np.rint(ramp * 255).astype(np.uint8))


def test_float_grey_with_nan_and_infinity_decodes() -> None:
    odd = np.array([[np.nan, np.inf], [-np.inf, 1.0]], dtype=np.float32)
    assert decode(file_of(Image.fromarray(odd), "TIFF"))[:, :, 0].tolist() == [[0, 0], [0, 255]]


@pytest.mark.parametrize("mode", ["RGBA", "LA", "PA"])
def test_transparency_is_flattened_on_white(mode: str) -> None:
    layered = Image.new("RGBA", (6, 4), (0, 0, 0, 0))
    layered.paste((0, 0, 0, 255), (0, 0, 3, 4))
    format_name = "TIFF" if mode == "PA" else "PNG"
    if mode == "PA":
        layered = layered.convert("P").convert("PA")
        layered.putalpha(Image.fromarray(np.repeat([[255] * 3 + [0] * 3], 4, 0).astype(np.uint8)))
        layered = layered.convert("RGBA")
    else:
        layered = layered.convert(mode)
    pixels = decode(file_of(layered, format_name))
    assert pixels[0, 0].tolist() == [0, 0, 0]
    assert pixels[0, 5].tolist() == [255, 255, 255]


def test_a_transparent_palette_colour_becomes_white() -> None:
    indexed = Image.new("P", (4, 4), 1)
    indexed.putpalette([10, 20, 30, 40, 50, 60])
    pixels = decode(file_of(indexed, "PNG", transparency=1))
    assert (pixels == 255).all()


def test_of_an_animation_the_first_frame_is_taken() -> None:
    frames = [Image.new("RGB", (9, 9), colour) for colour in ("red", "blue")]
    for format_name in ("GIF", "WEBP", "PNG", "AVIF"):
        data = file_of(frames[0], format_name, save_all=True, append_images=frames[1:])
        assert is_red(decode(data)[4, 4]), format_name


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("format_name", ["JPEG", "PNG", "WEBP", "TIFF"])
def test_exif_turned_pictures_come_out_upright(orientation: int, format_name: str) -> None:
    upright = photograph(48, 32)
    undo = {
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_90,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_270,
    }
    stored = upright.transpose(undo[orientation]) if orientation in undo else upright
    exif = Image.Exif()
    exif[0x0112] = orientation
    options = {"quality": 95} if format_name == "JPEG" else {}
    options |= {"lossless": True} if format_name == "WEBP" else {}
    pixels = decode(file_of(stored, format_name, exif=exif, **options))
    assert pixels.shape == (32, 48, 3)
    assert np.abs(pixels.astype(int) - np.asarray(upright).astype(int)).mean() < 6


# The process-wide filter of servicekit.images, which the test runner replaces by its own.
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_broken_exif_does_not_stop_a_picture() -> None:
    data = file_of(photograph(), "JPEG", exif=b"Exif\x00\x00II*\x00\xff\xff\xff\xff garbage")
    assert decode(data).shape == (30, 40, 3)


def test_a_wrong_extension_does_not_matter_as_bytes_have_none() -> None:
    assert decode(file_of(photograph(), "GIF")).shape == decode(file_of(photograph(), "PNG")).shape


@pytest.mark.parametrize(
    "data",
    [
        b"<!DOCTYPE html><html><body>404</body></html>",
        b"  \n<html>no</html>",
        b"hello",
        b"\x00" * 64,
    ],
)
def test_what_is_no_image_is_refused(data: bytes) -> None:
    assert reason_of(data) == "IMAGE_UNDECODABLE"


def test_no_bytes_are_refused_as_empty() -> None:
    assert reason_of(b"") == "IMAGE_EMPTY"


@pytest.mark.parametrize(
    "data",
    [
        b"%PDF-1.4 ...",
        b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n",
        b'<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg"/>',
        file_of(photograph(), "BMP"),
        file_of(photograph(), "EPS"),
    ],
    ids=["pdf", "postscript", "svg", "bmp", "eps"],
)
def test_formats_off_the_list_are_refused_by_name(data: bytes) -> None:
    assert reason_of(data) == "IMAGE_UNSUPPORTED_FORMAT"


@pytest.mark.parametrize(
    "format_name", ["JPEG", "PNG", "GIF", "WEBP", "TIFF", "PPM", "SGI", "AVIF"]
)
@pytest.mark.parametrize("share", [0.3, 0.6, 0.95])
def test_a_picture_that_ends_early_is_refused(format_name: str, share: float) -> None:
    noise = np.random.default_rng(1).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    data = file_of(Image.fromarray(noise), format_name)
    reason = reason_of(data[: int(len(data) * share)])
    assert reason in ("IMAGE_TRUNCATED", "IMAGE_UNDECODABLE")


def test_a_jpeg_that_ends_early_says_so() -> None:
    noise = np.random.default_rng(1).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    data = file_of(Image.fromarray(noise), "JPEG")
    assert reason_of(data[: len(data) // 2]) == "IMAGE_TRUNCATED"


def test_a_pixel_bomb_is_refused_by_its_header() -> None:
    assert reason_of(png_with_header(60_000, 60_000)) == "IMAGE_TOO_LARGE"


def test_the_refusal_of_a_bomb_names_the_sizes() -> None:
    with pytest.raises(InvalidArgument) as refused:
        decode(png_with_header(9000, 9000))
    assert refused.value.metadata["width_px"] == "9000"
    assert refused.value.metadata["max_pixels"] == str(DEFAULT_LIMITS.max_pixels)


def test_a_bomb_inside_an_icon_is_refused() -> None:
    bomb = png_with_header(50_000, 50_000)
    entry = struct.pack("<BBBBHHII", 16, 16, 0, 0, 1, 32, len(bomb), 22)
    assert reason_of(b"\x00\x00\x01\x00\x01\x00" + entry + bomb) == "IMAGE_TOO_LARGE"


def test_a_tiff_with_giant_tiles_is_refused() -> None:
    tags = {
        256: 8,
        257: 8,
        258: 8,
        259: 8,
        262: 1,
        277: 1,
        322: 1 << 20,
        323: 1 << 20,
        324: 8,
        325: 4,
    }
    body = struct.pack("<H", len(tags))
    for tag, value in tags.items():
        body += struct.pack("<HHII", tag, 4, 1, value)
    assert reason_of(b"II*\x00" + struct.pack("<I", 8) + body + b"\x00" * 4) == "IMAGE_TOO_LARGE"


def test_a_text_chunk_that_inflates_to_gigabytes_is_refused() -> None:
    text = b"zTXt" + b"k\x00\x00" + zlib.compress(b"\x00" * (8 << 20))
    chunk = struct.pack(">I", len(text) - 4) + text + struct.pack(">I", zlib.crc32(text))
    plain = file_of(photograph(), "PNG")
    assert reason_of(plain[:33] + chunk + plain[33:]) in ("IMAGE_UNDECODABLE", "IMAGE_TOO_LARGE")


def test_the_limits_are_the_callers() -> None:
    data = file_of(photograph(100, 100), "PNG")
    assert reason_of(data, DecodeLimits(max_pixels=9_999)) == "IMAGE_TOO_LARGE"
    assert reason_of(data, DecodeLimits(max_bytes=50)) == "IMAGE_TOO_LARGE"
    assert decode(data, DecodeLimits(max_pixels=10_000)).shape == (100, 100, 3)


@pytest.mark.parametrize("size", [(1, 1), (1, 4000), (4000, 1), (3, 2)])
def test_tiny_and_extreme_pictures_survive(size: tuple[int, int]) -> None:
    for format_name in ("PNG", "JPEG", "WEBP", "GIF"):
        pixels = decode(file_of(Image.new("RGB", size, "red"), format_name))
        assert pixels.shape == (size[1], size[0], 3)


@pytest.mark.parametrize(
    "format_name", ["JPEG", "PNG", "GIF", "WEBP", "TIFF", "AVIF", "HEIF", "ICO", "PPM", "SGI"]
)
def test_damage_anywhere_is_a_picture_or_a_typed_refusal(format_name: str) -> None:
    whole = file_of(photograph(48, 48), format_name)
    dice = random.Random(format_name)
    for _ in range(40):
        damaged = bytearray(whole)
        for _ in range(dice.randint(1, 12)):
            damaged[dice.randrange(len(damaged))] = dice.randrange(256)
        # Whatever else is raised fails the test by itself.
        with contextlib.suppress(InvalidArgument):
            assert decode(bytes(damaged)).ndim == 3


def test_threads_decode_side_by_side() -> None:
    files = [file_of(photograph(60 + n, 50), "PNG") for n in range(20)] + [b"junk"] * 20

    def shape(data: bytes) -> tuple[int, ...] | str:
        try:
            return decode(data).shape
        except InvalidArgument as refused:
            return refused.reason

    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(shape, files * 4))
    expected = [(50, 60 + n, 3) for n in range(20)] + ["IMAGE_UNDECODABLE"] * 20
    assert found == expected * 4


def test_decoding_leaves_the_warning_filters_alone() -> None:
    before = list(warnings.filters)
    decode(file_of(photograph(), "PNG"))
    assert warnings.filters == before


def test_a_jpeg_is_decoded_smaller_when_less_is_enough() -> None:
    data = file_of(photograph(800, 600), "JPEG")
    pixels = decode(data, enough_px=200)
    assert pixels.shape == (150, 200, 3)
    assert decode(data, enough_px=201).shape[1] >= 201


def test_raw_pixels_are_checked_and_not_copied() -> None:
    rgb = bytes(range(24))
    pixels = from_raw(rgb, 4, 2, DEFAULT_LIMITS)
    assert pixels.shape == (2, 4, 3)
    assert pixels[1, 3].tolist() == [21, 22, 23]
    for width, height in ((4, 3), (0, 8), (-4, -2)):
        with pytest.raises(InvalidArgument) as refused:
            from_raw(rgb, width, height, DEFAULT_LIMITS)
        assert refused.value.reason == "FIELD_INVALID"


def test_encodings_come_back() -> None:
    pixels = np.asarray(photograph(64, 48))
    for encoding in Encoding:
        again = decode(encode(pixels, encoding))
        assert np.abs(again.astype(int) - pixels.astype(int)).mean() < 4
    np.testing.assert_array_equal(decode(encode(pixels, Encoding.PNG)), pixels)


def test_class_ids_are_encoded_without_loss() -> None:
    classes = np.random.default_rng(0).integers(0, 4, (33, 17), dtype=np.uint8)
    with Image.open(io.BytesIO(encode_classes(classes))) as stored:
        assert stored.mode == "L"
        np.testing.assert_array_equal(np.asarray(stored), classes)


def test_reducing_keeps_the_aspect_and_never_enlarges() -> None:
    pixels = np.asarray(photograph(400, 100))
    assert reduce_to(pixels, 100).shape == (25, 100, 3)
    assert reduce_to(pixels, 0) is pixels
    assert reduce_to(pixels, 4000) is pixels
    assert reduce_to(np.zeros((1, 5000, 3), np.uint8), 10).shape == (1, 10, 3)
