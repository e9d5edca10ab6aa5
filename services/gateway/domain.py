"""What the gateway needs of the services behind it. A method raises LookalikeError, no other."""

from collections.abc import Sequence
from typing import Protocol

from servicekit.errors import LookalikeError
from services.gateway.catalogue import (
    Committed,
    Deleted,
    Known,
    OpenedStream,
    ProductDraft,
    ProductKey,
    SequencedOutcome,
    Upserted,
)
from services.gateway.ranking import (
    Conditions,
    FacetCounts,
    Hits,
    IndexQuery,
    ListQuery,
    Neighbour,
    ProductPage,
    StoredImage,
    StoredProduct,
    View,
)
from services.gateway.values import (
    Colour,
    EmbedderInfo,
    IndexInfo,
    Lane,
    Picture,
    Segmentation,
    SegmenterInfo,
    SegmentOptions,
    TextVector,
)


class Segmenter(Protocol):
    """Cuts clothes out of photographs."""

    async def segment(
        self, photograph: Picture, options: SegmentOptions, *, lane: Lane, timeout_s: float
    ) -> Segmentation: ...

    async def info(self, *, timeout_s: float) -> SegmenterInfo: ...


class Embedder(Protocol):
    """Turns pictures and words into vectors of one space; an item's error is raised."""

    async def embed_images(
        self,
        pictures: Sequence[Picture],
        *,
        background: Colour | None,
        photograph: Picture | None,
        version: str,
        lane: Lane,
        timeout_s: float,
    ) -> tuple[bytes, ...]: ...

    async def embed_texts(
        self, texts: Sequence[str], *, version: str, lane: Lane, timeout_s: float
    ) -> tuple[TextVector | LookalikeError, ...]: ...

    async def info(self, *, timeout_s: float) -> EmbedderInfo: ...


class Catalogue(Protocol):
    """The writing side of the index."""

    async def open_stream(
        self, stream_id: str, fingerprint: str, run_id: str, client: str, *, timeout_s: float
    ) -> OpenedStream: ...

    async def list_outcomes(
        self, stream_id: str, after_sequence: int, *, page_size: int, timeout_s: float
    ) -> tuple[SequencedOutcome, ...]: ...

    async def commit(
        self,
        stream_id: str,
        epoch: int,
        outcomes: Sequence[SequencedOutcome],
        *,
        complete: bool,
        timeout_s: float,
    ) -> Committed: ...

    async def put_image(
        self, sha256: str, data: bytes, media_type: str, *, timeout_s: float
    ) -> None: ...

    async def look_up(
        self,
        products: Sequence[ProductKey],
        image_sha256s: Sequence[str],
        pipeline_version: str,
        *,
        timeout_s: float,
    ) -> Known: ...

    async def upsert(self, products: Sequence[ProductDraft], *, timeout_s: float) -> Upserted: ...

    async def index_version(self, *, timeout_s: float) -> int: ...

    async def delete(self, product_ids: Sequence[str], *, timeout_s: float) -> Deleted: ...


class Index(Protocol):
    """The reading side of the index."""

    async def search(self, query: IndexQuery, *, timeout_s: float) -> Hits: ...

    async def neighbours(
        self, query: IndexQuery, field: str, *, timeout_s: float
    ) -> tuple[Neighbour, ...]:
        """Those of a ranking that have an attribute, with its words."""
        ...

    async def attribute_words(
        self,
        field: str,
        conditions: Conditions | None,
        equal_attributes: tuple[tuple[str, str], ...],
        max_values: int,
        *,
        timeout_s: float,
    ) -> tuple[str, ...]:
        """The words that an attribute holds among the products that pass, most frequent first."""
        ...

    async def get_product(
        self, product_id: str, view: View, min_index_version: int, *, timeout_s: float
    ) -> StoredProduct: ...

    async def list_products(self, query: ListQuery, *, timeout_s: float) -> ProductPage: ...

    async def list_facets(
        self,
        fields: Sequence[str],
        conditions: Conditions | None,
        max_values: int,
        *,
        timeout_s: float,
    ) -> FacetCounts: ...

    async def get_image(self, sha256: str, *, timeout_s: float) -> StoredImage: ...

    async def info(self, *, timeout_s: float) -> IndexInfo: ...
