"""`python -m services.indexer`: settings, store, index in memory, batcher, servicer, server."""

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import grpc

from lookalike.indexer.v1 import indexer_pb2_grpc, map_pb2_grpc, spaces_pb2_grpc
from servicekit import config as settings
from servicekit import logs, server
from servicekit.batching import MicroBatcher
from servicekit.errors import LookalikeError, Unavailable
from servicekit.health import HealthReporter
from servicekit.metrics import ServiceMetrics
from services.indexer.catalogue import Catalogue
from services.indexer.config import PREFIX, SQLITE, IndexerConfig
from services.indexer.domain import Store
from services.indexer.drawing.process import DrawingProcess
from services.indexer.map_builds import CatalogueMaps
from services.indexer.metrics import IndexerMetrics
from services.indexer.mirror import SpaceMirror, ViewedQuery
from services.indexer.mirror import search as search_views
from services.indexer.queries import Found
from services.indexer.servicer import FULL_SERVICE_NAME, IndexerServicer
from services.indexer.servicers.map import FULL_SERVICE_NAME as MAP_SERVICE_NAME
from services.indexer.servicers.map import MapServicer
from services.indexer.servicers.spaces import FULL_SERVICE_NAME as SPACE_SERVICE_NAME
from services.indexer.servicers.spaces import SpaceServicer
from services.indexer.shown import ShownProducts
from services.indexer.store.mongodb import MongoStore
from services.indexer.store.sqlite import SqliteStore
from services.indexer.versions import VersionGate
from services.indexer.wire import search as wire

FULL_SERVICE_NAMES = (FULL_SERVICE_NAME, SPACE_SERVICE_NAME, MAP_SERVICE_NAME)

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Indexer:
    """An indexer that is put together; it serves once `load` has returned."""

    config: IndexerConfig
    store: Store
    mirror: SpaceMirror
    gate: VersionGate
    servicer: IndexerServicer
    space_servicer: SpaceServicer
    maps: CatalogueMaps
    health: HealthReporter
    service_metrics: ServiceMetrics
    metrics: IndexerMetrics

    def add_services(self, grpc_server: grpc.aio.Server) -> None:
        indexer_pb2_grpc.add_IndexerServiceServicer_to_server(self.servicer, grpc_server)
        spaces_pb2_grpc.add_SpaceServiceServicer_to_server(self.space_servicer, grpc_server)
        map_pb2_grpc.add_MapServiceServicer_to_server(MapServicer(self.maps), grpc_server)

    async def load(self) -> None:
        """Raises: FailedPrecondition: STORE_UNSUITABLE."""
        began = time.monotonic()
        await self.store.start(self.mirror)
        seconds = time.monotonic() - began
        self.metrics.loaded(seconds)
        tally = self.mirror.active.projection.tally()
        _log.info(
            "index loaded",
            extra={"products": tally.product_count, "seconds": round(seconds, 3)},
        )

    async def sweep(self) -> None:
        """Removes unneeded images and vectors now and then, until cancelled."""
        while True:
            await asyncio.sleep(self.config.sweep_interval_s)
            try:
                self.metrics.swept(await self.store.sweep_images(self.config.blob_grace_s))
                await self.store.sweep_vectors()
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
    mirror = SpaceMirror(gate.reached)
    service_metrics = ServiceMetrics("indexer", FULL_SERVICE_NAMES)
    metrics = IndexerMetrics(service_metrics, mirror, store)
    batcher: MicroBatcher[ViewedQuery, Found] = MicroBatcher(
        search_views,
        name="search",
        max_batch_size=config.search_max_batch,
        max_queue_items=config.search_max_queue,
        max_queue_bytes=config.max_message_bytes,
        stall_s=config.stall_s,
        metrics=service_metrics.batcher("search"),
    )

    async def search(asked: ViewedQuery, deadline: float | None) -> Found:
        return await batcher.submit(asked, size_bytes=asked.query.vector.nbytes, deadline=deadline)

    async def check_store() -> None:
        await store.ping()
        if not store.following:
            raise Unavailable("the index does not hear of changes", reason="UPSTREAM_UNAVAILABLE")

    health = HealthReporter(FULL_SERVICE_NAMES)
    health.measure_warm_up(lambda: mirror.loaded_fraction)
    health.add_check("store", check_store)
    health.add_probe("search", lambda: batcher.healthy, "the search's worker is gone or stuck")
    shown = ShownProducts(wire.shown, config.shown_max_bytes)
    catalogue = Catalogue(store, mirror, gate, search, shown)
    maps = CatalogueMaps(store, mirror, gate, DrawingProcess(config.map_threads).draw, metrics)
    servicer = IndexerServicer(catalogue, metrics, config.max_message_bytes)
    try:
        yield Indexer(
            config,
            store,
            mirror,
            gate,
            servicer,
            SpaceServicer(catalogue),
            maps,
            health,
            service_metrics,
            metrics,
        )
    finally:
        await maps.close()
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
                full_service_names=FULL_SERVICE_NAMES,
                health=indexer.health,
                metrics=indexer.service_metrics,
                warm_up=indexer.load,
                # Nobody waits in a drain for what takes minutes.
                on_drain=indexer.maps.close,
            )
        finally:
            sweeping.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await sweeping


if __name__ == "__main__":
    server.run(main)
