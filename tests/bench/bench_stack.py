"""The whole system: what it adds to its networks, to a query, and to the memory it had."""

import asyncio
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import numpy.typing as npt

from lookalike.embedder.v1 import embedder_pb2, embedder_pb2_grpc
from lookalike.gateway.v1 import search_pb2, search_pb2_grpc
from lookalike.indexer.v1 import indexer_pb2, indexer_pb2_grpc
from lookalike.type.v1 import embedding_pb2, garment_pb2, product_pb2
from lookalike_client import Catalogue, Lookalike
from services.embedder.backends.onnx import OnnxOptions as EmbedderOptions
from services.embedder.domain import Pixels
from services.embedder.model import Model, load_model
from services.indexer.domain import IndexedProduct, Slot, Space
from services.indexer.projection import Projection, SearchQuery
from services.segmenter.backends.onnx import OnnxOptions, load_backend
from services.segmenter.domain import Backend
from tests.bench.processes import MemoryLog, watching
from tests.bench.row import Row
from tests.e2e.stack import Stack
from tests.fixtures.garments import write_catalogue

Vectors = npt.NDArray[np.float32]

LEAST_SHARE_OF_NETWORKS = 0.85
MOST_ADDED_MS = 4.0
LEAST_GAIN_OF_32 = 4.0
# Of a process that keeps nothing, over the whole run: what an allocator may still find to waste.
MOST_GROWTH_PERCENT = 5.0
FEWEST_TO_JUDGE_GROWTH = 300
VIEWS = 3
A_TURN = 10
_COLOURS = ("red", "light blue", "dark green", "black", "white", "yellow", "pink", "grey")
_CLOTHES = ("dress", "skirt", "shirt", "coat", "jeans", "hoodie", "sandals", "jacket")
_KINDS = ("summer", "striped", "plain", "long", "short", "women's", "men's", "kids'")


def run(quick: bool) -> list[Row]:
    """Rows of the whole system."""
    with tempfile.TemporaryDirectory(prefix="lookalike-bench-") as folder:
        rows = _full_network(Path(folder), images=24 if quick else 300)
        rows += _queries(Path(folder), 20_000 if quick else 140_000, 40 if quick else 200)
        rows += _light_network(Path(folder), images=300 if quick else 5_000)
    return rows


# --- Ingest ------------------------------------------------------------------------------------


def _full_network(folder: Path, images: int) -> list[Row]:
    """The default segmenter: throughput against the networks alone, and memory."""
    backend = load_backend(OnnxOptions())
    model = load_model("lookalike-mini-v1", EmbedderOptions("auto", False, 0))
    for step in backend.warm_up_steps(1):
        step()
    for step in model.warm_up_steps(8, 1):
        step()
    stack = Stack(folder / "full")
    try:
        stack.start()
        warm_up = write_catalogue(folder / "warm-up", 2, views=VIEWS, prefix="w-", seed=1)
        _ingest(stack, warm_up, 2 * VIEWS)
        listing = write_catalogue(folder / "catalogue", images // VIEWS, views=VIEWS, seed=2)
        before = _items(stack)
        # In the same run, before and after, so that a busy machine slows both.
        alone = [_forward_s(backend, model)]
        seconds, log = _ingest(stack, listing, images)
        alone.append(_forward_s(backend, model))
        segmented, embedded = (
            after - first for after, first in zip(_items(stack), before, strict=True)
        )
        sizes = _rss_rows(stack, log, images, backend.spec.variant)
    finally:
        stack.close()
    segment_s = statistics.mean(pair[0] for pair in alone)
    embed_s = statistics.mean(pair[1] for pair in alone)
    networks_s = segmented * segment_s + embedded * embed_s
    load = (
        f"{images} photographs of {VIEWS} a product, {backend.spec.variant}, "
        f"{embedded / images:.1f} crops a photograph, one stream, {_cores()}"
    )
    return [
        Row("ingest", images / seconds, "images/s", load),
        Row("the networks alone", images / networks_s, "images/s", f"the same runs, {_cores()}"),
        Row("ingest ÷ networks", networks_s / seconds, "x", load, LEAST_SHARE_OF_NETWORKS),
        *sizes,
    ]


def _light_network(folder: Path, images: int) -> list[Row]:
    """The light segmenter: memory over many images."""
    stack = Stack(folder / "light", env={"LOOKALIKE_SEGMENTER_VARIANT": "u2netp"})
    try:
        stack.start()
        listing = write_catalogue(folder / "many", images // VIEWS, views=VIEWS, seed=3)
        count = images // VIEWS * VIEWS
        seconds, log = _ingest(stack, listing, count)
        rate = Row("ingest, light network", count / seconds, "images/s", f"{count} photographs")
        return [rate, *_rss_rows(stack, log, count, "u2netp")]
    finally:
        stack.close()


def _ingest(stack: Stack, listing: Path, images: int) -> tuple[float, MemoryLog]:
    """Seconds from the first product sent to the end, and memory meanwhile."""
    finished = [0]

    def told(_: object) -> None:
        finished[0] += VIEWS

    pids = {**stack.pids(), "client": os.getpid()}
    with (
        Catalogue.scan(str(listing)) as catalogue,
        Lookalike(stack.server) as client,
        watching(pids, lambda: finished[0]) as log,
    ):
        summary = client.ingest(catalogue, on_outcome=told)
    assert summary.images == images
    assert summary.nothing_failed
    return summary.seconds, log


def _items(stack: Stack) -> tuple[float, float]:
    """Photographs and crops that went through the networks so far."""
    segmenter, embedder = stack.metrics("segmenter"), stack.metrics("embedder")
    return (
        segmenter['lookalike_segmenter_batch_size_sum{batcher="network"}'],
        embedder['lookalike_embedder_batch_size_sum{batcher="image"}'],
    )


def _forward_s(backend: Backend, model: Model) -> tuple[float, float]:
    """Seconds of the networks alone for one photograph and for one crop, all cores."""
    rng = np.random.default_rng(0)
    side = backend.spec.input_side_px
    network_input = rng.standard_normal((3, side, side), dtype=np.float32)
    crops: list[Pixels] = [rng.integers(0, 256, (260, 260, 4), dtype=np.uint8) for _ in range(2)]
    segment = [_seconds(lambda: backend.forward([network_input])) for _ in range(5)]
    embed = [_seconds(lambda: model.images.embed(crops)) / len(crops) for _ in range(10)]
    return statistics.median(segment), statistics.median(embed)


def _rss_rows(stack: Stack, log: MemoryLog, images: int, variant: str) -> list[Row]:
    rows = []
    for name in log.names:
        # The indexer is meant to grow: it holds the vectors. The client is this very process.
        # Over a few images every process still grows to its size.
        judged = name not in ("indexer", "client") and images >= FEWEST_TO_JUDGE_GROWTH
        slope, peak = log.slope(name), log.peak(name)
        kept = ", vectors that it keeps included" if name == "indexer" else ""
        rows.append(
            Row(
                f"memory of the {name} grows by",
                100 * slope * images / peak,
                "%",
                f"over {images} photographs, {variant}: {slope / 1024:.2f} KiB each by the second "
                f"half's slope, peak {peak / 2**20:.0f} MiB{kept}",
                MOST_GROWTH_PERCENT if judged else None,
                at_most=True,
            )
        )
    stack.lookalike("status")
    return rows


# --- Queries -----------------------------------------------------------------------------------


def _queries(folder: Path, products: int, rounds: int) -> list[Row]:
    stack = Stack(folder / "queries", env={"LOOKALIKE_SEGMENTER_VARIANT": "u2netp"})
    model = load_model("lookalike-mini-v1", EmbedderOptions("auto", False, 0))
    for step in model.warm_up_steps(1, 32):
        step()
    try:
        stack.start()
        return asyncio.run(_query_rows(stack, model, products, rounds))
    finally:
        stack.close()


async def _query_rows(stack: Stack, model: Model, products: int, rounds: int) -> list[Row]:
    dimension = model.spec.dimension
    vectors = _vectors(products, dimension)
    await _fill(stack, vectors)
    p50 = await _in_turns(stack, model, vectors, rounds)
    one = await _rate(stack.server, 1, rounds)
    many = await _rate(stack.server, 32, max(rounds // 4, 10))
    index = f"{products:,} products x {dimension}, k = 10"
    added = f"{index}, one client, in turns of {A_TURN} with the parts alone"
    return [
        Row("text query through the gateway, p50", p50[0], "ms", f"{index}, one client"),
        Row("text tower alone, p50", p50[1], "ms", "in this process"),
        Row("search alone, p50", p50[2], "ms", f"{index}, in this process"),
        Row("a query costs more by", p50[0] - p50[1] - p50[2], "ms", added, MOST_ADDED_MS, True),
        Row("text queries, one client", one, "/s", index),
        Row("text queries, 32 clients", many, "/s", f"{index}, different words each time"),
        Row("32 clients ÷ one client", many / one, "x", f"{index}, {_cores()}", LEAST_GAIN_OF_32),
    ]


async def _in_turns(stack: Stack, model: Model, vectors: Vectors, rounds: int) -> list[float]:
    """p50 in ms of a query through the gateway, of the text tower alone, and of the search alone
    on the same vectors. In turns, so that a busy moment of the machine hits all three; several
    at a turn, as a person's keys and other people's follow each other: a process that begins
    finds its caches cold."""
    projection = Projection()
    projection.reset(Space("bench", model.spec.dimension), len(vectors))
    projection.load(_indexed(vectors))
    texts = _texts()
    whole, embeddings, searches = [], [], []
    async with grpc.aio.insecure_channel(stack.server) as channel:
        stub = search_pb2_grpc.SearchServiceStub(channel)
        for _ in range(rounds // A_TURN + 1):
            asked = [next(texts) for _ in range(A_TURN)]
            for text in asked:
                began = time.perf_counter()
                await stub.SearchProducts(_request(text))
                whole.append(time.perf_counter() - began)
            vectors_asked = []
            for text in asked:
                tokens = model.tokenizer.encode(text)
                began = time.perf_counter()
                vectors_asked += model.texts.embed([tokens])
                embeddings.append(time.perf_counter() - began)
            for vector in vectors_asked:
                query = SearchQuery(vector, Slot.OWN, (), frozenset(), 10, 0)
                searches.append(_seconds(lambda query=query: projection.search([query])))
    # The first turn warms everything up.
    return [statistics.median(found[A_TURN:]) * 1e3 for found in (whole, embeddings, searches)]


async def _rate(server: str, clients: int, rounds: int) -> float:
    """Queries a second of so many clients, each on a connection of its own."""
    texts = _texts()

    async def client(stub: Any, count: int) -> None:
        for _ in range(count):
            await stub.SearchProducts(_request(next(texts)))

    options = [("grpc.use_local_subchannel_pool", 1)]
    channels = [grpc.aio.insecure_channel(server, options=options) for _ in range(clients)]
    stubs = [search_pb2_grpc.SearchServiceStub(channel) for channel in channels]
    try:
        await asyncio.gather(*(client(stub, 3) for stub in stubs))
        began = time.perf_counter()
        await asyncio.gather(*(client(stub, rounds) for stub in stubs))
        return clients * rounds / (time.perf_counter() - began)
    finally:
        for channel in channels:
            await channel.close()


async def _fill(stack: Stack, vectors: Vectors) -> None:
    """Puts products into the running index, without photographs to segment."""
    options = [("grpc.max_send_message_length", -1)]
    async with (
        grpc.aio.insecure_channel(f"127.0.0.1:{stack.ports['embedder']}") as embedder,
        grpc.aio.insecure_channel(f"127.0.0.1:{stack.ports['indexer']}", options) as indexer,
    ):
        info = await embedder_pb2_grpc.EmbedderServiceStub(embedder).GetModelInfo(
            embedder_pb2.GetModelInfoRequest()
        )
        stub = indexer_pb2_grpc.IndexerServiceStub(indexer)
        for start in range(0, len(vectors), 1000):
            records = [
                _record(start + place, vector, info.embedding_version)
                for place, vector in enumerate(vectors[start : start + 1000])
            ]
            answer = await stub.UpsertProducts(indexer_pb2.UpsertProductsRequest(products=records))
            assert all(status.code == 0 for status in answer.statuses)


def _record(place: int, vector: npt.NDArray[np.float32], version: str) -> Any:
    embedding = embedding_pb2.GarmentEmbedding(
        garment=garment_pb2.GARMENT_UNION,
        embedding=embedding_pb2.Embedding(values_f32=vector.astype("<f4").tobytes()),
    )
    image = product_pb2.ProductImage(
        sha256=f"{place:064x}", width_px=600, height_px=800, embeddings=[embedding]
    )
    product = product_pb2.Product(product_id=f"q-{place:06}", name=f"Product {place}")
    product.attributes.update({"colour": _COLOURS[place % len(_COLOURS)], "price": place % 500})
    product.images.append(image)
    return indexer_pb2.ProductRecord(
        product=product,
        content_digest=f"{place:x}",
        pipeline_version="bench",
        embedding_version=version,
        dimension=len(vector),
    )


def _indexed(vectors: Vectors) -> Iterator[IndexedProduct]:
    for place, vector in enumerate(vectors):
        slots = {Slot.OWN: vector, Slot.UNION: vector}
        yield IndexedProduct(f"q-{place:06}", f"Product {place}", {}, slots, 1, 1)


def _vectors(count: int, dimension: int) -> Vectors:
    rng = np.random.default_rng(11)
    found = rng.standard_normal((count, dimension), dtype=np.float32)
    found /= np.linalg.norm(found, axis=1, keepdims=True)
    return found


def _texts() -> Iterator[str]:
    """Different words every time, so that nothing can be remembered."""
    place = 0
    while True:
        kind, colour = _KINDS[place % 8], _COLOURS[place // 8 % 8]
        yield f"{kind} {colour} {_CLOTHES[place // 64 % 8]} number {place}"
        place += 1


def _request(text: str) -> search_pb2.SearchProductsRequest:
    return search_pb2.SearchProductsRequest(parts=[search_pb2.SearchPart(text=text)], page_size=10)


def _seconds(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def _cores() -> str:
    return f"{len(os.sched_getaffinity(0))} cores"
