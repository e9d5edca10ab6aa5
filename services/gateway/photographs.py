"""Photographs for people: garments shown in one, and stored ones made small."""

import re
from dataclasses import dataclass
from enum import IntEnum
from typing import Protocol

from servicekit.errors import InvalidArgument, LookalikeError
from services.gateway.domain import Index
from services.gateway.query_vectors import garment_not_found
from services.gateway.ranking import StoredImage
from services.gateway.segmentations import Segmentations, everything
from services.gateway.values import (
    Colour,
    Deadline,
    EmbedderInfo,
    Encoded,
    Encoding,
    Garment,
    Picture,
    Segmentation,
    SegmentOptions,
)

MIN_SIDE_PX = 16
MAX_SIDE_PX = 4_096
_MODEL_KNOWN_WITHIN_S = 1.0
_SHA256 = re.compile(r"[0-9a-f]{64}")


class Output(IntEnum):
    """The picture wanted of a segmentation; the numbers of gateway.v1.SegmentOutput."""

    NONE = 0
    COMPOSITE = 1
    MASK = 2
    CROP = 3


@dataclass(frozen=True, slots=True)
class Shown:
    """A segmentation and the one picture of it that was asked for."""

    found: Segmentation
    picture: Picture | None


class Reducer(Protocol):
    """Makes stored photographs small (Thumbnails)."""

    async def reduced(self, sha256: str, image: StoredImage, max_side_px: int) -> StoredImage: ...

    def cached(self, sha256: str, max_side_px: int) -> StoredImage | None: ...


class ActiveModel(Protocol):
    """Tells which model is searched with (ModelCache)."""

    async def embedder(self, timeout_s: float | None = None) -> EmbedderInfo: ...


class Photographs:
    """Shows what the segmenter sees, and what the index keeps."""

    def __init__(
        self, segmentations: Segmentations, models: ActiveModel, index: Index, reducer: Reducer
    ) -> None:
        self._segmentations = segmentations
        self._models = models
        self._index = index
        self._reducer = reducer

    async def segment(
        self,
        photograph: Picture,
        output: Output,
        garment: Garment,
        background: Colour,
        max_side_px: int,
        encoding: Encoding,
        deadline: Deadline,
    ) -> Shown:
        """The garments of a photograph and the picture asked for.

        Raises:
          LookalikeError: see SearchService.SegmentImage.
        """
        if max_side_px < 0:
            raise _invalid("max_side_px is 0 or greater.", "max_side_px")
        wanted = garment or Garment.UNION
        if output in (Output.NONE, Output.MASK):
            options = await self._options(deadline)
        else:
            options = SegmentOptions(
                crops=output is Output.CROP,
                crop_garments=(wanted,) if output is Output.CROP else (),
                composite=output is Output.COMPOSITE,
                composite_garment=wanted,
                background=background,
                max_side_px=max_side_px,
                encoding=encoding or Encoding.PNG,
            )
        found = await self._segmentations.of(photograph, options, deadline)
        return Shown(found, _picture(found, output, wanted))

    async def _options(self, deadline: Deadline) -> SegmentOptions:
        """All that a search by the photograph will need, as that is what usually follows."""
        try:
            return everything(
                await self._models.embedder(min(_MODEL_KNOWN_WITHIN_S, deadline.remaining_s()))
            )
        except LookalikeError:
            # Nobody can search now; the garments can be shown all the same.
            return SegmentOptions(class_mask=True)

    async def stored(self, sha256: str, max_side_px: int, deadline: Deadline) -> StoredImage:
        """A stored photograph, as it was given (0) or at most so large.

        Raises:
          LookalikeError: see SearchService.GetImage.
        """
        if not _SHA256.fullmatch(sha256):
            raise _invalid("A sha256 has 64 lower-case hexadecimal digits.", "sha256")
        if max_side_px == 0:
            return await self._index.get_image(sha256, timeout_s=deadline.remaining_s())
        if not MIN_SIDE_PX <= max_side_px <= MAX_SIDE_PX:
            raise _invalid(
                f"max_side_px is 0 or from {MIN_SIDE_PX} to {MAX_SIDE_PX}.", "max_side_px"
            )
        if (small := self._reducer.cached(sha256, max_side_px)) is not None:
            return small
        image = await self._index.get_image(sha256, timeout_s=deadline.remaining_s())
        return await self._reducer.reduced(sha256, image, max_side_px)


def _picture(found: Segmentation, output: Output, wanted: Garment) -> Picture | None:
    match output:
        case Output.NONE:
            return None
        case Output.COMPOSITE:
            return found.composite
        case Output.MASK:
            return Encoded(found.class_mask_png)
        case Output.CROP:
            for crop in found.crops:
                if crop.garment == wanted:
                    return crop.picture
            raise garment_not_found(wanted, [one.garment for one in found.garments])


def _invalid(message: str, field: str) -> LookalikeError:
    return InvalidArgument(message, reason="FIELD_INVALID", field=field)
