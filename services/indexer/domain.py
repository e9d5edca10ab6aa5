"""The indexer's values and what it needs of a store. Standard library and numpy only."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

Vector: TypeAlias = NDArray[np.float32]
Scalar: TypeAlias = str | float | bool
AttributeValue: TypeAlias = Scalar | tuple[Scalar, ...]
Attributes: TypeAlias = Mapping[str, AttributeValue]


class Garment(IntEnum):
    """A part of an outfit; numbered as lookalike.type.v1.Garment."""

    UPPER = 1
    LOWER = 2
    FULL = 3
    UNION = 4


class Slot(IntEnum):
    """Which of a product's vectors: its own, or that of one garment (same numbers)."""

    OWN = 0
    UPPER = 1
    LOWER = 2
    FULL = 3
    UNION = 4


class OutcomeState(IntEnum):
    """What became of a product; numbered as lookalike.indexer.v1.OutcomeState."""

    STORED = 1
    UNCHANGED = 2
    REFUSED = 3


@dataclass(frozen=True, slots=True)
class Space:
    """The vector space of an index."""

    embedding_version: str
    dimension: int


@dataclass(frozen=True, slots=True)
class GarmentBox:
    """A garment found in a photograph.

    Attributes:
      box_px: left, top, width, height in pixels of the upright image.
      area_fraction: share of the picture, 0 to 1.
      confidence: mean probability over the garment's pixels, 0 to 1.
    """

    garment: Garment
    box_px: tuple[int, int, int, int]
    area_fraction: float
    confidence: float


@dataclass(frozen=True, slots=True, eq=False)
class GarmentEmbedding:
    """The vector of one garment of one photograph.

    Shapes: vector (dimension,), of length 1.
    """

    garment: Garment
    vector: Vector


@dataclass(frozen=True, slots=True, eq=False)
class ProductImage:
    """A usable photograph of a product."""

    sha256: str
    uri: str = ""
    label: str = ""
    width_px: int = 0
    height_px: int = 0
    size_bytes: int = 0
    whole_image_fallback: bool = False
    garments: tuple[GarmentBox, ...] = ()
    embeddings: tuple[GarmentEmbedding, ...] = ()


@dataclass(frozen=True, slots=True)
class ImageFailure:
    """A photograph that could not be used.

    Attributes:
      stage: number of lookalike.type.v1.IngestStage.
      status: a serialised google.rpc.Status, which the index keeps and never reads.
    """

    image_index: int
    label: str
    stage: int
    status: bytes
    retryable: bool


@dataclass(frozen=True, slots=True, eq=False)
class Product:
    """A product as it is stored.

    Attributes:
      own_garment: the garment that the product's own vector describes; None without vectors.
      vectors: its pooled vectors by slot; empty where they were not asked for.
      space: of its vectors; None without vectors.
      create_time_us, update_time_us: microseconds since the epoch, UTC.
      version: the index version of the write that stored it.
    """

    product_id: str
    name: str
    attributes: Attributes
    images: tuple[ProductImage, ...]
    failures: tuple[ImageFailure, ...]
    content_digest: str
    pipeline_version: str
    own_garment: Garment | None = None
    vectors: Mapping[Slot, Vector] = field(default_factory=dict)
    space: Space | None = None
    create_time_us: int = 0
    update_time_us: int = 0
    version: int = 0

    @property
    def retryable(self) -> bool:
        """Whether some image failed that may work when it is tried again."""
        return any(failure.retryable for failure in self.failures)


@dataclass(frozen=True, slots=True)
class Outcome:
    """How one product of an ingest stream ended."""

    sequence: int
    product_id: str
    state: OutcomeState
    status: bytes
    image_failures: tuple[ImageFailure, ...]


@dataclass(frozen=True, slots=True)
class StreamKey:
    """Who opens a stream, over what."""

    stream_id: str
    source_fingerprint: str
    run_id: str
    client: str


@dataclass(frozen=True, slots=True)
class OpenedStream:
    """Where an ingest goes on."""

    epoch: int
    last_durable_sequence: int
    outcome_count: int


@dataclass(frozen=True, slots=True)
class Committed:
    """What a write made of the stream and of the index."""

    last_durable_sequence: int
    index_version: int


@dataclass(frozen=True, slots=True)
class Deleted:
    """Which products were there, in the order asked for."""

    deleted: tuple[str, ...]
    unknown: tuple[str, ...]
    index_version: int


@dataclass(frozen=True, slots=True)
class Blob:
    """The bytes of an image."""

    sha256: str
    data: bytes
    media_type: str


@dataclass(frozen=True, slots=True, eq=False)
class IndexedProduct:
    """What the index keeps of a product in memory."""

    product_id: str
    name: str
    attributes: Attributes
    vectors: Mapping[Slot, Vector]
    image_count: int
    version: int


@dataclass(frozen=True, slots=True)
class Change:
    """One transaction, as the index in memory follows it.

    Attributes:
      version: the index version that is complete once this is applied.
      space: the vector space after it; None: the index holds no vectors.
    """

    version: int
    space: Space | None
    upserts: Sequence[IndexedProduct]
    deleted_ids: Sequence[str]


@dataclass(frozen=True, slots=True)
class Tally:
    """What an index holds."""

    product_count: int
    image_count: int
    vector_count: int
    matrix_size_bytes: int


class Mirror(Protocol):
    """The index in memory, as a store feeds it. Called from any one thread at a time."""

    def reset(self, space: Space | None, expected: int) -> None:
        """Forgets everything, because a load of about so many products follows."""

    def load(self, products: Iterable[IndexedProduct]) -> None:
        """Takes products of a scan; `complete` follows."""

    def apply(self, change: Change) -> None:
        """Follows one transaction. What it holds already in a newer version is left alone."""

    def complete(self, version: int) -> None:
        """The scan and all changes up to a version are in."""


class Store(Protocol):
    """The record: durable products, images, vectors and streams. One object per process.

    Every method may raise Unavailable (UPSTREAM_UNAVAILABLE). Writes are durable when they return.
    """

    @property
    def kind(self) -> str:
        """`sqlite` or `mongodb`."""

    async def start(self, mirror: Mirror) -> None:
        """Opens the store, loads the mirror and keeps it following until `close`.

        Raises:
          FailedPrecondition: STORE_UNSUITABLE.
        """

    async def close(self) -> None: ...

    @property
    def loaded(self) -> bool:
        """Whether the mirror holds a whole state, so that it may be read."""

    @property
    def following(self) -> bool:
        """Whether the mirror is loaded and hears of every write."""

    async def ping(self) -> None:
        """Returns if the store answers."""

    async def open_stream(self, key: StreamKey) -> OpenedStream: ...

    async def list_outcomes(self, stream_id: str, after_sequence: int, limit: int) -> list[Outcome]:
        """Raises: NotFound: STREAM_NOT_FOUND."""

    async def commit(
        self,
        stream_id: str,
        epoch: int,
        outcomes: Sequence[tuple[Outcome, Product | None]],
        complete: bool,
    ) -> Committed:
        """One transaction: the epoch's check, products, outcomes and watermark.

        Raises:
          NotFound: STREAM_NOT_FOUND.
          Aborted: STREAM_FENCED.
          FailedPrecondition: EMBEDDING_VERSION_MISMATCH, DIMENSION_MISMATCH.
        """

    async def upsert(self, products: Sequence[Product]) -> tuple[int, list[Exception | None]]:
        """Writes those products that fit the index's space, in one transaction.

        Returns:
          The index version, and for each product None or why it was left out.
        """

    async def delete(self, product_ids: Sequence[str]) -> Deleted: ...

    async def read(self, product_ids: Sequence[str], vectors: bool) -> dict[str, Product]:
        """The products that exist, each of one moment."""

    async def unchanged(
        self, keys: Sequence[tuple[str, str]], pipeline_version: str
    ) -> dict[str, tuple[ImageFailure, ...]]:
        """Of (product_id, content_digest): those stored just so, with nothing left to retry."""

    async def known_images(
        self, sha256s: Sequence[str], pipeline_version: str
    ) -> list[ProductImage]: ...

    async def put_images(self, blobs: Sequence[Blob]) -> None: ...

    async def get_image(self, sha256: str) -> Blob | None: ...

    async def sweep_images(self, grace_s: float) -> int:
        """Removes the bytes that no product has needed for so long; returns how many."""
