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
    Attributes,
    Committed,
    Garment,
    IndexedSpace,
    Lacking,
    Outcome,
    Product,
    ProductImage,
    Slot,
    Space,
    SpaceVectors,
    Store,
    Switched,
    Tally,
    Vector,
)
from services.indexer.facets import Facets
from services.indexer.filters import Filter
from services.indexer.metric import Metric
from services.indexer.mirror import SpaceMirror, SpaceView, ViewedQuery
from services.indexer.pooling import own_garment, pool
from services.indexer.queries import Found, Hit, Page, SearchQuery, Usual
from services.indexer.shown import Rendered, Shown, ShownProducts
from services.indexer.spaces import check_dimension, known_space
from services.indexer.versions import VersionGate

Search = Callable[[ViewedQuery, float | None], Awaitable[Found]]
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
      embedding_version: the space to search, which is that of the vectors among the parts; empty:
        the active one.
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
    embedding_version: str


@dataclass(frozen=True, slots=True)
class SpaceCount:
    """A space, the products with vectors in it, and those that have some only elsewhere."""

    space: IndexedSpace
    product_count: int
    lacking_count: int


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
        mirror: SpaceMirror,
        gate: VersionGate,
        search: Search,
        shown: ShownProducts,
    ) -> None:
        self.store = store
        self._shown = shown
        self._mirror = mirror
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

    # Spaces

    async def spaces(self, counted: bool) -> list[SpaceCount]:
        spaces = (await self.store.spaces()).all
        return [
            SpaceCount(one, *(await self.store.count_in(one.number) if counted else (0, 0)))
            for one in spaces
        ]

    async def lacking(
        self, embedding_version: str, after: str, limit: int
    ) -> tuple[list[Lacking], int]:
        """Raises: NotFound: SPACE_NOT_FOUND."""
        number = known_space(await self.store.spaces(), embedding_version).number
        found = await self.store.lacking(number, after, limit)
        _, count = await self.store.count_in(number)
        return found, count

    async def put_vectors(
        self, embedding_version: str, found: Sequence[tuple[str, int, SpaceVectors]]
    ) -> tuple[int, set[str]]:
        """Raises: NotFound: SPACE_NOT_FOUND; FailedPrecondition: DIMENSION_MISMATCH."""
        stored = await self.store.read([product_id for product_id, _, _ in found], 0, False)
        # The version is checked again where it is written: attributes cannot have changed by then.
        current = [
            (product_id, version, vectors, stored[product_id].attributes)
            for product_id, version, vectors in found
            if product_id in stored and stored[product_id].version == version
        ]

        def pooled() -> list[tuple[str, int, SpaceVectors]]:
            return [(name, at, _pooled_in(one, given)) for name, at, one, given in current]

        return await self.store.put_vectors(embedding_version, await asyncio.to_thread(pooled))

    async def switch(self, embedding_version: str, force: bool) -> Switched:
        """Returns when this replica answers in the space. See spaces.switched."""
        switched = await self.store.switch_space(embedding_version, force)
        await self._gate.wait(switched.index_version, None)
        return switched

    # Reads

    async def product(
        self, product_id: str, vectors: bool, min_index_version: int, deadline: float | None
    ) -> Product:
        """Raises: NotFound: PRODUCT_NOT_FOUND."""
        await self._ready(min_index_version, deadline)
        # The store's own word: the index in memory may be a moment behind what is read here.
        active = (await self.store.spaces()).active
        number = active.number if active else 0
        found = (await self.store.read([product_id], number, vectors)).get(product_id)
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
        index = self._mirror.active.projection
        return await asyncio.to_thread(index.page, conditions, after, limit)

    async def products(self, product_ids: Sequence[str], vectors: bool) -> list[Product]:
        """Those that still exist, in the order given."""
        found = await self.store.read(product_ids, self._mirror.active.number, vectors)
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
        index = self._mirror.active.projection
        return await asyncio.to_thread(index.facets, fields, conditions, max_values)

    async def info(self) -> IndexInfo:
        view = self._mirror.active
        tally = await asyncio.to_thread(view.projection.tally)
        space = view.projection.space
        return IndexInfo(tally, space, view.projection.version, self.store.kind)

    async def search(self, request: SearchRequest, deadline: float | None) -> SearchAnswer:
        """Raises:
        NotFound: PRODUCT_NOT_FOUND, GARMENT_NOT_FOUND for a part without any vector.
        FailedPrecondition: EMBEDDING_VERSION_MISMATCH, DIMENSION_MISMATCH.
        InvalidArgument: FIELD_INVALID, the parts cancel each other out.
        """
        await self._ready(request.min_index_version, deadline)
        # One view for all of the question: a switch in the middle of it changes nothing.
        view = self._mirror.view(request.embedding_version)
        slot = Slot.OWN if request.garment is None else Slot(request.garment)
        if any(isinstance(part.target, str) for part in request.parts):
            # Off the loop, because stored vectors are read behind the index's lock.
            mixed = await asyncio.to_thread(_query_vector, view, request, slot)
        else:
            mixed = _query_vector(view, request, slot)
        if mixed is None:
            return SearchAnswer((), 0, view.projection.version, Usual((), 0), "")
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
        return await self._consistent(ViewedQuery(view, query), request.garment, deadline)

    async def _ready(self, min_index_version: int, deadline: float | None) -> None:
        if not self.store.loaded:
            raise Unavailable("The index is loading.", reason="WARMING_UP", retry_after_s=1.0)
        await self._gate.wait(min_index_version, deadline)

    async def _consistent(
        self, query: ViewedQuery, garment: Garment | None, deadline: float | None
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
        space = query.view.space
        return SearchAnswer(
            tuple(matches),
            found.candidate_count,
            found.index_version,
            found.usual,
            space.space.embedding_version if space else "",
        )

    async def _matches(
        self, found: Found, asked: ViewedQuery, garment: Garment | None
    ) -> tuple[list[Match], int]:
        """The matches that still exist, and the index version that explains all of them."""
        number, query = asked.view.number, asked.query
        load = (number, found.load)
        matches: list[Match] = []
        newest = found.index_version
        # In parts: the vectors of a part's images are dropped before the next is read.
        for start in range(0, len(found.hits), _READ_AT_ONCE):
            hits = found.hits[start : start + _READ_AT_ONCE]
            kept = [self._shown.get(hit.product_id, hit.version, load) for hit in hits]
            missing = [hit.product_id for hit, one in zip(hits, kept, strict=True) if one is None]
            products = await self.store.read(missing, number, True) if missing else {}
            for hit, one in zip(hits, kept, strict=True):
                if one is None:
                    product = products.get(hit.product_id)
                    if product is None:
                        newest = max(newest, found.index_version + 1)
                        continue
                    if product.version != hit.version:
                        newest = max(newest, product.version)
                    one = self._shown.put(product, load)
                matches.append(_match(one, hit, query, garment))
        return matches, newest


def _query_vector(
    view: SpaceView, request: SearchRequest, slot: Slot
) -> tuple[Vector, tuple[Vector, ...]] | None:
    """The weighted sum at length 1, and the parts where it is not the only one itself; None if
    the index holds no vectors to compare with."""
    space = view.projection.space
    total: np.ndarray[tuple[int, ...], np.dtype[np.float64]] | None = None
    parts: list[Vector] = []
    for part in request.parts:
        if isinstance(part.target, str):
            vector = _product_vector(view, part.target, slot)
        else:
            vector = part.target
            if space is not None:
                check_dimension(space, len(vector))
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


def _product_vector(view: SpaceView, product_id: str, slot: Slot) -> Vector:
    try:
        vector = view.projection.vector(product_id, slot)
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
    """Products with their own garment and vectors, in every space."""
    whole = []
    for product in products:
        own = own_garment(product.attributes, product.images)
        others = tuple(_pooled_in(one, product.attributes) for one in product.others)
        whole.append(
            replace(product, own_garment=own, vectors=pool(own, product.images), others=others)
        )
    return whole


def _pooled_in(found: SpaceVectors, attributes: Attributes) -> SpaceVectors:
    images = [ProductImage("", embeddings=vectors) for vectors in found.images]
    own = own_garment(attributes, images)
    return replace(found, own_garment=own, vectors=pool(own, images))


def _match(shown: Shown, hit: Hit, query: SearchQuery, garment: Garment | None) -> Match:
    view, best_score = shown.best(query.vector, garment, query.metric)
    return Match(
        shown.rendered,
        hit,
        0 if view is None else view.image_index,
        None if view is None else view.garment,
        best_score,
    )
