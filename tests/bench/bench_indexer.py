"""The indexer: exact search against its rivals, filters, many clients, restart, facets."""

import asyncio
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import faiss
import numpy as np
from numpy.typing import NDArray

from servicekit.batching import MicroBatcher
from services.indexer.domain import (
    Garment,
    GarmentEmbedding,
    IndexedProduct,
    Product,
    ProductImage,
    Slot,
    Space,
    Vector,
)
from services.indexer.filters import AnyOf, Condition, value_key
from services.indexer.mirror import SpaceMirror
from services.indexer.projection import Projection
from services.indexer.queries import Found, SearchQuery
from services.indexer.store.sqlite import SqliteStore
from tests.bench.row import Row

_DIMENSION = 512
_K = 10
_COLOURS = ("black", "white", "blue", "red", "green", "grey", "beige", "pink", "brown", "navy")


def run(quick: bool) -> list[Row]:
    """Products: 140 000, or 20 000 when quick."""
    count = 20_000 if quick else 140_000
    rounds = 11 if quick else 41
    rows = []
    for kind in ("random", "clustered"):
        rows += _search_rows(kind, count, rounds)
    rows += _index_rows(count, rounds, quick)
    rows += asyncio.run(_restart_rows(count))
    return rows


def _search_rows(kind: str, count: int, rounds: int) -> list[Row]:
    rng = np.random.default_rng(7)
    vectors = _vectors(kind, count, rng)
    projection = Projection()
    projection.reset(Space("bench", _DIMENSION), count)
    projection.load(_indexed(vectors))
    flat = faiss.IndexScalarQuantizer(
        _DIMENSION, faiss.ScalarQuantizer.QT_fp16, faiss.METRIC_INNER_PRODUCT
    )
    faiss.omp_set_num_threads(1)
    flat.train(vectors[:1000])
    flat.add(vectors)
    queries = _unit(
        vectors[rng.integers(0, count, rounds)]
        + 0.3 * _unit(rng.standard_normal((rounds, _DIMENSION), dtype=np.float32))
    )
    chosen = np.flatnonzero(np.arange(count) % 20 == 3)  # 5 %
    selector = faiss.SearchParameters(sel=faiss.IDSelectorBatch(chosen))
    some = (Condition("rare", AnyOf(frozenset({value_key("yes")}))),)
    times = _interleaved(
        queries,
        {
            "ours": lambda query: projection.search([_query(query)]),
            "faiss": lambda query: flat.search(query[None], _K),
            "numpy": lambda query: np.argpartition(vectors @ query, -_K)[-_K:],
            "ours filtered": lambda query: projection.search([_query(query, some)]),
            "faiss filtered": lambda query: flat.search(query[None], _K, params=selector),
        },
    )
    everything = np.arange(count)
    load = f"{count:,} x {_DIMENSION} {kind} vectors, k = {_K}, one client"
    return [
        Row(f"exact search p50, {kind}", times["ours"] * 1e3, "ms", load),
        Row(f"faiss fp16 flat p50, {kind}", times["faiss"] * 1e3, "ms", f"{load}, one thread"),
        Row(f"numpy float32 p50, {kind}", times["numpy"] * 1e3, "ms", f"{load}, all threads"),
        Row(f"faiss ÷ exact, {kind}", times["faiss"] / times["ours"], "x", load, 1.0),
        Row(
            f"recall@10, {kind}",
            _recall(projection, queries, vectors, everything, ()),
            "",
            load,
            1.0,
        ),
        Row(f"5 % filter p50, {kind}", times["ours filtered"] * 1e3, "ms", load),
        Row(f"faiss 5 % filter p50, {kind}", times["faiss filtered"] * 1e3, "ms", load),
        Row(
            f"recall@10 under a 5 % filter, {kind}",
            _recall(projection, queries, vectors, chosen, some),
            "",
            load,
            1.0,
        ),
    ]


def _index_rows(count: int, rounds: int, quick: bool) -> list[Row]:
    rng = np.random.default_rng(8)
    vectors = _vectors("clustered", count, rng)
    projection = Projection()
    projection.reset(Space("bench", _DIMENSION), count)
    projection.load(_indexed(vectors))
    queries = vectors[rng.integers(0, count, 64)]
    condition = (Condition("colour", AnyOf(frozenset({value_key("blue")}))),)
    facets = []
    for _ in range(rounds):
        began = time.perf_counter()
        projection.facets((), condition, 50)
        facets.append(time.perf_counter() - began)
    one, many = asyncio.run(_rates(projection, queries, rounds))
    load = f"{count:,} x {_DIMENSION} clustered vectors, k = {_K}"
    size = projection.tally().matrix_size_bytes
    return [
        Row("facets p50, all fields under a filter", statistics.median(facets) * 1e3, "ms", load),
        Row("searches, one client", one, "/s", load),
        Row("searches, 32 clients", many, "/s", load),
        Row("32 clients ÷ one client", many / one, "x", load, None if quick else 4.0),
        Row("memory of the vectors", size / 2**20, "MiB", f"{load}, own, upper and union"),
    ]


async def _rates(
    projection: Projection, queries: NDArray[np.float32], rounds: int
) -> tuple[float, float]:
    batcher: MicroBatcher[SearchQuery, Found] = MicroBatcher(
        projection.search,
        name="search",
        max_batch_size=32,
        max_queue_items=1024,
        max_queue_bytes=1 << 26,
    )

    async def client(searches: int) -> None:
        for index in range(searches):
            query = _query(queries[index % len(queries)])
            await batcher.submit(query, size_bytes=query.vector.nbytes)

    await client(5)
    rates = []
    for clients in (1, 32):
        began = time.perf_counter()
        async with asyncio.TaskGroup() as tasks:
            for _ in range(clients):
                tasks.create_task(client(rounds))
        rates.append(clients * rounds / (time.perf_counter() - began))
    await batcher.close()
    return rates[0], rates[1]


async def _restart_rows(count: int) -> list[Row]:
    rng = np.random.default_rng(9)
    vectors = _vectors("clustered", count, rng)
    with tempfile.TemporaryDirectory() as folder:
        store = SqliteStore(Path(folder))
        await store.start(SpaceMirror())
        began = time.perf_counter()
        for start in range(0, count, 1000):
            await store.upsert([_product(n, vectors[n]) for n in range(start, start + 1000)])
        stored_s = time.perf_counter() - began
        await store.close()
        mirror, store = SpaceMirror(), SqliteStore(Path(folder))
        began = time.perf_counter()
        await store.start(mirror)
        loaded_s = time.perf_counter() - began
        assert mirror.active.projection.tally().product_count == count
        await store.close()
    load = f"{count:,} products, 2 vectors of {_DIMENSION} each, 4 attributes"
    return [
        Row("SQLite: products stored", count / stored_s, "/s", f"{load}, 1 000 at a time"),
        Row("SQLite: restart until loaded", loaded_s, "s", load),
    ]


def _vectors(kind: str, count: int, rng: np.random.Generator) -> NDArray[np.float32]:
    noise = rng.standard_normal((count, _DIMENSION), dtype=np.float32)
    if kind == "random":
        return _unit(noise)
    # As embeddings are: a common direction, groups, and a spread within each.
    groups = rng.standard_normal((2000, _DIMENSION), dtype=np.float32)
    common = 1.5 * rng.standard_normal(_DIMENSION, dtype=np.float32)
    return _unit(groups[rng.integers(0, len(groups), count)] + 0.35 * noise + common)


def _unit(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def _indexed(vectors: NDArray[np.float32]) -> Iterator[IndexedProduct]:
    for number, vector in enumerate(vectors):
        slots = {Slot.OWN: vector, Slot.UNION: vector, Slot.UPPER: vector}
        yield IndexedProduct(f"p{number:06}", f"Product {number}", _attributes(number), slots, 1, 1)


def _attributes(number: int) -> dict[str, Any]:
    found = {
        "colour": _COLOURS[number * 7919 % 10],
        "category": f"category {number % 40}",
        "price": float(number % 500),
        "season": ("summer", "winter"),
    }
    return found | ({"rare": "yes"} if number % 20 == 3 else {})


def _product(number: int, vector: Vector) -> Product:
    found = tuple(GarmentEmbedding(garment, vector) for garment in (Garment.UPPER, Garment.UNION))
    return Product(
        product_id=f"p{number:06}",
        name=f"Product {number}",
        attributes=_attributes(number),
        images=(ProductImage(f"{number:064x}", embeddings=found),),
        failures=(),
        content_digest="",
        pipeline_version="bench",
        own_garment=Garment.UPPER,
        vectors={Slot.OWN: vector, Slot.UPPER: vector, Slot.UNION: vector},
        space=Space("bench", _DIMENSION),
    )


def _query(vector: Vector, conditions: Sequence[Condition] = ()) -> SearchQuery:
    return SearchQuery(vector, Slot.OWN, tuple(conditions), frozenset(), _K, 0)


def _interleaved(
    queries: NDArray[np.float32], rivals: dict[str, Callable[[Vector], object]]
) -> dict[str, float]:
    """Median seconds of each; in turns, so that a busy moment of the machine hits all of them."""
    times: dict[str, list[float]] = {name: [] for name in rivals}
    for query in queries:
        for name, search in rivals.items():
            began = time.perf_counter()
            search(query)
            times[name].append(time.perf_counter() - began)
    return {name: statistics.median(found) for name, found in times.items()}


def _recall(
    projection: Projection,
    queries: NDArray[np.float32],
    vectors: NDArray[np.float32],
    among: NDArray[np.int64],
    conditions: Sequence[Condition],
) -> float:
    """Against a full scan in float64."""
    right = 0
    for query in queries:
        scores = vectors[among].astype(np.float64) @ query
        best = {f"p{among[n]:06}" for n in np.argpartition(scores, -_K)[-_K:]}
        [found] = projection.search([_query(query, conditions)])
        right += len(best & {hit.product_id for hit in found.hits})
    return right / (_K * len(queries))
