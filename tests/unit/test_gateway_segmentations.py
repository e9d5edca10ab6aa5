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

PHOTO = Encoded(b"photograph")


class HeldSegmenter:
    """Answers once it is let."""

    def __init__(self) -> None:
        self.asked = asyncio.Event()
        self.let = asyncio.Event()
        self.version = "1"

    async def segment(
        self, photograph: Picture, options: SegmentOptions, *, lane: Lane, timeout_s: float
    ) -> Segmentation:
        self.asked.set()
        await self.let.wait()
        return Segmentation(1, 1, (), False, (), b"", None, self.version, None)

    async def info(self, *, timeout_s: float) -> SegmenterInfo:
        raise NotImplementedError


class Counts:
    """How often the network was asked, and how often the answer was known."""

    segmented = known = 0

    def photograph_segmented(self) -> None:
        self.segmented += 1

    def photograph_known(self) -> None:
        self.known += 1


def over(segmenter: HeldSegmenter, counts: Counts) -> Segmentations:
    return Segmentations(segmenter, counts, cache_bytes=10_000, timeout_s=60)


async def asking(shown: Segmentations, photograph: Picture = PHOTO) -> Segmentation:
    return await shown.of(photograph, SegmentOptions(), Deadline.after(60))


async def test_an_answer_is_kept_though_whoever_asked_first_has_left() -> None:
    segmenter, counts = HeldSegmenter(), Counts()
    shown = over(segmenter, counts)
    hasty = asyncio.create_task(asking(shown))
    await segmenter.asked.wait()
    patient = asyncio.create_task(asking(shown))
    await asyncio.sleep(0)
    hasty.cancel()
    await asyncio.gather(hasty, return_exceptions=True)
    segmenter.let.set()
    assert await asking(shown) is await patient
    assert (counts.segmented, counts.known) == (1, 2)


async def test_what_another_segmenter_found_is_forgotten_once_it_answers() -> None:
    segmenter, counts = HeldSegmenter(), Counts()
    segmenter.let.set()
    shown = over(segmenter, counts)
    await asking(shown)
    segmenter.version = "2"
    await asking(shown, Encoded(b"another"))
    for _ in range(2):
        assert (await asking(shown)).segmenter_version == "2"
    assert (counts.segmented, counts.known) == (3, 1)
