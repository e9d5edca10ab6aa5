"""Photographs that people show, cut out once for all that is asked about them.

A page shows the garments of a photograph, searches by one of them, then by another. The network
costs far more than everything that is made of its answer, so it is asked once, for whatever the
next question may need, and the answer is kept for as long as somebody plays with the photograph.
"""

import asyncio
import copy
import hashlib
from typing import Final, Protocol

from servicekit.errors import LookalikeError
from services.gateway.domain import Segmenter
from services.gateway.memory_cache import MemoryCache
from services.gateway.single_flight import SingleFlight
from services.gateway.values import (
    Deadline,
    EmbedderInfo,
    Encoded,
    Encoding,
    Lane,
    Picture,
    Segmentation,
    SegmentOptions,
    deadline_passed,
)

_KEEP_S: Final = 300.0
_FIXED_BYTES: Final = 1024

Key = tuple[bytes, SegmentOptions]


class SegmentationObserver(Protocol):
    """Told whether a photograph that people show had to be segmented."""

    def photograph_segmented(self) -> None: ...

    def photograph_known(self) -> None: ...


def everything(model: EmbedderInfo) -> SegmentOptions:
    """What a page draws and what any search by the photograph, or by a garment of it, needs."""
    return SegmentOptions(
        crops=True,
        class_mask=True,
        max_side_px=model.image_side_px,
        encoding=Encoding.RAW_RGB,
        photograph=model.photograph_weight > 0,
    )


class Segmentations:
    """Asks the segmenter on behalf of people; the same question at once, or soon again, only once.

    Args:
      cache_bytes: of answers kept, each for five minutes; 0 keeps none.
      timeout_s: for one question to the segmenter, whose answer may be for several callers.
    """

    def __init__(
        self,
        segmenter: Segmenter,
        observer: SegmentationObserver,
        *,
        cache_bytes: int,
        timeout_s: float,
    ) -> None:
        self._segmenter = segmenter
        self._observer = observer
        self._timeout_s = timeout_s
        self._kept: MemoryCache[Key, Segmentation] = MemoryCache(cache_bytes, _KEEP_S, _size_bytes)
        self._flights: SingleFlight[Key, Segmentation] = SingleFlight()
        # Of the newest answer: what another network said before it is asked again.
        self._segmenter_version = ""

    async def of(
        self, photograph: Picture, options: SegmentOptions, deadline: Deadline
    ) -> Segmentation:
        """What the segmenter makes of a photograph.

        Raises:
          LookalikeError: see SegmenterService.SegmentImage; DEADLINE_PASSED.
        """
        key = (_digest(photograph), options)
        known = self._kept.get(key)
        if known is not None and known.segmenter_version == self._segmenter_version:
            self._observer.photograph_known()
            return known
        asked = False

        async def ask() -> Segmentation:
            nonlocal asked
            asked = True
            found = await self._segmenter.segment(
                photograph, options, lane=Lane.ONLINE, timeout_s=self._timeout_s
            )
            # Here, because whoever asked may have left while others still wait.
            self._kept.put(key, found)
            self._segmenter_version = found.segmenter_version
            self._observer.photograph_segmented()
            return found

        try:
            async with asyncio.timeout(deadline.remaining_s()):
                found = await self._flights.run(key, ask)
        except TimeoutError:
            raise deadline_passed() from None
        except LookalikeError as error:
            # A copy: one object raised for several callers would gather all their tracebacks.
            raise copy.copy(error) from error
        if not asked:
            self._observer.photograph_known()
        return found


def _digest(photograph: Picture) -> bytes:
    if isinstance(photograph, Encoded):
        return hashlib.sha256(photograph.data).digest()
    size = f"{photograph.width_px}x{photograph.height_px}:".encode()
    return hashlib.sha256(size + photograph.rgb).digest()


def _size_bytes(found: Segmentation) -> int:
    pictures = [*(crop.picture for crop in found.crops), found.composite, found.photograph]
    return (
        _FIXED_BYTES
        + len(found.class_mask_png)
        + sum(_bytes_of(picture) for picture in pictures if picture is not None)
    )


def _bytes_of(picture: Picture) -> int:
    return len(picture.data if isinstance(picture, Encoded) else picture.rgb)
