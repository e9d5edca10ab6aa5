"""Photographs segmented once for several callers, of whom some leave."""

import asyncio

from services.gateway.segmentations import Segmentations
from services.gateway.values import (
    Deadline,
    Encoded,
    Lane,
    Picture,
    Segmentation,
    SegmenterInfo,
    SegmentOptions,
)

FOUND = Segmentation(1, 1, (), False, (), b"", None, "1", None)
PHOTO = Encoded(b"photograph")


class HeldSegmenter:
    """Answers once it is let."""

    def __init__(self) -> None:
        self.asked = asyncio.Event()
        self.let = asyncio.Event()

    async def segment(
        self, photograph: Picture, options: SegmentOptions, *, lane: Lane, timeout_s: float
    ) -> Segmentation:
        self.asked.set()
        await self.let.wait()
        return FOUND

    async def info(self, *, timeout_s: float) -> SegmenterInfo:
        raise NotImplementedError


class Counts:
    """How often the network was asked, and how often the answer was known."""

    segmented = known = 0

    def photograph_segmented(self) -> None:
        self.segmented += 1

    def photograph_known(self) -> None:
        self.known += 1


async def test_an_answer_is_kept_though_whoever_asked_first_has_left() -> None:
    segmenter, counts = HeldSegmenter(), Counts()
    shown = Segmentations(segmenter, counts, cache_bytes=10_000, timeout_s=60)

    async def ask() -> Segmentation:
        return await shown.of(PHOTO, SegmentOptions(), Deadline.after(60))

    hasty = asyncio.create_task(ask())
    await segmenter.asked.wait()
    patient = asyncio.create_task(ask())
    await asyncio.sleep(0)
    hasty.cancel()
    await asyncio.gather(hasty, return_exceptions=True)
    segmenter.let.set()
    assert await patient is FOUND
    assert await ask() is FOUND
    assert (counts.segmented, counts.known) == (1, 2)
