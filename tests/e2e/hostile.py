"""Files that are no photographs, or unusual ones, all made here."""

import io
import struct
import zlib
from collections.abc import Mapping

from PIL import Image

from tests.fixtures.garments import Garment, draw, jpeg

_SHIRT = Garment("shirt", "blue", striped=False, seed=4711)


def refused() -> Mapping[str, bytes]:
    """Files that must be told as failed, by name."""
    whole = jpeg(_SHIRT)
    return {
        "zero-bytes.jpg": b"",
        "page.jpg": b"<!doctype html><title>404</title><p>Not found",
        "cut-off.jpg": whole[: len(whole) // 2],
        "only-a-header.jpg": whole[:200],
        "bomb.png": _png_header(60_000, 60_000),
        "noise.png": bytes(range(256)) * 40,
    }


def unusual() -> Mapping[str, bytes]:
    """Files that must be taken, by name."""
    picture = draw(_SHIRT)
    return {
        "cmyk.jpg": _saved(picture.convert("CMYK"), "JPEG"),
        "palette.png": _saved(picture.convert("P"), "PNG"),
        "alpha.webp": _saved(picture.convert("RGBA"), "WEBP"),
        "grey16.png": _saved(picture.convert("L").convert("I;16"), "PNG"),
        "animated.gif": _animated(picture),
        "one-pixel.png": _saved(Image.new("RGB", (1, 1), "red"), "PNG"),
        "long.png": _saved(Image.new("RGB", (3000, 2), "green"), "PNG"),
        "turned.jpg": _turned(picture),
    }


def _saved(picture: Image.Image, kind: str) -> bytes:
    out = io.BytesIO()
    picture.save(out, kind)
    return out.getvalue()


def _animated(picture: Image.Image) -> bytes:
    out = io.BytesIO()
    others = [picture.rotate(angle) for angle in (90, 180)]
    picture.save(out, "GIF", save_all=True, append_images=others, duration=100)
    return out.getvalue()


def _turned(picture: Image.Image) -> bytes:
    exif = Image.Exif()
    exif[0x0112] = 6  # shown after a quarter turn clockwise
    out = io.BytesIO()
    picture.rotate(90, expand=True).save(out, "JPEG", quality=90, exif=exif)
    return out.getvalue()


def _png_header(width_px: int, height_px: int) -> bytes:
    """A PNG that promises gigabytes."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        checksum = zlib.crc32(kind + data)
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", checksum)

    header = struct.pack(">IIBBBBB", width_px, height_px, 8, 2, 0, 0, 0)
    pixels = zlib.compress(bytes(100_000))
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")
    )
