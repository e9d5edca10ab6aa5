"""Names what the bytes that could not be decoded probably are, so that the refusal helps."""

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Guess:
    """What some bytes look like from outside."""

    name: str
    """With its article, such as `an HTML page`; empty: no idea."""
    known_image: bool
    """A picture or document of a format that exists but is not decoded here."""
    ends_early: bool
    """The container announces more bytes than there are."""


_UNSUPPORTED: Final = (
    (b"%PDF-", "a PDF"),
    (b"%!PS", "PostScript"),
    (b"8BPS", "a Photoshop file"),
    (b"BM", "a BMP"),
    (b"\xff\x0a", "a JPEG XL"),
    (b"\x00\x00\x00\x0cJXL ", "a JPEG XL"),
    (b"\x00\x00\x00\x0cjP  ", "a JPEG 2000"),
    (b"\xff\x4f\xff\x51", "a JPEG 2000"),
    (b"qoif", "a QOI"),
    (b"DDS ", "a DDS"),
    (b"v/1\x01", "an OpenEXR"),
    (b"#?RADIANCE", "a Radiance HDR"),
)


def looks_like(data: bytes) -> Guess:
    """A guess from magic numbers alone."""
    for magic, name in _UNSUPPORTED:
        if data.startswith(magic):
            return Guess(name, known_image=True, ends_early=False)
    head = data[:2048].lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if b"<svg" in head:
        return Guess("an SVG", known_image=True, ends_early=False)
    if head.startswith((b"<!doctype", b"<html", b"<!--", b"<head", b"<body", b"<script")):
        return Guess("an HTML page", known_image=False, ends_early=False)
    if data.startswith(b"version https://git-lfs"):
        return Guess("a Git LFS pointer", known_image=False, ends_early=False)
    if data[4:8] == b"ftyp" and data[8:12] in (b"isom", b"mp41", b"mp42", b"iso2", b"qt  "):
        return Guess("a video", known_image=False, ends_early=False)
    return Guess("", known_image=False, ends_early=_ends_early(data))


def _ends_early(data: bytes) -> bool:
    if data.startswith(b"RIFF") and data[8:12] == b"WEBP":
        return int.from_bytes(data[4:8], "little") + 8 > len(data)
    if data.startswith(b"\x89PNG\r\n\x1a\n"):
        return b"IEND" not in data[-16:]
    if data.startswith(b"\xff\xd8\xff"):
        return b"\xff\xd9" not in data[-64:]
    if data.startswith((b"GIF87a", b"GIF89a")):
        return not data.rstrip(b"\x00").endswith(b";")
    return False
