"""What the segmenter knows, without gRPC, a network or an image library: garments, boxes, masks,
and the order of work on one photograph.

Decode and preprocess run in worker threads, the network in the batcher's, mask rules and cutting
out in worker threads again, so that the device never waits for a JPEG. Every photograph's fate is
its own.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from enum import Enum
from typing import Protocol, TypeVar

import numpy as np
import numpy.typing as npt

from servicekit.errors import (
    Internal,
    InvalidArgument,
    LookalikeError,
    NotFound,
    ResourceExhausted,
)

_log = logging.getLogger(__name__)

PixelsHWC = npt.NDArray[np.uint8]
"""(height, width, 3), sRGB, rows from the top."""
Scores = npt.NDArray[np.float32]
"""(classes, side, side): what the network says, whatever its unit."""
NetworkInput = npt.NDArray[np.float32]
"""(3, side, side), normalised as the network's training did."""
Alpha = npt.NDArray[np.uint8]
"""(height, width): 0 background, 255 garment."""
Rgb = tuple[int, int, int]
T = TypeVar("T")

MAX_BATCH_ITEMS = 64
GREEN_SCREEN: Rgb = (0, 255, 0)
"""The background unless another is asked for: the standard chroma key green."""
CROP_MARGIN = 0.04
"""Of a box's longer side, added on each side of a crop."""


class Garment(Enum):
    """A part of an outfit; the values are those of the network's classes and of class masks."""

    UPPER = 1
    LOWER = 2
    FULL = 3
    UNION = 4


CLASSES = (Garment.UPPER, Garment.LOWER, Garment.FULL)


@dataclass(frozen=True, slots=True)
class BoundingBox:
    """Pixels of the upright photograph; right and bottom edges lie outside."""

    left_px: int
    top_px: int
    width_px: int
    height_px: int

    @property
    def right_px(self) -> int:
        return self.left_px + self.width_px

    @property
    def bottom_px(self) -> int:
        return self.top_px + self.height_px

    def with_margin(self, fraction: float, width_px: int, height_px: int) -> "BoundingBox":
        """Grown by a fraction of its longer side on each side, inside a picture of that size."""
        margin = round(fraction * max(self.width_px, self.height_px))
        left, top = max(0, self.left_px - margin), max(0, self.top_px - margin)
        right = min(width_px, self.right_px + margin)
        bottom = min(height_px, self.bottom_px + margin)
        return BoundingBox(left, top, right - left, bottom - top)


def whole(pixels_hwc: PixelsHWC) -> BoundingBox:
    """The box around a whole picture."""
    return BoundingBox(0, 0, pixels_hwc.shape[1], pixels_hwc.shape[0])


@dataclass(frozen=True, slots=True)
class Probabilities:
    """What a backend's scores mean, at the network's side.

    union: float32 (side, side), that a pixel is clothing.
    classes: float32 (side, side) for each class that the network tells apart; may be empty.
    """

    union: npt.NDArray[np.float32]
    classes: Mapping[Garment, npt.NDArray[np.float32]]


@dataclass(frozen=True, slots=True)
class MaskedGarment:
    """A garment at the network's side.

    box: (left, top, right, bottom) as fractions of the picture.
    area_fraction: of the whole picture.
    confidence: mean probability over its pixels.
    """

    garment: Garment
    box: tuple[float, float, float, float]
    area_fraction: float
    confidence: float


@dataclass(frozen=True, slots=True)
class Masks:
    """A photograph's garments after the mask rules, at the network's side.

    garments: largest first, the union last; empty means whole_image_fallback.
    coverage: uint8 (side, side), how much of a pixel is clothing; soft along edges only.
    owner: uint8 (side, side), the class id that a pixel belongs to if it is clothing: not 0 where
      coverage is 0, so that edges between garment and background have an owner too. None: the
      network knows no classes.
    """

    garments: tuple[MaskedGarment, ...]
    coverage: npt.NDArray[np.uint8]
    owner: npt.NDArray[np.uint8] | None

    @property
    def whole_image_fallback(self) -> bool:
        return not self.garments


@dataclass(frozen=True, slots=True)
class BackendSpec:
    """Which network serves; see SegmenterService.GetModelInfo."""

    model_version: str
    variant: str
    execution_provider: str
    model_sha256: str
    input_side_px: int
    garments: tuple[Garment, ...]
    licence: str


class Backend(Protocol):
    """A network in three stages, of which only `forward` needs the device."""

    @property
    def spec(self) -> BackendSpec: ...

    def preprocess(self, pixels_hwc: PixelsHWC) -> NetworkInput:
        """Any thread."""
        ...

    def forward(self, batch: Sequence[NetworkInput]) -> Sequence[Scores]:
        """The batcher's thread; blocking."""
        ...

    def postprocess(self, scores: Scores) -> Probabilities:
        """Any thread."""
        ...

    def warm_up_steps(self, max_batch_size: int) -> Sequence[Callable[[], object]]:
        """What makes the first request as fast as the second, step by step; each is blocking."""
        ...


@dataclass(frozen=True, slots=True)
class EncodedImage:
    """An image file's bytes."""

    data: bytes


@dataclass(frozen=True, slots=True)
class RawImage:
    """Pixels as they came: not yet checked against the size that they claim."""

    rgb: bytes
    width_px: int
    height_px: int


ImageSource = EncodedImage | RawImage


@dataclass(frozen=True, slots=True)
class Outputs:
    """What is wanted besides the garments' list.

    crop_garments: empty for all that are found.
    max_side_px: of composite, crops and photograph; 0: no limit.
    """

    class_mask: bool = False
    composite: bool = False
    crops: bool = False
    background: Rgb = GREEN_SCREEN
    composite_garment: Garment = Garment.UNION
    max_side_px: int = 0
    crop_garments: frozenset[Garment] = frozenset()
    photograph: bool = False


@dataclass(frozen=True, slots=True)
class FoundGarment:
    """A garment in pixels of the upright photograph."""

    garment: Garment
    bounding_box: BoundingBox
    area_fraction: float
    confidence: float


@dataclass(frozen=True, slots=True)
class Crop:
    """A garment by itself; bounding_box is the part of the photograph shown."""

    garment: Garment
    pixels_hwc: PixelsHWC
    bounding_box: BoundingBox


@dataclass(frozen=True, slots=True)
class Segmentation:
    """What was found in one photograph, and what was made of it."""

    width_px: int
    height_px: int
    garments: tuple[FoundGarment, ...]
    whole_image_fallback: bool
    classes_hw: npt.NDArray[np.uint8] | None
    composite_hwc: PixelsHWC | None
    crops: tuple[Crop, ...]
    photograph_hwc: PixelsHWC | None


class Cutter(Protocol):
    """From masks at the network's side to pixels of the photograph."""

    def classes(self, masks: Masks, width_px: int, height_px: int) -> npt.NDArray[np.uint8]:
        """Class ids at the photograph's size."""
        ...

    def cut(
        self,
        pixels_hwc: PixelsHWC,
        masks: Masks,
        garment: Garment,
        box: BoundingBox,
        background: Rgb,
        max_side_px: int,
    ) -> PixelsHWC:
        """One garment on the background, inside a box, reduced to max_side_px (0: as it is)."""
        ...

    def reduced(self, pixels_hwc: PixelsHWC, max_side_px: int) -> PixelsHWC:
        """The whole picture, its longer side at most max_side_px (0: as it is)."""
        ...


Submit = Callable[[NetworkInput, int], Awaitable[Scores]]
"""Waits for the network: (input, bytes that the photograph holds meanwhile) to its scores."""


@dataclass(frozen=True, slots=True)
class Tools:
    """What the segmenter works with, chosen by the composition root.

    executor: for decoding, preprocessing and cutting out.
    """

    backend: Backend
    decode: Callable[[ImageSource], PixelsHWC]
    find_garments: Callable[[Probabilities], Masks]
    cutter: Cutter
    executor: Executor


class Segmenter:
    """Segments photographs; keeps nothing of them.

    Args:
      max_items: photographs inside at once, whatever their stage; more are refused. The batcher
        bounds what waits for the network, this also what waits to be decoded.
    """

    def __init__(self, tools: Tools, max_items: int) -> None:
        self._tools = tools
        self._max_items = max_items
        self._items = 0

    async def segment(self, source: ImageSource, outputs: Outputs, submit: Submit) -> Segmentation:
        """One photograph.

        Raises:
          LookalikeError: what `decode` and `submit` raise; ResourceExhausted (QUEUE_FULL); NotFound
            (GARMENT_NOT_FOUND) if the garment that the composite shall keep is not there.
        """
        if self._items >= self._max_items:
            raise ResourceExhausted(
                f"{self._items} images are being segmented.", reason="QUEUE_FULL", retry_after_s=1.0
            )
        self._items += 1
        try:
            pixels, network_input = await self._in_worker(self._prepare, source)
            scores = await submit(network_input, pixels.nbytes + network_input.nbytes)
            return await self._in_worker(self._finish, pixels, scores, outputs)
        finally:
            self._items -= 1

    async def segment_each(
        self, sources: Sequence[ImageSource], outputs: Outputs, submit: Submit, at_once: int
    ) -> list[Segmentation | LookalikeError]:
        """Several photographs, each with its own outcome, in order.

        Raises:
          InvalidArgument: none, or more than MAX_BATCH_ITEMS.
        """
        if not 1 <= len(sources) <= MAX_BATCH_ITEMS:
            raise InvalidArgument(
                f"A batch has 1 to {MAX_BATCH_ITEMS} images, not {len(sources)}.",
                reason="FIELD_INVALID",
                field="images",
            )
        slots = asyncio.Semaphore(at_once)

        async def one(source: ImageSource) -> Segmentation | LookalikeError:
            async with slots:
                try:
                    return await self.segment(source, outputs, submit)
                except LookalikeError as error:
                    return error
                except Exception as error:
                    _log.exception("an image could not be segmented")
                    bug = Internal("The image could not be segmented.", reason="INTERNAL")
                    bug.__cause__ = error
                    return bug

        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(one(source)) for source in sources]
        return [task.result() for task in tasks]

    async def _in_worker(self, work: Callable[..., T], *arguments: object) -> T:
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._tools.executor, work, *arguments)

    def _prepare(self, source: ImageSource) -> tuple[PixelsHWC, NetworkInput]:
        pixels = self._tools.decode(source)
        return pixels, self._tools.backend.preprocess(pixels)

    def _finish(self, pixels_hwc: PixelsHWC, scores: Scores, outputs: Outputs) -> Segmentation:
        tools = self._tools
        masks = tools.find_garments(tools.backend.postprocess(scores))
        height, width = pixels_hwc.shape[:2]
        composite = None
        if outputs.composite:
            composite = self._composite(pixels_hwc, masks, outputs)
        return Segmentation(
            width_px=width,
            height_px=height,
            garments=found_in(masks, width, height),
            whole_image_fallback=masks.whole_image_fallback,
            classes_hw=tools.cutter.classes(masks, width, height) if outputs.class_mask else None,
            composite_hwc=composite,
            crops=crops_of(tools.cutter, pixels_hwc, masks, outputs) if outputs.crops else (),
            photograph_hwc=(
                tools.cutter.reduced(pixels_hwc, outputs.max_side_px)
                if outputs.photograph
                else None
            ),
        )

    def _composite(self, pixels_hwc: PixelsHWC, masks: Masks, outputs: Outputs) -> PixelsHWC:
        wanted = outputs.composite_garment
        there = {garment.garment for garment in masks.garments}
        if wanted not in there and wanted is not Garment.UNION:
            raise NotFound(
                f"There is no {wanted.name.lower()} garment in the photograph.",
                reason="GARMENT_NOT_FOUND",
                metadata={"garment": wanted.name},
            )
        return self._tools.cutter.cut(
            pixels_hwc, masks, wanted, whole(pixels_hwc), outputs.background, outputs.max_side_px
        )


def found_in(masks: Masks, width_px: int, height_px: int) -> tuple[FoundGarment, ...]:
    """The garments in pixels of a photograph of that size."""
    return tuple(_in_pixels(garment, width_px, height_px) for garment in masks.garments)


def crops_of(
    cutter: Cutter, pixels_hwc: PixelsHWC, masks: Masks, outputs: Outputs
) -> tuple[Crop, ...]:
    """The garments asked for, each by itself; the whole photograph if there is no clothing."""
    height, width = pixels_hwc.shape[:2]
    boxes = {
        garment.garment: garment.bounding_box.with_margin(CROP_MARGIN, width, height)
        for garment in found_in(masks, width, height)
    } or {Garment.UNION: whole(pixels_hwc)}
    return tuple(
        Crop(
            garment,
            cutter.cut(pixels_hwc, masks, garment, box, outputs.background, outputs.max_side_px),
            box,
        )
        for garment, box in boxes.items()
        if not outputs.crop_garments or garment in outputs.crop_garments
    )


def _in_pixels(found: MaskedGarment, width_px: int, height_px: int) -> FoundGarment:
    left, top, right, bottom = found.box
    left_px, top_px = int(left * width_px), int(top * height_px)
    right_px = min(width_px, max(left_px + 1, int(np.ceil(right * width_px))))
    bottom_px = min(height_px, max(top_px + 1, int(np.ceil(bottom * height_px))))
    return FoundGarment(
        found.garment,
        BoundingBox(left_px, top_px, right_px - left_px, bottom_px - top_px),
        found.area_fraction,
        found.confidence,
    )
