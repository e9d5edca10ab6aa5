"""Pictures, garments, vectors, models: the values that everything here speaks of."""

import time
from dataclasses import dataclass
from enum import IntEnum, StrEnum

from servicekit.errors import DeadlineExceeded
from services.gateway.calibration import Calibration


class Garment(IntEnum):
    """A part of an outfit; the numbers of lookalike.type.v1.Garment."""

    UNSPECIFIED = 0
    UPPER = 1
    LOWER = 2
    FULL = 3
    UNION = 4


class Lane(StrEnum):
    """Who waits for an answer: a person, or a pipeline."""

    ONLINE = "online"
    INGEST = "ingest"


@dataclass(frozen=True, slots=True)
class Deadline:
    """A point on time.monotonic()'s clock, in seconds."""

    at: float

    @classmethod
    def after(cls, seconds: float) -> "Deadline":
        return cls(time.monotonic() + seconds)

    def remaining_s(self) -> float:
        """Seconds left.

        Raises:
          DeadlineExceeded: none are.
        """
        left = self.at - time.monotonic()
        if left <= 0:
            raise deadline_passed()
        return left


def deadline_passed() -> DeadlineExceeded:
    """The error of a call that ran out of time here."""
    return DeadlineExceeded(
        "The call's deadline passed before its work was done.", reason="DEADLINE_PASSED"
    )


@dataclass(frozen=True, slots=True)
class Encoded:
    """An image file's bytes."""

    data: bytes


@dataclass(frozen=True, slots=True)
class RawPixels:
    """Uncompressed sRGB pixels. Shapes: rgb is height_px * width_px * 3 bytes, from the top."""

    rgb: bytes
    width_px: int
    height_px: int


Picture = Encoded | RawPixels


@dataclass(frozen=True, slots=True)
class Colour:
    """A colour in sRGB, 0 to 255 each."""

    red: int
    green: int
    blue: int


GREEN_SCREEN = Colour(0, 255, 0)


class Encoding(IntEnum):
    """How a picture is wanted; the numbers of lookalike.type.v1.ImageEncoding."""

    UNSPECIFIED = 0
    PNG = 1
    JPEG = 2
    WEBP = 3
    RAW_RGB = 4


@dataclass(frozen=True, slots=True)
class BoundingBox:
    """A rectangle in pixels of the upright image."""

    left_px: int
    top_px: int
    width_px: int
    height_px: int


@dataclass(frozen=True, slots=True)
class FoundGarment:
    """A garment in a photograph. area_fraction and confidence: 0 to 1."""

    garment: Garment
    bounding_box: BoundingBox
    area_fraction: float
    confidence: float


@dataclass(frozen=True, slots=True)
class SegmentOptions:
    """What is wanted of a segmentation besides the list of garments."""

    crops: bool = False
    crop_garments: tuple[Garment, ...] = ()
    class_mask: bool = False
    composite: bool = False
    composite_garment: Garment = Garment.UNION
    background: Colour = GREEN_SCREEN
    max_side_px: int = 0
    encoding: Encoding = Encoding.RAW_RGB
    photograph: bool = False


@dataclass(frozen=True, slots=True)
class Crop:
    """A garment by itself on the background."""

    garment: Garment
    picture: Picture


@dataclass(frozen=True, slots=True)
class Segmentation:
    """What was found in a photograph. Garments largest first, the union last."""

    width_px: int
    height_px: int
    garments: tuple[FoundGarment, ...]
    whole_image_fallback: bool
    crops: tuple[Crop, ...]
    class_mask_png: bytes
    composite: Picture | None
    segmenter_version: str
    photograph: Picture | None


@dataclass(frozen=True, slots=True)
class TextVector:
    """A text's vector. Shapes: values_f32 is dimension * 4 bytes, little-endian, length 1."""

    values_f32: bytes
    truncated: bool


@dataclass(frozen=True, slots=True)
class SegmenterInfo:
    """The network that cuts out."""

    version: str
    variant: str
    execution_provider: str


@dataclass(frozen=True, slots=True)
class EmbedderInfo:
    """The model that embeds.

    calibration: None if its scores were not calibrated.
    photograph_weight: what the whole photograph counts beside a garment of it; 0: nothing.
    """

    version: str
    model: str
    dimension: int
    image_side_px: int
    execution_provider: str
    calibration: Calibration | None
    photograph_weight: float


@dataclass(frozen=True, slots=True)
class IndexInfo:
    """What the index holds."""

    product_count: int
    image_count: int
    index_version: int
    embedding_version: str
    store: str
