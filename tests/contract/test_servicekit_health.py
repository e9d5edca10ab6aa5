"""Health is true: it follows what is checked, and every watcher hears of it."""

import asyncio
from collections.abc import AsyncIterator

import grpc
import pytest
from grpc_health.v1.health_pb2 import (
    HealthCheckRequest,
    HealthCheckResponse,
    HealthListRequest,
)
from grpc_health.v1.health_pb2_grpc import HealthStub

from servicekit import errors
from servicekit.health import HealthReporter, upstream_check
from servicekit.testing import InProcess, in_process
from tests.contract.echo_service import SERVICE, Echo

SERVING = HealthCheckResponse.SERVING
NOT_SERVING = HealthCheckResponse.NOT_SERVING


@pytest.fixture
def health() -> HealthReporter:
    return HealthReporter([SERVICE], poll_s=0.005, timeout_s=0.2)


@pytest.fixture
async def running(health: HealthReporter) -> AsyncIterator[InProcess]:
    async with in_process(Echo().add_to_server, health=health, ready=False) as running:
        yield running


class Dependency:
    """Something that can be up, down, or silent."""

    def __init__(self) -> None:
        self.state = "up"

    async def check(self) -> None:
        if self.state == "down":
            raise errors.Unavailable("the database is away", reason="UPSTREAM_UNAVAILABLE")
        if self.state == "broken":
            raise ZeroDivisionError("by zero")
        if self.state == "silent":
            await asyncio.sleep(3600)


def watch(running: InProcess, service: str = "") -> AsyncIterator[int]:
    async def statuses() -> AsyncIterator[int]:
        request = HealthCheckRequest(service=service)
        async for answer in HealthStub(running.channel).Watch(request):
            yield answer.status

    return statuses()


async def test_a_service_serves_once_it_is_ready(running: InProcess) -> None:
    statuses = watch(running)
    assert await anext(statuses) == NOT_SERVING
    running.health.ready()
    assert await anext(statuses) == SERVING
    assert running.health.serving


async def test_health_follows_a_check_down_and_up_again() -> None:
    dependency = Dependency()
    health = HealthReporter([SERVICE], poll_s=0.005, timeout_s=0.05)
    health.add_check("database", dependency.check)
    assert health.failures == {"database": "not checked yet"}
    async with in_process(Echo().add_to_server, health=health) as running:
        statuses = watch(running, SERVICE)
        while await anext(statuses) != SERVING:
            pass
        for state, why in [
            ("down", "the database is away"),
            ("broken", "ZeroDivisionError: by zero"),
            ("silent", "no answer within 0.05 s"),
        ]:
            dependency.state = state
            assert await anext(statuses) == NOT_SERVING
            assert health.failures == {"database": why}
            dependency.state = "up"
            assert await anext(statuses) == SERVING
            assert health.failures == {}


async def test_health_follows_a_workers_property() -> None:
    alive = [True]
    health = HealthReporter([SERVICE], poll_s=0.005)
    health.add_probe("worker", lambda: alive[0], "the worker died")
    async with in_process(Echo().add_to_server, health=health) as running:
        statuses = watch(running)
        while await anext(statuses) != SERVING:
            pass
        alive[0] = False
        assert await anext(statuses) == NOT_SERVING
        assert health.failures == {"worker": "the worker died"}


async def test_health_follows_a_condition_set_by_hand(running: InProcess) -> None:
    running.health.ready()
    statuses = watch(running)
    assert await anext(statuses) == SERVING
    running.health.set("model", False, "out of memory")
    assert await anext(statuses) == NOT_SERVING
    running.health.set("model", True)
    assert await anext(statuses) == SERVING


async def test_draining_is_for_good_and_ends_the_watchers(running: InProcess) -> None:
    running.health.ready()
    statuses = watch(running)
    assert await anext(statuses) == SERVING
    running.health.drain()
    assert await anext(statuses) == NOT_SERVING
    running.health.ready()
    assert not running.health.serving
    await running.health.stop()
    with pytest.raises(StopAsyncIteration):
        await anext(statuses)


async def test_names_that_are_not_served_here_are_unknown(running: InProcess) -> None:
    stub = HealthStub(running.channel)
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await stub.Check(HealthCheckRequest(service="other.v1.Other"))
    assert caught.value.code() is grpc.StatusCode.NOT_FOUND
    assert await anext(watch(running, "other.v1.Other")) == HealthCheckResponse.SERVICE_UNKNOWN


async def test_all_names_are_listed(running: InProcess) -> None:
    running.health.ready()
    listed = await HealthStub(running.channel).List(HealthListRequest())
    assert {name: answer.status for name, answer in listed.statuses.items()} == {
        "": SERVING,
        SERVICE: SERVING,
    }


async def test_a_watcher_that_does_not_read_holds_nobody_up(running: InProcess) -> None:
    lazy = HealthStub(running.channel).Watch(HealthCheckRequest())
    await lazy.read()
    eager = watch(running)
    assert await anext(eager) == NOT_SERVING
    running.health.ready()
    for _ in range(200):
        running.health.set("model", False)
        running.health.set("model", True)
    assert await anext(eager) in (SERVING, NOT_SERVING)
    assert (await HealthStub(running.channel).Check(HealthCheckRequest())).status == SERVING


async def test_an_upstream_that_does_not_serve_fails_the_check(running: InProcess) -> None:
    for channel in (running.channel, running.typed_channel):
        check = upstream_check(channel, SERVICE)
        running.health.set("model", True)
        with pytest.raises(errors.Unavailable, match=f"{SERVICE} is not serving"):
            await check()
    running.health.ready()
    await check()
    await running.server.stop(None)
    with pytest.raises(errors.Unavailable):
        await check()


async def test_listeners_hear_the_state_now_and_every_change(health: HealthReporter) -> None:
    heard: list[bool] = []
    health.on_change(heard.append)
    health.ready()
    health.set("model", True)
    health.set("model", False)
    health.set("store", False)
    health.drain()
    assert heard == [False, True, False]
