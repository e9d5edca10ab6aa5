"""What becomes of calls while services are away, restarted, or changed."""

import asyncio
import struct
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from lookalike.gateway.v1 import ingest_pb2, search_pb2
from lookalike.indexer.v1 import indexer_pb2, indexer_pb2_grpc
from lookalike.type.v1 import embedding_pb2, garment_pb2, product_pb2
from servicekit.channels import open_channel
from services.gateway.page_token import RankedPage, write_token
from services.gateway.wire.search import search as parse_search
from tests.contract.gateway.stack import (
    Connection,
    ServiceProcess,
    Stack,
    Targets,
    failures,
    gateway_over,
    ingest,
    ingest_batch,
    product,
    reason,
    refusal,
    running,
    until,
)
from tests.fixtures.garments import garments, jpeg

STORED = ingest_pb2.INGEST_STATE_STORED
REFUSED = ingest_pb2.INGEST_STATE_REFUSED
SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING
NOWHERE = "127.0.0.1:1"

PHOTOS = [jpeg(garment) for garment in garments(6)]


@pytest.fixture
def segmenter(tmp_path: Path) -> Iterator[ServiceProcess]:
    """A segmenter of the test's own, to be killed."""
    process = ServiceProcess("segmenter", tmp_path / "segmenter.log", variant="u2netp")
    with running(process):
        yield process


@pytest.fixture
def indexer(tmp_path: Path) -> Iterator[ServiceProcess]:
    """An indexer of the test's own, to be killed."""
    process = ServiceProcess(
        "indexer", tmp_path / "indexer.log", data_dir=str(tmp_path / "own-index")
    )
    with running(process):
        yield process


async def health(stack: Stack, service: str = "") -> int:
    stub = health_pb2_grpc.HealthStub(stack.served.channel)
    name = f"lookalike.gateway.v1.{service}" if service else ""
    answer = await stub.Check(health_pb2.HealthCheckRequest(service=name))
    return int(answer.status)


async def becomes(stack: Stack, **expected: int) -> None:
    """Waits until the health of the services is as expected."""
    while {name: await health(stack, name) for name in expected} != expected:  # noqa: ASYNC110
        await asyncio.sleep(0.02)


async def states(stack: Stack) -> dict[str, int]:
    status = await stack.search.GetStatus(search_pb2.GetStatusRequest())
    return {one.name: one.state for one in status.services}


async def product_of(stack: Stack, product_id: str) -> product_pb2.Product:
    request = search_pb2.GetProductRequest(product_id=product_id)
    response: search_pb2.GetProductResponse = await stack.search.GetProduct(request)
    return response.product


# --- Health and status -----------------------------------------------------------------------


async def test_a_gateway_alone_answers_and_says_that_it_does_not_serve() -> None:
    async with gateway_over(Targets(NOWHERE, NOWHERE, NOWHERE)) as stack:
        assert await health(stack) == NOT_SERVING
        assert await health(stack, "SearchService") == NOT_SERVING
        assert await states(stack) == {
            "gateway": search_pb2.SERVING_STATE_NOT_SERVING,
            "segmenter": search_pb2.SERVING_STATE_UNREACHABLE,
            "embedder": search_pb2.SERVING_STATE_UNREACHABLE,
            "indexer": search_pb2.SERVING_STATE_UNREACHABLE,
        }
        for call in (
            stack.search.SearchProducts(
                search_pb2.SearchProductsRequest(parts=[search_pb2.SearchPart(text="blue")])
            ),
            stack.search.GetProduct(search_pb2.GetProductRequest(product_id="p")),
            stack.search.ListFacets(search_pb2.ListFacetsRequest()),
        ):
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await call
            assert refusal(caught.value) == (
                grpc.StatusCode.UNAVAILABLE,
                "UPSTREAM_UNAVAILABLE",
            )


async def test_searching_does_not_need_the_segmenter_and_taking_in_does(
    targets: Targets,
) -> None:
    async with gateway_over(replace(targets, segmenter=NOWHERE)) as stack:
        await becomes(stack, SearchService=SERVING)
        assert await health(stack, "IngestService") == NOT_SERVING
        assert await health(stack) == NOT_SERVING


async def test_health_follows_a_service_down_and_up(
    targets: Targets, segmenter: ServiceProcess
) -> None:
    async with gateway_over(replace(targets, segmenter=segmenter.target)) as stack:
        up = {"SearchService": SERVING, "IngestService": SERVING}
        await becomes(stack, **up)
        segmenter.kill()
        await becomes(stack, **{**up, "IngestService": NOT_SERVING})
        found = await states(stack)
        assert found["segmenter"] == search_pb2.SERVING_STATE_UNREACHABLE
        assert found["gateway"] == search_pb2.SERVING_STATE_NOT_SERVING
        segmenter.start()
        await becomes(stack, **up)


# --- Ingest ----------------------------------------------------------------------------------


async def test_a_segmenter_killed_in_the_middle_costs_no_image(
    targets: Targets, segmenter: ServiceProcess
) -> None:
    async with gateway_over(replace(targets, segmenter=segmenter.target)) as stack:
        connection = Connection(stack)
        await connection.open()
        for sequence in range(1, 7):
            await connection.send(sequence, product(f"p{sequence}", PHOTOS[sequence - 1]))
        told = await connection.results(1)
        segmenter.kill()
        await until(lambda: stack.metric("ingest_upstream_retries_total", service="segmenter") > 1)
        segmenter.start()
        told |= await connection.results(6 - len(told))
        assert {result.state for result in told.values()} == {STORED}
        assert not any(result.image_failures for result in told.values())
        await connection.finish()
        assert await connection.end() == (grpc.StatusCode.OK, "")


async def test_an_indexer_killed_in_the_middle_loses_and_doubles_nothing(
    targets: Targets, indexer: ServiceProcess
) -> None:
    async with gateway_over(replace(targets, indexer=indexer.target)) as stack:
        connection = Connection(stack)
        await connection.open()
        for sequence in range(1, 7):
            await connection.send(sequence, product(f"p{sequence}", PHOTOS[sequence - 1]))
        told = await connection.results(1)
        indexer.kill()
        await until(lambda: stack.metric("ingest_upstream_retries_total", service="indexer") > 1)
        indexer.start()
        told |= await connection.results(6 - len(told))
        assert {result.state for result in told.values()} == {STORED}
        await connection.finish()
        assert await connection.end() == (grpc.StatusCode.OK, "")
        listed = await stack.search.ListProducts(search_pb2.ListProductsRequest())
        assert [one.product_id for one in listed.products] == [f"p{n}" for n in range(1, 7)]


async def test_a_segmenter_that_stays_away_makes_failures_that_are_taken_up_again(
    targets: Targets, segmenter: ServiceProcess
) -> None:
    sent = product("p", PHOTOS[0], b"no image")
    own = replace(targets, segmenter=segmenter.target)
    async with gateway_over(own, patience_s=0.2) as stack:
        await ingest(stack, product("other", PHOTOS[1]), stream_id="first")
        segmenter.kill()
        results = await ingest(stack, sent, run_id="one")
        assert (results[1].state, reason(results[1].status)) == (REFUSED, "NO_USABLE_IMAGE")
        assert [one[1:] for one in failures(results[1])] == [
            (product_pb2.INGEST_STAGE_SEGMENT, "UPSTREAM_UNAVAILABLE", True)
        ] * 2
        mixed = product("mixed", PHOTOS[1], PHOTOS[0])
        results = await ingest(stack, mixed, stream_id="second", run_id="one")
        assert results[1].state == STORED  # one photograph was known
        assert failures(results[1])[0][3]
        await becomes(stack, IngestService=NOT_SERVING)
        segmenter.start()
        await becomes(stack, IngestService=SERVING)
        results = await ingest(stack, sent, run_id="two")
        assert results[1].state == STORED
        assert failures(results[1]) == [
            (1, product_pb2.INGEST_STAGE_DECODE, "IMAGE_UNDECODABLE", False)
        ]
        results = await ingest(stack, mixed, stream_id="second", run_id="two")
        assert results[1].state == STORED
        assert not failures(results[1])


async def test_an_indexer_that_stays_away_ends_the_stream_which_then_goes_on(
    targets: Targets, indexer: ServiceProcess
) -> None:
    own = replace(targets, indexer=indexer.target)
    async with gateway_over(own, patience_s=0.2) as stack:
        first = Connection(stack)
        await first.open()
        await first.send(1, product("p1", PHOTOS[0]))
        await first.results(1)
        indexer.kill()
        await first.send(2, product("p2", PHOTOS[1]))
        assert await first.end() == (grpc.StatusCode.UNAVAILABLE, "UPSTREAM_UNAVAILABLE")
        await becomes(stack, IngestService=NOT_SERVING)
        indexer.start()
        await becomes(stack, IngestService=SERVING)
        second = Connection(stack)
        opened = await second.open(confirmed=1)
        assert (opened.last_durable_sequence, opened.replay_count) == (1, 0)
        await second.send(2, product("p2", PHOTOS[1]))
        assert (await second.results(1))[2].state == STORED
        await second.finish()
        assert await second.end() == (grpc.StatusCode.OK, "")


async def test_another_gateway_goes_on_where_one_stopped(targets: Targets) -> None:
    async with gateway_over(targets) as one, gateway_over(targets) as other:
        first = Connection(one)
        await first.open()
        await first.send(1, product("p1", PHOTOS[0]))
        await first.results(1)
        second = Connection(other)
        assert (await second.open()).last_durable_sequence == 1
        assert (await second.results(1))[1].replayed
        await first.send(2, product("p2", PHOTOS[1]))
        assert await first.end() == (grpc.StatusCode.ABORTED, "STREAM_FENCED")
        await second.send(2, product("p2", PHOTOS[1]))
        assert (await second.results(1))[2].state == STORED
        await second.finish()


# --- Changed models --------------------------------------------------------------------------


async def test_a_changed_segmenter_makes_another_pipeline_and_nothing_is_mixed(
    targets: Targets, segmenter: ServiceProcess, tmp_path: Path
) -> None:
    other = ServiceProcess("segmenter", tmp_path / "int8.log", port=segmenter.port, variant="int8")
    sent = product("p", PHOTOS[0])
    async with gateway_over(replace(targets, segmenter=segmenter.target)) as stack:
        await ingest(stack, sent, run_id="one")
        before = (await product_of(stack, "p")).pipeline_version
        segmenter.kill()
        with running(other):
            # Until an answer shows the other version, the gateway believes in the old one: the
            # first product is unchanged, the new photograph is what finds out.
            results = await ingest(stack, sent, product("q", PHOTOS[0], PHOTOS[1]), run_id="two")
            assert results[2].state == STORED
            after = (await product_of(stack, "q")).pipeline_version
            assert before != after
            assert "int8" in after
            results = await ingest(stack, sent, run_id="three")
            assert results[1].state == STORED
            assert (await product_of(stack, "p")).pipeline_version == after


async def test_an_index_of_another_model_refuses_products_and_the_stream_goes_on(
    targets: Targets,
) -> None:
    vector = embedding_pb2.Embedding(values_f32=struct.pack("<2f", 1.0, 0.0))
    image = product_pb2.ProductImage(
        sha256="0" * 64,
        width_px=1,
        height_px=1,
        embeddings=[
            embedding_pb2.GarmentEmbedding(garment=garment_pb2.GARMENT_UNION, embedding=vector)
        ],
    )
    record = indexer_pb2.ProductRecord(
        product=product_pb2.Product(product_id="foreign", images=[image]),
        content_digest="digest",
        pipeline_version="another",
        embedding_version="another-model",
        dimension=2,
    )
    async with open_channel(targets.indexer) as channel:
        stub = indexer_pb2_grpc.IndexerServiceStub(channel)
        answer = await stub.UpsertProducts(indexer_pb2.UpsertProductsRequest(products=[record]))
        assert not answer.statuses[0].code
    async with gateway_over(targets) as stack:
        sent = [product("p1", PHOTOS[0]), product("p2", b"no image"), product("p3", PHOTOS[1])]
        results = await ingest(stack, *sent)
        assert {result.state for result in results.values()} == {REFUSED}
        mismatch = "EMBEDDING_VERSION_MISMATCH"
        reasons = [reason(results[n].status) for n in (1, 2, 3)]
        assert reasons == [mismatch, "NO_USABLE_IMAGE", mismatch]
        results = await ingest_batch(stack, *sent)
        assert [reason(results[n].status) for n in (1, 2, 3)] == reasons
        request = search_pb2.SearchProductsRequest(parts=[search_pb2.SearchPart(text="blue")])
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await stack.search.SearchProducts(request)
        assert refusal(caught.value) == (grpc.StatusCode.FAILED_PRECONDITION, mismatch)


async def test_a_page_of_another_model_is_refused(targets: Targets) -> None:
    async with gateway_over(targets) as stack:
        await ingest(stack, *[product(f"p{n}", PHOTOS[n]) for n in range(3)])
        request = search_pb2.SearchProductsRequest(
            parts=[search_pb2.SearchPart(text="blue")], page_size=1
        )
        page = await stack.search.SearchProducts(request)
        request.page_token = page.next_page_token
        assert (await stack.search.SearchProducts(request)).results
        old = RankedPage(parse_search(request).digest, 1, "another-model")
        request.page_token = write_token(old)
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await stack.search.SearchProducts(request)
        assert refusal(caught.value) == (
            grpc.StatusCode.FAILED_PRECONDITION,
            "EMBEDDING_VERSION_MISMATCH",
        )
