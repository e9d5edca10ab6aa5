"""`python -m services.indexer`: settings, store, index in memory, batcher, servicer, server."""

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import grpc

from lookalike.indexer.v1 import indexer_pb2_grpc
from servicekit import config as settings
from servicekit import logs, server
from servicekit.batching import MicroBatcher
from servicekit.errors import LookalikeError, Unavailable
from servicekit.health import HealthReporter
from servicekit.metrics import ServiceMetrics
from services.indexer.catalogue import Catalogue
from services.indexer.config import PREFIX, SQLITE, IndexerConfig
from services.indexer.domain import Store
from services.indexer.metrics import IndexerMetrics
from services.indexer.projection import Projection
from services.indexer.queries import Found, SearchQuery
from services.indexer.servicer import FULL_SERVICE_NAME, IndexerServicer
from services.indexer.shown import ShownProducts
from services.indexer.store.mongodb import MongoStore
from services.indexer.store.sqlite import SqliteStore
from services.indexer.versions import VersionGate
from services.indexer.wire import search as wire

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Indexer:
    """An indexer that is put together; it serves once `load` has returned."""

    config: IndexerConfig
    store: Store
    projection: Projection
    servicer: IndexerServicer
    health: HealthReporter
    service_metrics: ServiceMetrics
    metrics: IndexerMetrics

    def add_services(self, grpc_server: grpc.aio.Server) -> None:
        indexer_pb2_grpc.add_IndexerServiceServicer_to_server(self.servicer, grpc_server)

    async def load(self) -> None:
        """Raises: FailedPrecondition: STORE_UNSUITABLE."""
        began = time.monotonic()
        await self.store.start(self.projection)
        seconds = time.monotonic() - began
        self.metrics.loaded(seconds)
        tally = self.projection.tally()
        _log.info(
            "index loaded",
            extra={"products": tally.product_count, "seconds": round(seconds, 3)},
        )

    async def sweep(self) -> None:
        """Removes unneeded images now and then, until cancelled."""
        while True:
            await asyncio.sleep(self.config.sweep_interval_s)
            try:
                self.metrics.swept(await self.store.sweep_images(self.config.blob_grace_s))
            except LookalikeError as error:
                _log.warning("sweeping failed", extra={"reason": error.reason})
            except Exception:
                # Bytes that stay a little longer are no reason to stop serving.
                _log.exception("sweeping failed")


@asynccontextmanager
async def open_indexer(config: IndexerConfig) -> AsyncIterator[Indexer]:
    """Puts an indexer together; closes store and batcher at the end."""
    embedded = config.store == SQLITE
    store: Store = SqliteStore(config.data_dir) if embedded else MongoStore(config.store)
    gate = VersionGate()
    projection = Projection(gate.reached)
    service_metrics = ServiceMetrics("indexer", [FULL_SERVICE_NAME])
    metrics = IndexerMetrics(service_metrics, projection, store)
    batcher: MicroBatcher[SearchQuery, Found] = MicroBatcher(
        projection.search,
        name="search",
        max_batch_size=config.search_max_batch,
        max_queue_items=config.search_max_queue,
        max_queue_bytes=config.max_message_bytes,
        stall_s=config.stall_s,
        metrics=service_metrics.batcher("search"),
    )

    async def search(query: SearchQuery, deadline: float | None) -> Found:
        return await batcher.submit(query, size_bytes=query.vector.nbytes, deadline=deadline)

    async def check_store() -> None:
        await store.ping()
        if not store.following:
            raise Unavailable("the index does not hear of changes", reason="UPSTREAM_UNAVAILABLE")

    health = HealthReporter([FULL_SERVICE_NAME])
    health.add_check("store", check_store)
    health.add_probe("search", lambda: batcher.healthy, "the search's worker is gone or stuck")
    shown = ShownProducts(wire.shown, config.shown_max_bytes)
    catalogue = Catalogue(store, projection, gate, search, shown)
    servicer = IndexerServicer(catalogue, metrics, config.max_message_bytes)
    try:
        yield Indexer(config, store, projection, servicer, health, service_metrics, metrics)
    finally:
        await batcher.close(grace_s=1.0)
        await store.close()


async def main() -> int:
    config = settings.load(IndexerConfig, prefix=PREFIX)
    logs.configure("indexer", config.log_level)
    async with open_indexer(config) as indexer:
        sweeping = asyncio.create_task(indexer.sweep(), name="sweeping")
        try:
            return await server.serve(
                config=config,
                service_name="indexer",
                add_services=indexer.add_services,
                full_service_names=[FULL_SERVICE_NAME],
                health=indexer.health,
                metrics=indexer.service_metrics,
                warm_up=indexer.load,
            )
        finally:
            sweeping.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await sweeping


if __name__ == "__main__":
    server.run(main)
