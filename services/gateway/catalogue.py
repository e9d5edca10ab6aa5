"""Products on their way into the index, and what became of them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum

from servicekit.errors import LookalikeError
from services.gateway.values import EmbedderInfo, FoundGarment, Garment

Scalar = str | float | bool
Attributes = Mapping[str, Scalar | tuple[Scalar, ...]]


class Stage(IntEnum):
    """Where an image failed; the numbers of lookalike.type.v1.IngestStage."""

    FETCH = 1
    DECODE = 2
    SEGMENT = 3
    EMBED = 4
    INDEX = 5


class State(IntEnum):
    """What became of a product; the numbers of IngestState and of OutcomeState."""

    STORED = 1
    UNCHANGED = 2
    REFUSED = 3


@dataclass(frozen=True, slots=True)
class GarmentVector:
    """The vector of one garment of one photograph; see TextVector for the shape."""

    garment: Garment
    values_f32: bytes


@dataclass(frozen=True, slots=True)
class ImageRecord:
    """All that inference says of one photograph, by its digest alone."""

    sha256: str
    width_px: int
    height_px: int
    garments: tuple[FoundGarment, ...]
    whole_image_fallback: bool
    vectors: tuple[GarmentVector, ...]
    others: Mapping[str, tuple[GarmentVector, ...]] = field(default_factory=dict)
    """In other spaces, by their name; as far as they could be had."""


@dataclass(frozen=True, slots=True)
class PlacedImage:
    """A photograph's record in one product."""

    record: ImageRecord
    label: str
    size_bytes: int


@dataclass(frozen=True, slots=True)
class ImageFailure:
    """A photograph of a product that could not be used."""

    image_index: int
    label: str
    stage: Stage
    error: LookalikeError
    retryable: bool


@dataclass(frozen=True, slots=True)
class ProductDraft:
    """A product as the pipeline hands it to the indexer."""

    product_id: str
    name: str
    attributes: Attributes
    images: tuple[PlacedImage, ...]
    failures: tuple[ImageFailure, ...]
    content_digest: str
    pipeline_version: str
    space: EmbedderInfo
    others: "tuple[SpaceVectors, ...]" = ()


@dataclass(frozen=True, slots=True)
class SpaceVectors:
    """A product in one space: the vectors of each of its images, in order."""

    space: EmbedderInfo
    pipeline_version: str
    images: tuple[tuple[GarmentVector, ...], ...]


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a product ended. `error` exactly if REFUSED, `draft` exactly if STORED anew."""

    product_id: str
    state: State
    error: LookalikeError | None = None
    failures: tuple[ImageFailure, ...] = ()
    draft: ProductDraft | None = None


@dataclass(frozen=True, slots=True)
class SequencedOutcome:
    """An outcome with its place in a stream, from 1."""

    sequence: int
    outcome: Outcome


@dataclass(frozen=True, slots=True)
class OpenedStream:
    """A stream's durable state when it was opened."""

    epoch: int
    last_durable_sequence: int
    outcome_count: int


@dataclass(frozen=True, slots=True)
class Committed:
    """A stream's durable state after a write."""

    last_durable_sequence: int
    index_version: int


@dataclass(frozen=True, slots=True)
class ProductKey:
    """A state of a product."""

    product_id: str
    content_digest: str


@dataclass(frozen=True, slots=True)
class Known:
    """What the index holds already: failures by product, records by digest."""

    unchanged: Mapping[str, tuple[ImageFailure, ...]]
    images: Mapping[str, ImageRecord]


@dataclass(frozen=True, slots=True)
class Upserted:
    """What became of products written without a stream; errors by position."""

    errors: Mapping[int, LookalikeError]
    index_version: int


@dataclass(frozen=True, slots=True)
class Deleted:
    """What became of products that were to be deleted."""

    deleted: tuple[str, ...]
    unknown: tuple[str, ...]
    index_version: int
