"""The map of the catalogue through the gateway: the indexer's own, piece by piece."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import psutil
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from lookalike.gateway.v1 import map_pb2, map_pb2_grpc
from lookalike.indexer.v1 import indexer_pb2, indexer_pb2_grpc
from lookalike.indexer.v1 import map_pb2 as indexer_map_pb2
from lookalike.indexer.v1 import map_pb2_grpc as indexer_map_pb2_grpc
from lookalike.type.v1 import map_pb2 as type_pb2
from servicekit.channels import open_channel
from tests.contract.gateway.stack import (
    ServiceProcess,
    Stack,
    Targets,
    gateway_over,
    indexer_over,
    refusal,
    running,
    until,
)
from tests.contract.indexer_under_test import record, unit

NOWHERE = "127.0.0.1:1"


@pytest.fixture
async def indexer(tmp_path: Path) -> AsyncIterator[str]:
    """An indexer of twelve products."""
    async with indexer_over(tmp_path / "index") as target, open_channel(target) as channel:
        index: Any = indexer_pb2_grpc.IndexerServiceStub(channel)
        vectors = np.random.default_rng(3).standard_normal((12, 8))
        records = [record(f"{n:02}", unit(*one), colour="red") for n, one in enumerate(vectors)]
        await index.UpsertProducts(indexer_pb2.UpsertProductsRequest(products=records))
        yield target


@pytest.fixture
async def stack(indexer: str) -> AsyncIterator[Stack]:
    """A gateway over it alone: a map needs no model."""
    async with gateway_over(Targets(NOWHERE, NOWHERE, indexer)) as stack:
        yield stack


def stub_of(stack: Stack) -> Any:
    return map_pb2_grpc.MapServiceStub(stack.served.channel)


async def read(stack: Stack, known_map_id: str = "") -> list[map_pb2.GetMapResponse]:
    request = map_pb2.GetMapRequest(known_map_id=known_map_id)
    return [message async for message in stub_of(stack).GetMap(request)]


async def build(stack: Stack, **options: Any) -> list[map_pb2.BuildMapResponse]:
    call = stub_of(stack).BuildMap(map_pb2.BuildMapRequest(), **options)
    return [message async for message in call]


async def test_a_map_is_built_and_read_as_the_indexer_has_it(stack: Stack, indexer: str) -> None:
    told = await build(stack)
    assert [one.HasField("header") for one in told] == [False] * (len(told) - 1) + [True]
    assert told[-1].stage == type_pb2.MAP_STAGE_STORED
    first, *others = await read(stack)
    assert first.header == told[-1].header
    assert first.header.product_count == 12
    assert first.header.create_time.seconds > 0
    assert await read(stack, first.header.map_id) == [first]
    async with open_channel(indexer) as channel:
        theirs_stub: Any = indexer_map_pb2_grpc.MapServiceStub(channel)
        call = theirs_stub.GetMap(indexer_map_pb2.GetMapRequest())
        theirs = [message.SerializeToString() async for message in call]
    # The two contracts have the same shape, number by number.
    assert [one.SerializeToString() for one in (first, *others)] == theirs


async def test_what_the_indexer_refuses_is_refused_alike(stack: Stack, tmp_path: Path) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as error:
        await read(stack)
    assert refusal(error.value) == (grpc.StatusCode.NOT_FOUND, "MAP_NOT_FOUND")
    async with (
        indexer_over(tmp_path / "empty") as indexer,
        gateway_over(Targets(NOWHERE, NOWHERE, indexer)) as empty,
    ):
        with pytest.raises(grpc.aio.AioRpcError) as error:
            await build(empty)
    assert refusal(error.value) == (grpc.StatusCode.FAILED_PRECONDITION, "MAP_TOO_SMALL")


async def test_a_caller_without_patience_leaves_and_the_build_goes_on(stack: Stack) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as error:
        await build(stack, timeout=0.1)
    assert error.value.code() == grpc.StatusCode.DEADLINE_EXCEEDED
    assert (await build(stack))[-1].header.product_count == 12


async def test_an_indexer_that_dies_in_the_middle_is_told_as_away(tmp_path: Path) -> None:
    indexer = ServiceProcess("indexer", tmp_path / "log", data_dir=str(tmp_path / "index"))
    with running(indexer):
        async with gateway_over(Targets(NOWHERE, NOWHERE, indexer.target)) as stack:
            async with open_channel(indexer.target) as channel:
                index: Any = indexer_pb2_grpc.IndexerServiceStub(channel)
                vectors = np.random.default_rng(3).standard_normal((1000, 8))
                records = [record(f"{n:04}", unit(*one)) for n, one in enumerate(vectors)]
                await index.UpsertProducts(indexer_pb2.UpsertProductsRequest(products=records))
            call = stub_of(stack).BuildMap(map_pb2.BuildMapRequest())
            async for told in call:
                if told.stage == type_pb2.MAP_STAGE_LAYOUT:
                    break
            [drawing] = (
                process
                for process in psutil.Process().children(recursive=True)
                if "services.indexer.drawing" in process.cmdline()
            )
            indexer.kill()
            with pytest.raises(grpc.aio.AioRpcError) as error:
                _ = [message async for message in call]
            assert refusal(error.value) == (grpc.StatusCode.UNAVAILABLE, "UPSTREAM_UNAVAILABLE")
            # Nobody is left to draw for.
            _, alive = await asyncio.to_thread(psutil.wait_procs, [drawing], timeout=60)
            assert not alive


async def test_the_map_needs_no_model_to_be_healthy(stack: Stack) -> None:
    reporter = stack.gateway.health
    await until(lambda: reporter.status_of("lookalike.gateway.v1.MapService") == 1)
    stub = health_pb2_grpc.HealthStub(stack.served.channel)
    answer = await stub.Check(health_pb2.HealthCheckRequest())
    assert answer.status == health_pb2.HealthCheckResponse.NOT_SERVING
