"""Names an image file's media type by its first bytes; the name is for browsers, nothing more."""

_SIGNATURES: tuple[tuple[bytes, str], ...] = (
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"GIF8", "image/gif"),
    (b"II*\x00", "image/tiff"),
    (b"MM\x00*", "image/tiff"),
    (b"\x00\x00\x01\x00", "image/x-icon"),
    (b"P6", "image/x-portable-pixmap"),
    (b"P5", "image/x-portable-graymap"),
    (b"P3", "image/x-portable-pixmap"),
    (b"\x01\xda", "image/x-sgi"),
)
_HEIF_BRANDS = frozenset({b"heic", b"heix", b"hevc", b"heim", b"heis", b"mif1", b"msf1"})
UNKNOWN = "application/octet-stream"


def media_type(data: bytes) -> str:
    """The media type, or `application/octet-stream`.

    Source: the signatures of https://mimesniff.spec.whatwg.org and ISO/IEC 14496-12 brands.
    """
    for signature, name in _SIGNATURES:
        if data.startswith(signature):
            return name
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "image/webp"
    if data[4:8] == b"ftyp":
        brand = data[8:12]
        if brand in (b"avif", b"avis"):
            return "image/avif"
        if brand in _HEIF_BRANDS:
            # `mif1` files are AVIF too if a compatible brand says so.
            return "image/avif" if b"avif" in data[16:64] else "image/heic"
    return UNKNOWN
