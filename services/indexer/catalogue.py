"""What the indexer does: the record, the index in memory and the search, put together."""

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from servicekit.errors import InvalidArgument, NotFound, Unavailable
from services.indexer.domain import (
    Committed,
    Garment,
    Outcome,
    Product,
    Slot,
    Space,
    Store,
    Tally,
    Vector,
)
from services.indexer.facets import Facets
from services.indexer.filters import Filter
from services.indexer.metric import Metric
from services.indexer.pooling import own_garment, pool
from services.indexer.projection import Projection
from services.indexer.queries import Found, Hit, Page, SearchQuery, Usual
from services.indexer.shown import Rendered, Shown, ShownProducts
from services.indexer.streams import check_space
from services.indexer.versions import VersionGate

Search = Callable[[SearchQuery, float | None], Awaitable[Found]]
"""Answers one query by a deadline on time.monotonic()'s clock; gathers those that come at once."""

_READ_AT_ONCE: Final = 256
_SEARCHES: Final = 3
_CATCH_UP_S: Final = 0.25


@dataclass(frozen=True, slots=True, eq=False)
class QueryPart:
    """What a query is near to (or, with a negative weight, far from): a vector or a product."""

    target: Vector | str
    weight: float


@dataclass(frozen=True, slots=True, eq=False)
class SearchRequest:
    """A search as it was asked for.

    Attributes:
      garment: which vector of the products is compared; None: each product's own.
      embedding_version: the space of the vectors among the parts.
    """

    parts: Sequence[QueryPart]
    garment: Garment | None
    conditions: Filter
    top_k: int
    offset: int
    excluded_ids: frozenset[str]
    embedding_version: str
    min_index_version: int
    metric: Metric


@dataclass(frozen=True, slots=True, eq=False)
class Match:
    """A product found, and the photograph and garment of it that are nearest by themselves."""

    product: Rendered
    hit: Hit
    best_image_index: int
    best_garment: Garment | None
    best_image_score: float


@dataclass(frozen=True, slots=True, eq=False)
class SearchAnswer:
    """The best first, and how many took part."""

    matches: tuple[Match, ...]
    candidate_count: int
    index_version: int
    usual: Usual


@dataclass(frozen=True, slots=True)
class IndexInfo:
    """What the index holds."""

    tally: Tally
    space: Space | None
    index_version: int
    store: str


class Catalogue:
    """Every read sees one whole state of the index; every write is durable when it returns."""

    def __init__(
        self,
        store: Store,
        projection: Projection,
        gate: VersionGate,
        search: Search,
        shown: ShownProducts,
    ) -> None:
        self.store = store
        self._shown = shown
        self._projection = projection
        self._gate = gate
        self._search = search

    # Writes

    async def commit(
        self,
        stream_id: str,
        epoch: int,
        outcomes: Sequence[tuple[Outcome, Product | None]],
        complete: bool,
    ) -> Committed:
        stored = [product for _, product in outcomes if product is not None]
        pooled = iter(await asyncio.to_thread(_pooled, stored))
        whole = [(outcome, product and next(pooled)) for outcome, product in outcomes]
        return await self.store.commit(stream_id, epoch, whole, complete)

    async def upsert(self, products: Sequence[Product]) -> tuple[int, list[Exception | None]]:
        return await self.store.upsert(await asyncio.to_thread(_pooled, products))

    # Reads

    async def product(
        self, product_id: str, vectors: bool, min_index_version: int, deadline: float | None
    ) -> Product:
        """Raises: NotFound: PRODUCT_NOT_FOUND."""
        await self._ready(min_index_version, deadline)
        found = (await self.store.read([product_id], vectors)).get(product_id)
        if found is None:
            raise product_not_found(product_id)
        return found

    async def page(
        self,
        conditions: Filter,
        after: str,
        limit: int,
        min_index_version: int,
        deadline: float | None,
    ) -> Page:
        await self._ready(min_index_version, deadline)
        return await asyncio.to_thread(self._projection.page, conditions, after, limit)

    async def products(self, product_ids: Sequence[str], vectors: bool) -> list[Product]:
        """Those that still exist, in the order given."""
        found = await self.store.read(product_ids, vectors)
        return [found[product_id] for product_id in product_ids if product_id in found]

    async def facets(
        self,
        fields: Sequence[str],
        conditions: Filter,
        max_values: int,
        min_index_version: int,
        deadline: float | None,
    ) -> Facets:
        await self._ready(min_index_version, deadline)
        return await asyncio.to_thread(self._projection.facets, fields, conditions, max_values)

    async def info(self) -> IndexInfo:
        tally = await asyncio.to_thread(self._projection.tally)
        space = self._projection.space
        return IndexInfo(tally, space, self._projection.version, self.store.kind)

    async def search(self, request: SearchRequest, deadline: float | None) -> SearchAnswer:
        """Raises:
        NotFound: PRODUCT_NOT_FOUND, GARMENT_NOT_FOUND for a part without any vector.
        FailedPrecondition: EMBEDDING_VERSION_MISMATCH, DIMENSION_MISMATCH.
        InvalidArgument: FIELD_INVALID, the parts cancel each other out.
        """
        await self._ready(request.min_index_version, deadline)
        slot = Slot.OWN if request.garment is None else Slot(request.garment)
        if any(isinstance(part.target, str) for part in request.parts):
            # Off the loop, because stored vectors are read behind the index's lock.
            mixed = await asyncio.to_thread(self._query_vector, request, slot)
        else:
            mixed = self._query_vector(request, slot)
        if mixed is None:
            return SearchAnswer((), 0, self._projection.version, Usual((), 0))
        vector, parts = mixed
        liked = {
            part.target
            for part in request.parts
            if part.weight > 0 and isinstance(part.target, str)
        }
        query = SearchQuery(
            vector,
            slot,
            tuple(request.conditions),
            request.excluded_ids | liked,
            request.top_k,
            request.offset,
            request.metric,
            parts,
        )
        return await self._consistent(query, request.garment, deadline)

    async def _ready(self, min_index_version: int, deadline: float | None) -> None:
        if not self.store.loaded:
            raise Unavailable("The index is loading.", reason="WARMING_UP", retry_after_s=1.0)
        await self._gate.wait(min_index_version, deadline)

    async def _consistent(
        self, query: SearchQuery, garment: Garment | None, deadline: float | None
    ) -> SearchAnswer:
        """The hits with their products in the version that was compared.

        A product may be written between the search and the reading; then the search is made again
        on the newer state. After a few times what is there is taken as it is.
        """
        for attempt in range(_SEARCHES):
            found = await self._search(query, deadline)
            matches, newer = await self._matches(found, query, garment)
            if newer == found.index_version or attempt == _SEARCHES - 1:
                break
            with contextlib.suppress(Unavailable):
                await self._gate.wait(newer, time.monotonic() + _CATCH_UP_S)
        return SearchAnswer(tuple(matches), found.candidate_count, found.index_version, found.usual)

    async def _matches(
        self, found: Found, query: SearchQuery, garment: Garment | None
    ) -> tuple[list[Match], int]:
        """The matches that still exist, and the index version that explains all of them."""
        matches: list[Match] = []
        newest = found.index_version
        # In parts: the vectors of a part's images are dropped before the next is read.
        for start in range(0, len(found.hits), _READ_AT_ONCE):
            hits = found.hits[start : start + _READ_AT_ONCE]
            kept = [self._shown.get(hit.product_id, hit.version, found.load) for hit in hits]
            missing = [hit.product_id for hit, one in zip(hits, kept, strict=True) if one is None]
            products = await self.store.read(missing, True) if missing else {}
            for hit, one in zip(hits, kept, strict=True):
                if one is None:
                    product = products.get(hit.product_id)
                    if product is None:
                        newest = max(newest, found.index_version + 1)
                        continue
                    if product.version != hit.version:
                        newest = max(newest, product.version)
                    one = self._shown.put(product, found.load)
                matches.append(_match(one, hit, query, garment))
        return matches, newest

    def _query_vector(
        self, request: SearchRequest, slot: Slot
    ) -> tuple[Vector, tuple[Vector, ...]] | None:
        """The weighted sum at length 1, and the parts where it is not the only one itself; None if
        the index holds no vectors to compare with."""
        space = self._projection.space
        total: np.ndarray[tuple[int, ...], np.dtype[np.float64]] | None = None
        parts: list[Vector] = []
        for part in request.parts:
            if isinstance(part.target, str):
                vector = self._product_vector(part.target, slot)
            else:
                vector = part.target
                check_space(space, request.embedding_version, len(vector))
            parts.append(vector)
            weighted = part.weight * vector.astype(np.float64)
            total = weighted if total is None else total + weighted
        if space is None or total is None:
            return None
        length = float(np.linalg.norm(total))
        if length < 1e-6 * sum(abs(part.weight) for part in request.parts):
            raise InvalidArgument(
                "The parts of the query cancel each other out.",
                reason="FIELD_INVALID",
                field="parts",
            )
        alone = len(parts) == 1 and request.parts[0].weight > 0
        return (total / length).astype(np.float32), () if alone else tuple(parts)

    def _product_vector(self, product_id: str, slot: Slot) -> Vector:
        try:
            vector = self._projection.vector(product_id, slot)
        except KeyError:
            raise product_not_found(product_id) from None
        if vector is None:
            raise NotFound(
                f"The product {product_id!r} has no vector.",
                reason="GARMENT_NOT_FOUND",
                metadata={"product_id": product_id},
            )
        return vector


def product_not_found(product_id: str) -> NotFound:
    return NotFound(
        f"There is no product {product_id!r}.",
        reason="PRODUCT_NOT_FOUND",
        metadata={"resource_type": "product", "resource_name": product_id},
    )


def _pooled(products: Sequence[Product]) -> list[Product]:
    """Products with their own garment and vectors."""
    whole = []
    for product in products:
        own = own_garment(product.attributes, product.images)
        whole.append(replace(product, own_garment=own, vectors=pool(own, product.images)))
    return whole


def _match(shown: Shown, hit: Hit, query: SearchQuery, garment: Garment | None) -> Match:
    view, best_score = shown.best(query.vector, garment, query.metric)
    return Match(
        shown.rendered,
        hit,
        0 if view is None else view.image_index,
        None if view is None else view.garment,
        best_score,
    )
