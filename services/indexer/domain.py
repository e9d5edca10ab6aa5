"""The indexer's values and what it needs of a store. Standard library and numpy only."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from services.indexer.maps import CatalogueMap

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
    """A vector space. model: its name in the registry, for people; empty if it is not known."""

    embedding_version: str
    dimension: int
    model: str = field(default="", compare=False)


class SpaceRole(IntEnum):
    """What a space is for; numbered as lookalike.indexer.v1.SpaceRole."""

    ACTIVE = 1
    PREVIOUS = 2
    BUILDING = 3


@dataclass(frozen=True, slots=True)
class IndexedSpace:
    """A space of the index. number: never given twice in one store."""

    number: int
    space: Space
    role: SpaceRole


@dataclass(frozen=True, slots=True)
class Spaces:
    """The spaces of an index; what they may become is in spaces.py.

    Attributes:
      active: None while the index has no vectors; then there is no other either.
      other: beside the active one; being built, or active before.
      next_number: of the next space.
    """

    active: IndexedSpace | None = None
    other: IndexedSpace | None = None
    next_number: int = 1

    @property
    def all(self) -> tuple[IndexedSpace, ...]:
        """Those that there are, the active one first."""
        return tuple(one for one in (self.active, self.other) if one is not None)

    def find(self, embedding_version: str) -> IndexedSpace | None:
        named = (one for one in self.all if one.space.embedding_version == embedding_version)
        return next(named, None)


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
class SpaceVectors:
    """A product in one space.

    Attributes:
      images: the vectors of each of its images, in order.
      own_garment, vectors: see Product.
    """

    space: Space
    pipeline_version: str
    images: tuple[tuple[GarmentEmbedding, ...], ...]
    own_garment: Garment | None = None
    vectors: Mapping[Slot, Vector] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, eq=False)
class Product:
    """A product as it is stored, seen in one space.

    Attributes:
      own_garment: the garment that the product's own vector describes; None without vectors.
      vectors: its pooled vectors by slot; empty where they were not asked for.
      space: of its vectors; None without vectors.
      others: the same product in other spaces, where it is written.
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
    others: tuple[SpaceVectors, ...] = ()

    @property
    def in_spaces(self) -> tuple[SpaceVectors, ...]:
        """The product in every space that it comes with vectors of."""
        if self.space is None:
            return self.others
        images = tuple(image.embeddings for image in self.images)
        own = SpaceVectors(
            self.space, self.pipeline_version, images, self.own_garment, self.vectors
        )
        return (own, *self.others)

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
class Lacking:
    """A product that lacks vectors in a space. version: of the write that it is of."""

    product_id: str
    version: int
    image_sha256s: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Switched:
    """What a switch did. previous: the space that was active; None if it was this one already."""

    index_version: int
    previous: Space | None


@dataclass(frozen=True, slots=True, eq=False)
class IndexEntry:
    """A product as the index in memory follows it.

    Attributes:
      vectors: its pooled vectors by the number of their space. None of any space: the product has
        no vectors at all. Where those of a space are missing, it lacks them there, or holds them
        already in the same version.
    """

    product_id: str
    name: str
    attributes: Attributes
    vectors: Mapping[int, Mapping[Slot, Vector]]
    image_count: int
    version: int


@dataclass(frozen=True, slots=True)
class IndexChange:
    """One transaction, as the index in memory follows it.

    Attributes:
      version: the index version that is complete once this is applied.
      spaces: those after it.
    """

    version: int
    spaces: Spaces
    upserts: Sequence[IndexEntry]
    deleted_ids: Sequence[str]


@dataclass(frozen=True, slots=True, eq=False)
class IndexedProduct:
    """What the index keeps of a product in memory, in one space."""

    product_id: str
    name: str
    attributes: Attributes
    vectors: Mapping[Slot, Vector]
    image_count: int
    version: int


@dataclass(frozen=True, slots=True)
class Change:
    """One transaction, as one space of the index in memory follows it.

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

    def reset(self, spaces: Spaces, expected: int) -> None:
        """Forgets everything, because a load of about so many products follows."""

    def load(self, products: Iterable[IndexEntry]) -> None:
        """Takes products of a scan; `complete` follows."""

    def begin(self, spaces: Spaces, expected: int) -> None:
        """Makes room for a space that is new beside the active one, which goes on answering;
        `fill` and `apply` follow."""

    def fill(self, space: int, products: Iterable[IndexEntry]) -> None:
        """Takes products of a scan into the space of this number alone."""

    def apply(self, change: IndexChange) -> None:
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

    async def read(
        self, product_ids: Sequence[str], space: int, vectors: bool
    ) -> dict[str, Product]:
        """The products that exist, each of one moment, as they are in the space of this number."""

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

    async def version(self) -> int:
        """The newest index version, which the mirror may not have reached yet."""

    async def spaces(self) -> Spaces: ...

    async def count_in(self, space: int) -> tuple[int, int]:
        """Products with vectors in a space, and those that lack them there but not elsewhere."""

    async def begin_space(self, space: Space) -> Spaces:
        """See spaces.begun, which says what it raises."""

    async def lacking(self, space: int, after: str, limit: int) -> list[Lacking]:
        """Products that lack vectors in a space and have some elsewhere, in order of identifier."""

    async def put_vectors(
        self, embedding_version: str, found: Sequence[tuple[str, int, SpaceVectors]]
    ) -> tuple[int, set[str]]:
        """Writes vectors of (product_id, version, vectors) in one transaction; of products that
        are no longer of this version, none.

        Returns:
          The index version, and the products that were written.

        Raises:
          NotFound: SPACE_NOT_FOUND.
          FailedPrecondition: DIMENSION_MISMATCH.
        """

    async def switch_space(self, embedding_version: str, force: bool) -> Switched:
        """See spaces.switched, which says what it raises."""

    async def drop_space(self, embedding_version: str) -> bool:
        """Forgets a space; whether there was one. See spaces.dropped."""

    async def sweep_vectors(self) -> int:
        """Removes vectors of spaces that were dropped; returns of how many products. Now and
        then, in small transactions: nobody waits for it."""

    async def put_map(self, space: IndexedSpace, drawn: CatalogueMap) -> None:
        """Stores the map of a space in place of the one before, in one transaction. It is gone when
        the space is.

        Raises:
          FailedPrecondition: SPACE_CONFLICT, the space is gone.
        """

    async def read_map(self, space: int) -> CatalogueMap | None:
        """The map of the space of this number; None: none was built."""
