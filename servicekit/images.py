"""From the bytes that somebody sent to upright RGB pixels, and back.

The bytes are hostile until shown otherwise. What this module promises: a format that is not on the
list is never opened; sizes are read from headers and refused before anything is decoded; a picture
that ends early is refused, never filled up with grey; whatever a decoder raises becomes an
InvalidArgument with a reason. All functions may be called from any thread.
"""

import io
import struct
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pillow_heif
from PIL import AvifImagePlugin, Image, TiffImagePlugin

from servicekit.errors import InvalidArgument
from servicekit.image_formats import looks_like

PixelsHWC = npt.NDArray[np.uint8]
"""(height, width, 3) uint8, sRGB, rows from the top, contiguous."""

FORMATS: Final = ("JPEG", "PNG", "GIF", "WEBP", "TIFF", "AVIF", "HEIF", "ICO", "PPM", "SGI")
"""Pillow's names of what is decoded; JPEG includes MPO. Everything else stays closed: some vector
formats run programs (EPS), rare raster formats bring decoders that only attackers care for."""

_CEILING_PIXELS: Final = 1 << 28
_ORIENTATION_TAG: Final = 0x0112
_TURNS: Final = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_WHITE: Final = (255, 255, 255)

# Otherwise the first calls would load the decoders, racing each other.
Image.init()
pillow_heif.register_heif_opener()
# Decoding already runs in several threads; one image shall not start one per core besides.
AvifImagePlugin.DEFAULT_MAX_THREADS = 1
# Sizes are checked here, from the header, against the caller's limit. Pillow's own limit is the
# second line, for pictures inside pictures. It is one global and its lower half only warns.
Image.MAX_IMAGE_PIXELS = _CEILING_PIXELS // 2
# Set once for the process: warnings.catch_warnings() swaps a global and so is not for threads.
# What Pillow warns about is either refused below or does not touch the pixels (bad EXIF).
for _category in (UserWarning, Image.DecompressionBombWarning):
    warnings.filterwarnings("ignore", category=_category, module=r"PIL\.")


@dataclass(frozen=True, slots=True)
class DecodeLimits:
    """What is refused before decoding."""

    max_bytes: int = 32 * 1024 * 1024
    """Of the encoded file."""
    max_pixels: int = 64_000_000
    """Width times height, whatever the aspect. At most 2**28."""

    def __post_init__(self) -> None:
        if not 0 < self.max_pixels <= _CEILING_PIXELS or self.max_bytes < 1:
            raise ValueError(f"limits are positive, and max_pixels at most {_CEILING_PIXELS}")


DEFAULT_LIMITS: Final = DecodeLimits()


class Encoding(Enum):
    """What `encode` writes; values are the MIME types."""

    PNG = "image/png"
    JPEG = "image/jpeg"
    WEBP = "image/webp"


def decode(
    data: bytes, limits: DecodeLimits = DEFAULT_LIMITS, *, enough_px: int | None = None
) -> PixelsHWC:
    """The first frame of an encoded picture, upright by its EXIF orientation, flattened on white.

    16-bit and float samples are scaled to 8 bits, CMYK is converted as the file's own marker says.

    Args:
      enough_px: the caller will reduce the picture so that its longer side is this; the decoder may
        then leave out detail (JPEG: by halves), never going below it.

    Raises:
      InvalidArgument: IMAGE_EMPTY, IMAGE_TOO_LARGE, IMAGE_UNSUPPORTED_FORMAT, IMAGE_TRUNCATED,
        IMAGE_UNDECODABLE.
    """
    if not data:
        raise InvalidArgument("The image has no bytes.", reason="IMAGE_EMPTY")
    if len(data) > limits.max_bytes:
        raise InvalidArgument(
            f"The image has {len(data)} bytes; at most {limits.max_bytes} are taken.",
            reason="IMAGE_TOO_LARGE",
            metadata={"size_bytes": str(len(data)), "max_bytes": str(limits.max_bytes)},
        )
    try:
        with Image.open(io.BytesIO(data), formats=FORMATS) as image:
            for width, height in _sizes(image, data):
                _check_pixels(width, height, limits)
            if enough_px is not None and image.format in ("JPEG", "MPO"):
                image.draft(None, _reduced_size(image.size, enough_px))
            image.load()
            # Some formats learn their real size only now (ICO).
            _check_pixels(*image.size, limits)
            turn = _TURNS.get(_orientation(image))
            upright = _to_rgb(image)
            if turn is not None:
                upright = upright.transpose(turn)
            return np.array(upright)
    except InvalidArgument:
        raise
    except Exception as error:
        # Decoders raise whatever a corrupt file leads them to: OSError, SyntaxError, ValueError,
        # TypeError, struct.error, IndexError, MemoryError, ...
        raise _refusal(data, error) from error


def from_raw(rgb: bytes, width_px: int, height_px: int, limits: DecodeLimits) -> PixelsHWC:
    """Unencoded pixels as an array; it shares the memory of `rgb` and is read-only.

    Raises:
      InvalidArgument: FIELD_INVALID, IMAGE_EMPTY, IMAGE_TOO_LARGE.
    """
    if not rgb:
        raise InvalidArgument("The image has no pixels.", reason="IMAGE_EMPTY")
    if width_px < 1 or height_px < 1 or len(rgb) != width_px * height_px * 3:
        raise InvalidArgument(
            f"{len(rgb)} bytes are not {width_px} x {height_px} pixels of three bytes.",
            reason="FIELD_INVALID",
            field="raw",
        )
    _check_pixels(width_px, height_px, limits)
    return np.frombuffer(rgb, np.uint8).reshape(height_px, width_px, 3)


def encode(pixels_hwc: PixelsHWC, encoding: Encoding) -> bytes:
    """A file of RGB pixels: lossless PNG, JPEG of quality 90, or WebP of quality 85.

    PNG is compressed lightly: these files live for one response.

    Raises:
      InvalidArgument: IMAGE_TOO_LARGE if the encoding cannot hold a side that long.
    """
    options: dict[Encoding, dict[str, Any]] = {
        Encoding.PNG: {"compress_level": 1},
        Encoding.JPEG: {"quality": 90},
        Encoding.WEBP: {"quality": 85, "method": 2},
    }
    buffer = io.BytesIO()
    try:
        Image.fromarray(pixels_hwc).save(buffer, encoding.name, **options[encoding])
    except (OSError, ValueError) as error:
        height, width = pixels_hwc.shape[:2]
        raise InvalidArgument(
            f"{encoding.name} cannot hold {width} x {height} pixels.",
            reason="IMAGE_TOO_LARGE",
            metadata={"width_px": str(width), "height_px": str(height)},
        ) from error
    return buffer.getvalue()


def encode_classes(classes_hw: npt.NDArray[np.uint8]) -> bytes:
    """A lossless greyscale PNG whose sample values are the class ids."""
    buffer = io.BytesIO()
    Image.fromarray(classes_hw).save(buffer, "PNG", compress_level=4)
    return buffer.getvalue()


def reduce_to(pixels_hwc: PixelsHWC, max_side_px: int) -> PixelsHWC:
    """The picture with its longer side at most max_side_px; 0 or enough room: unchanged."""
    height, width = pixels_hwc.shape[:2]
    if max_side_px <= 0 or max(height, width) <= max_side_px:
        return pixels_hwc
    size = _reduced_size((width, height), max_side_px)
    return np.array(Image.fromarray(pixels_hwc).resize(size, Image.Resampling.LANCZOS))


def _reduced_size(size: tuple[int, int], longer_px: int) -> tuple[int, int]:
    factor = min(1.0, longer_px / max(size))
    return max(1, round(size[0] * factor)), max(1, round(size[1] * factor))


def _sizes(image: Image.Image, data: bytes) -> Iterator[tuple[int, int]]:
    """Every size that the headers announce memory for."""
    yield image.size
    if image.format == "ICO":
        yield from _png_sizes_in_icon(data)
    elif isinstance(image, TiffImagePlugin.TiffImageFile):
        # libtiff makes room for whole tiles.
        width, height = image.tag_v2.get(322), image.tag_v2.get(323)
        if isinstance(width, int) and isinstance(height, int):
            yield width, height


def _png_sizes_in_icon(data: bytes) -> Iterator[tuple[int, int]]:
    # The directory has one byte for a side; the PNG inside may say 65 535.
    signature = b"\x89PNG\r\n\x1a\n"
    at = data.find(signature)
    while at >= 0:
        header = data[at + 16 : at + 24]
        if len(header) == 8:
            yield struct.unpack(">II", header)
        at = data.find(signature, at + 1)


def _check_pixels(width: int, height: int, limits: DecodeLimits) -> None:
    if width < 1 or height < 1:
        raise InvalidArgument("The image has no pixels.", reason="IMAGE_UNDECODABLE")
    if width * height > limits.max_pixels:
        raise InvalidArgument(
            f"The image has {width} x {height} pixels; at most {limits.max_pixels} are taken.",
            reason="IMAGE_TOO_LARGE",
            metadata={
                "width_px": str(width),
                "height_px": str(height),
                "max_pixels": str(limits.max_pixels),
            },
        )


def _orientation(image: Image.Image) -> int:
    try:
        return int(image.getexif().get(_ORIENTATION_TAG, 1))
    except Exception:
        # A camera's broken metadata says nothing about the pixels.
        return 1


def _to_rgb(image: Image.Image) -> Image.Image:
    if image.mode in ("I", "F") or image.mode.startswith("I;16"):
        return Image.fromarray(_to_8_bits(image)).convert("RGB")
    if image.has_transparency_data:
        layered = image.convert("RGBA")
        flat = Image.new("RGB", layered.size, _WHITE)
        flat.paste(layered, mask=layered.getchannel("A"))
        return flat
    return image.convert("RGB")


def _to_8_bits(image: Image.Image) -> npt.NDArray[np.uint8]:
    """Grey samples wider than a byte, scaled; Pillow's own conversion would clip them at 255."""
    samples = np.nan_to_num(np.asarray(image, dtype=np.float32), posinf=0.0, neginf=0.0)
    white = 65535.0
    if not image.mode.startswith("I;16"):
        # The file does not say what white is: the least usual value that holds all samples.
        usual = (255.0, 65535.0) if image.mode == "I" else (1.0, 255.0, 65535.0)
        brightest = float(samples.max(initial=0.0))
        white = next((value for value in usual if brightest <= value), brightest)
    return np.rint(samples.clip(0, white) * (255.0 / white)).astype(np.uint8)


def _refusal(data: bytes, error: Exception) -> InvalidArgument:
    if isinstance(error, Image.DecompressionBombError):
        return InvalidArgument("The image has too many pixels.", reason="IMAGE_TOO_LARGE")
    if isinstance(error, MemoryError):
        return InvalidArgument("The image needs too much memory.", reason="IMAGE_TOO_LARGE")
    kind = looks_like(data)
    if kind.known_image:
        return InvalidArgument(
            f"The bytes are {kind.name}, which is not decoded here.",
            reason="IMAGE_UNSUPPORTED_FORMAT",
            metadata={"format": kind.name},
        )
    if kind.ends_early or "truncated" in str(error).lower():
        return InvalidArgument("The image ends before its last pixel.", reason="IMAGE_TRUNCATED")
    return (
        InvalidArgument(f"The bytes are {kind.name}, not an image.", reason="IMAGE_UNDECODABLE")
        if kind.name
        else InvalidArgument(
            "The bytes are no image, or a damaged one.", reason="IMAGE_UNDECODABLE"
        )
    )
