"""Photographs for people: garments shown in one, and stored ones made small."""

import re
from dataclasses import dataclass
from enum import IntEnum
from typing import Protocol

from servicekit.errors import InvalidArgument, LookalikeError
from services.gateway.domain import Index, Segmenter
from services.gateway.query_vectors import garment_not_found
from services.gateway.ranking import StoredImage
from services.gateway.values import (
    Colour,
    Deadline,
    Encoded,
    Encoding,
    Garment,
    Lane,
    Picture,
    Segmentation,
    SegmentOptions,
)

MIN_SIDE_PX = 16
MAX_SIDE_PX = 4_096
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


class Photographs:
    """Shows what the segmenter sees, and what the index keeps."""

    def __init__(self, segmenter: Segmenter, index: Index, reducer: Reducer) -> None:
        self._segmenter = segmenter
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
        options = SegmentOptions(
            crops=output is Output.CROP,
            crop_garments=(wanted,) if output is Output.CROP else (),
            class_mask=output is Output.MASK,
            composite=output is Output.COMPOSITE,
            composite_garment=wanted,
            background=background,
            max_side_px=max_side_px,
            encoding=encoding or Encoding.PNG,
        )
        found = await self._segmenter.segment(
            photograph, options, lane=Lane.ONLINE, timeout_s=deadline.remaining_s()
        )
        return Shown(found, _picture(found, output, wanted))

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
