"""`python -m services.gateway`: settings, upstreams, pipelines, servicers, server."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import grpc

from lookalike.gateway.v1 import (
    ingest_pb2_grpc,
    map_pb2_grpc,
    model_pb2_grpc,
    search_pb2_grpc,
)
from servicekit import config as settings
from servicekit import logs, server
from servicekit.channels import TypedChannel, open_channel
from servicekit.errors import Unavailable
from servicekit.health import Check, HealthReporter
from servicekit.metrics import ServiceMetrics
from services.gateway.byte_budget import ByteBudget
from services.gateway.config import PREFIX, GatewayConfig
from services.gateway.image_pipeline import ImagePipeline
from services.gateway.ingest_messages import Credit
from services.gateway.ingest_session import IngestNeeds
from services.gateway.known import KnownStates
from services.gateway.load import LoadWindow
from services.gateway.metrics import GatewayMetrics
from services.gateway.model_changes import ModelChanges
from services.gateway.models import ModelCache
from services.gateway.overview import HealthProbe, SystemOverview, Watched
from services.gateway.photographs import Photographs
from services.gateway.pipeline import ProductPipeline
from services.gateway.query import Searcher
from services.gateway.reembedding import Reembedder
from services.gateway.retry import Patience
from services.gateway.segmentations import Segmentations
from services.gateway.servicers import ingest, maps, model, search
from services.gateway.space_builds import SpaceBuilds
from services.gateway.space_comparison import SpaceComparison
from services.gateway.space_filler import SpaceFiller
from services.gateway.text_vectors import TextVectors
from services.gateway.thumbnails import Thumbnails
from services.gateway.upstreams import embedder, indexer, segmenter
from services.gateway.upstreams.health import HealthClient
from services.gateway.upstreams.maps import FULL_SERVICE_NAME as INDEXER_MAPS
from services.gateway.upstreams.maps import MapsClient
from services.gateway.upstreams.spaces import SpacesClient

FULL_SERVICE_NAMES = (
    ingest.FULL_SERVICE_NAME,
    search.FULL_SERVICE_NAME,
    model.FULL_SERVICE_NAME,
    maps.FULL_SERVICE_NAME,
)

_NEEDED_BY = {
    "segmenter": (ingest.FULL_SERVICE_NAME, model.FULL_SERVICE_NAME),
    "embedder": tuple(name for name in FULL_SERVICE_NAMES if name != maps.FULL_SERVICE_NAME),
    "indexer": FULL_SERVICE_NAMES,
}

# What GetStatus tells the rates of.
_SEARCHES = frozenset(
    f"{search.FULL_SERVICE_NAME}/{method}" for method in ("SearchProducts", "FindSimilarProducts")
)
_INGESTS = frozenset(f"{ingest.FULL_SERVICE_NAME}/{method}" for method in ("Ingest", "IngestBatch"))

_HEALTH_TIMEOUT_S = 1.0

# Reads that people wait for are repeated by the channel itself, at once, if the service is away
# for a moment. Ingest has a patience of its own.
_ONLINE_READS = (
    f"{embedder.FULL_SERVICE_NAME}/EmbedTexts",
    f"{indexer.FULL_SERVICE_NAME}/SearchProducts",
    f"{indexer.FULL_SERVICE_NAME}/GetProduct",
    f"{indexer.FULL_SERVICE_NAME}/ListProducts",
    f"{indexer.FULL_SERVICE_NAME}/ListFacets",
    f"{indexer.FULL_SERVICE_NAME}/GetImage",
    f"{INDEXER_MAPS}/GetMap",
)


@dataclass(frozen=True, slots=True)
class Gateway:
    """A gateway that is put together and not yet served."""

    health: HealthReporter
    metrics: ServiceMetrics
    ingest: ingest.IngestServicer
    search: search.SearchServicer
    model: model.ModelServicer
    maps: maps.MapServicer
    draining: asyncio.Event

    def add_services(self, grpc_server: grpc.aio.Server) -> None:
        ingest_pb2_grpc.add_IngestServiceServicer_to_server(self.ingest, grpc_server)
        search_pb2_grpc.add_SearchServiceServicer_to_server(self.search, grpc_server)
        model_pb2_grpc.add_ModelServiceServicer_to_server(self.model, grpc_server)
        map_pb2_grpc.add_MapServiceServicer_to_server(self.maps, grpc_server)

    async def drain(self) -> None:
        """Tells the ingest streams to finish what they have."""
        self.draining.set()


@asynccontextmanager
async def open_gateway(config: GatewayConfig) -> AsyncIterator[Gateway]:
    """Puts a gateway together; it needs no upstream to be there yet."""
    async with (
        _channel(config, config.segmenter_target) as to_segmenter,
        _channel(config, config.embedder_target) as to_embedder,
        _channel(config, config.indexer_target) as to_indexer,
    ):
        cuts = segmenter.SegmenterClient(to_segmenter)
        embeds = embedder.EmbedderClient(to_embedder)
        catalogue = indexer.CatalogueClient(to_indexer)
        index = indexer.IndexClient(to_indexer)
        metrics = ServiceMetrics("gateway", FULL_SERVICE_NAMES)
        budget = ByteBudget(config.max_ingest_bytes)
        load = LoadWindow(_SEARCHES, _INGESTS, time.monotonic)
        own = GatewayMetrics(metrics, budget, load)
        spaces = SpacesClient(to_indexer)
        models = ModelCache(cuts, embeds, spaces, config.index_timeout_s)
        patience = Patience(config.patience_s, own.retried)
        known = KnownStates(catalogue, patience, config.index_timeout_s)
        images = ImagePipeline(
            cuts,
            embeds,
            patience,
            own,
            images_in_flight=config.images_in_flight,
            segment_timeout_s=config.segment_timeout_s,
            embed_timeout_s=config.embed_timeout_s,
            max_image_bytes=config.max_image_bytes,
        )
        pipeline = ProductPipeline(
            images,
            models,
            known,
            catalogue,
            patience,
            own,
            blob_timeout_s=config.index_timeout_s,
        )
        reembedder = Reembedder(images, models, catalogue, index, patience, config.index_timeout_s)
        filler = SpaceFiller(
            spaces,
            reembedder,
            patience,
            products_in_flight=config.images_in_flight,
            timeout_s=config.index_timeout_s,
        )
        builds = SpaceBuilds(embeds, spaces, models, filler, patience, config.index_timeout_s)
        draining = asyncio.Event()
        needs = IngestNeeds(
            processor=pipeline,
            catalogue=catalogue,
            patience=patience,
            budget=budget,
            observer=own,
            draining=draining,
            credit=Credit(config.credit_products, config.credit_bytes),
            # A part of the drain is left for the answer itself.
            drain_s=0.75 * config.drain_s,
            timeout_s=config.index_timeout_s,
            redraft=reembedder.redraft,
        )
        probes = {
            "segmenter": HealthClient(to_segmenter, "segmenter", segmenter.FULL_SERVICE_NAME),
            "embedder": HealthClient(to_embedder, "embedder", embedder.FULL_SERVICE_NAME),
            "indexer": HealthClient(to_indexer, "indexer", indexer.FULL_SERVICE_NAME),
        }
        health = _health(probes)
        watched = Watched(
            probes["segmenter"],
            probes["embedder"],
            probes["indexer"],
            lambda: dict(health.failures),
        )
        thumbnails = Thumbnails(config.thumbnail_cache_bytes)
        segmentations = Segmentations(
            cuts,
            own,
            cache_bytes=config.photograph_cache_bytes,
            timeout_s=config.search_timeout_s,
        )
        texts = TextVectors(embeds)
        search_needs = search.SearchNeeds(
            searcher=Searcher(segmentations, embeds, texts, index, models, own),
            photographs=Photographs(segmentations, models, index, thumbnails),
            index=index,
            overview=SystemOverview(
                watched, cuts, models, index, load.now, config.status_timeout_s
            ),
            timeout_s=config.search_timeout_s,
        )
        changes = ModelChanges(
            embeds,
            spaces,
            models,
            filler,
            builds,
            SpaceComparison(index, texts, models),
            config.index_timeout_s,
        )
        try:
            yield Gateway(
                health,
                metrics,
                ingest.IngestServicer(needs),
                search.SearchServicer(search_needs),
                model.ModelServicer(changes, builds),
                maps.MapServicer(MapsClient(to_indexer), config.search_timeout_s),
                draining,
            )
        finally:
            await builds.close()
            await texts.close()
            await known.close()
            thumbnails.close()


def _channel(config: GatewayConfig, target: str) -> TypedChannel:
    return open_channel(
        target, max_message_bytes=config.max_message_bytes, retry_reads=_ONLINE_READS
    )


def _health(probes: dict[str, HealthClient]) -> HealthReporter:
    """Searching needs no segmenter, but for photographs, the map the indexer only; taking in needs
    all three."""
    health = HealthReporter(FULL_SERVICE_NAMES, timeout_s=_HEALTH_TIMEOUT_S)
    for name, probe in probes.items():
        health.add_check(name, _check(name, probe), services=_NEEDED_BY[name])
    return health


def _check(name: str, probe: HealthProbe) -> Check:
    async def check() -> None:
        if not await probe.serving(timeout_s=_HEALTH_TIMEOUT_S):
            raise Unavailable(f"the {name} does not serve", reason="UPSTREAM_UNAVAILABLE")

    return check


async def main() -> int:
    config = settings.load(GatewayConfig, prefix=PREFIX)
    logs.configure("gateway", config.log_level)
    async with open_gateway(config) as gateway:
        return await server.serve(
            config=config,
            service_name="gateway",
            add_services=gateway.add_services,
            full_service_names=FULL_SERVICE_NAMES,
            health=gateway.health,
            metrics=gateway.metrics,
            on_drain=gateway.drain,
        )


if __name__ == "__main__":
    server.run(main)
