"""GetStatus: what a gateway has done lately, and how far a service that warms up is."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import grpc
import pytest
from google.rpc import error_details_pb2, status_pb2

from lookalike.embedder.v1 import embedder_pb2_grpc
from lookalike.gateway.v1 import search_pb2
from lookalike_client.cli.main import run
from servicekit.health import HealthReporter
from servicekit.metrics import ServiceMetrics
from servicekit.testing import in_process
from tests.contract.gateway.stack import Connection, Stack, Targets, gateway_over, ingest, product
from tests.fixtures.garments import garments, jpeg

EMBEDDER = "lookalike.embedder.v1.EmbedderService"
WORDS = search_pb2.SearchProductsRequest(parts=[search_pb2.SearchPart(text="red shirt")])


async def status_of(stack: Stack) -> search_pb2.GetStatusResponse:
    return await stack.search.GetStatus(search_pb2.GetStatusRequest())


async def test_the_status_tells_what_this_gateway_has_done_lately(stack: Stack) -> None:
    before = (await status_of(stack)).load
    assert before.window_s >= 1
    assert (before.searches_per_s, before.search_p50_ms, before.open_ingest_calls) == (0, 0, 0)
    await ingest(stack, *(product(f"{n}", jpeg(one)) for n, one in enumerate(garments(3))))
    await stack.search.SearchProducts(WORDS)
    await stack.search.FindSimilarProducts(search_pb2.FindSimilarProductsRequest(product_id="0"))
    with pytest.raises(grpc.aio.AioRpcError):
        await stack.search.GetProduct(search_pb2.GetProductRequest(product_id="nobody"))
    connection = Connection(stack)
    await connection.open("another")
    load = (await status_of(stack)).load
    assert load.searches_per_s * load.window_s == pytest.approx(2, rel=1e-3)
    assert load.ingested_products_per_s * load.window_s == pytest.approx(3, rel=1e-3)
    assert load.ingested_images_per_s * load.window_s == pytest.approx(3, rel=1e-3)
    assert load.errors_per_s * load.window_s == pytest.approx(1, rel=1e-3)
    assert 0 < load.search_p50_ms <= load.search_p95_ms
    assert load.open_ingest_calls == 1
    await connection.finish()
    await connection.end()
    assert (await status_of(stack)).load.open_ingest_calls == 0


async def test_the_command_shows_the_load(stack: Stack, capsys: pytest.CaptureFixture[str]) -> None:
    await stack.search.SearchProducts(WORDS)
    assert await asyncio.to_thread(run, ["--server", stack.served.target, "status"]) == 0
    printed = capsys.readouterr().out
    assert "searches/s (half within" in printed
    assert "0.0 errors/s" in printed


@pytest.fixture
async def warming() -> AsyncIterator[str]:
    """An embedder's server that has done two fifths of its warm-up; its target."""
    health = HealthReporter([EMBEDDER])
    health.measure_warm_up(lambda: 0.4)

    def add_services(server: grpc.aio.Server) -> None:
        # Until it is warm no call reaches the methods.
        servicer = embedder_pb2_grpc.EmbedderServiceServicer()
        embedder_pb2_grpc.add_EmbedderServiceServicer_to_server(servicer, server)

    metrics = ServiceMetrics("embedder", [EMBEDDER])
    async with in_process(
        add_services,
        full_service_names=[EMBEDDER],
        health=health,
        metrics=metrics,
        ready=False,
    ) as served:
        yield served.target


async def test_a_service_that_warms_up_says_how_far_it_is(
    targets: Targets, warming: str, capsys: pytest.CaptureFixture[str]
) -> None:
    apart = Targets(targets.segmenter, warming, targets.indexer)
    async with gateway_over(apart) as stack:
        assert await asyncio.to_thread(run, ["--server", stack.served.target, "status"]) == 1
        assert "(40% done)" in capsys.readouterr().out
        shown = {one.name: one for one in (await status_of(stack)).services}
        with pytest.raises(grpc.aio.AioRpcError) as error:
            await stack.search.SearchProducts(WORDS)
    embedder = shown["embedder"]
    assert embedder.state == search_pb2.SERVING_STATE_NOT_SERVING
    assert embedder.warm_up_fraction == pytest.approx(0.4)
    assert not any(one.HasField("warm_up_fraction") for one in shown.values() if one != embedder)
    assert error.value.code() == grpc.StatusCode.UNAVAILABLE
    info = error_info(error.value)
    assert info.reason == "WARMING_UP"
    assert info.metadata["warm_up_fraction"] == "0.40"


def error_info(error: grpc.aio.AioRpcError) -> error_details_pb2.ErrorInfo:
    trailers: Any = dict(error.trailing_metadata() or ())
    status = status_pb2.Status.FromString(trailers["grpc-status-details-bin"])
    info = error_details_pb2.ErrorInfo()
    assert any(detail.Unpack(info) for detail in status.details)
    return info
