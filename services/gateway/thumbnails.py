"""Stored photographs made small, by Pillow in threads, with a cache bounded in bytes."""

import asyncio
import io
from concurrent.futures import ThreadPoolExecutor

from PIL import Image, ImageOps

from servicekit import images
from services.gateway.memory_cache import MemoryCache
from services.gateway.ranking import StoredImage
from services.gateway.single_flight import SingleFlight

_FOR_BROWSERS = frozenset({"image/jpeg", "image/png", "image/gif", "image/webp", "image/avif"})
# They were decoded within the segmenter's limits before they were stored.
_LIMITS = images.DecodeLimits(max_bytes=2**31 - 1, max_pixels=2**28)
_KEEP_S = 60.0
"""A deleted photograph is still shown for so long at most."""

Key = tuple[str, int]


class Thumbnails:
    """Reduces photographs.

    Args:
      cache_bytes: of finished thumbnails kept; 0 keeps none.
      threads: photographs decoded at once; each takes memory for all its pixels.
    """

    def __init__(self, cache_bytes: int, threads: int = 2) -> None:
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="thumbnails")
        self._kept: MemoryCache[Key, StoredImage] = MemoryCache(
            cache_bytes, _KEEP_S, lambda image: len(image.data)
        )
        self._flights: SingleFlight[Key, StoredImage] = SingleFlight()

    def cached(self, sha256: str, max_side_px: int) -> StoredImage | None:
        """A thumbnail made less than a minute ago."""
        return self._kept.get((sha256, max_side_px))

    async def reduced(self, sha256: str, image: StoredImage, max_side_px: int) -> StoredImage:
        """The photograph with no side above `max_side_px`, upright, in a format that browsers
        show; its own bytes if they are so already."""
        key = (sha256, max_side_px)

        async def work() -> StoredImage:
            loop = asyncio.get_running_loop()
            return await loop.run_in_executor(self._pool, reduce_image, image, max_side_px)

        small = await self._flights.run(key, work)
        self._kept.put(key, small)
        return small

    def close(self) -> None:
        """Ends the threads."""
        self._pool.shutdown(wait=False, cancel_futures=True)


def reduce_image(image: StoredImage, max_side_px: int) -> StoredImage:
    """See Thumbnails.reduced. Blocking."""
    with Image.open(io.BytesIO(image.data), formats=images.FORMATS) as opened:
        if max(opened.size) <= max_side_px and image.media_type in _FOR_BROWSERS:
            return image
        if opened.has_transparency_data:
            return _reduce_transparent(opened, max_side_px)
    # Twice the size asked for keeps it sharp where the decoder leaves out detail.
    pixels_hwc = images.decode(image.data, _LIMITS, enough_px=2 * max_side_px)
    small_hwc = images.reduce_to(pixels_hwc, max_side_px)
    return StoredImage(images.encode(small_hwc, images.Encoding.JPEG), "image/jpeg")


def _reduce_transparent(opened: Image.Image, max_side_px: int) -> StoredImage:
    try:
        upright = ImageOps.exif_transpose(opened)
    except Exception:  # broken metadata says nothing about the pixels
        upright = opened
    picture = upright.convert("RGBA")
    picture.thumbnail((max_side_px, max_side_px), Image.Resampling.LANCZOS)
    out = io.BytesIO()
    # A quarter of PNG's size, and every browser shows it.
    picture.save(out, "WEBP", quality=85, method=2)
    return StoredImage(out.getvalue(), "image/webp")
