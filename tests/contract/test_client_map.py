"""The client's map: the SDK and `lookalike map`, against a gateway that breaks off."""

import asyncio
import json

import grpc
import pytest

from lookalike_client import (
    AsyncLookalike,
    FailedPrecondition,
    Lookalike,
    MapPoint,
    MapStage,
    NotFound,
)
from lookalike_client.cli.main import run
from tests.contract.client_gateway_twin import GatewayTwin, server, twin

__all__ = ["server", "twin"]


async def test_a_map_is_read_point_by_point(server: str) -> None:
    async with AsyncLookalike(server) as client:
        found = await client.map.read()
        assert await client.map.read(known_map_id="1") is None
    assert found is not None
    assert found.points == (MapPoint("a", 32767 / 65535, 0.0, None),)
    assert found.header.clusters[0].words == ("red", "skirts")
    assert json.loads(json.dumps(found.to_dict()))["points"][0]["product_id"] == "a"


async def test_a_gateway_that_goes_away_is_asked_for_the_map_again(
    twin: GatewayTwin, server: str
) -> None:
    twin.call_faults = [(grpc.StatusCode.UNAVAILABLE, "DRAINING")]
    async with AsyncLookalike(server) as client:
        assert await client.map.read() is not None


async def test_a_build_that_breaks_off_is_followed_again(twin: GatewayTwin, server: str) -> None:
    twin.breaking = 2
    async with AsyncLookalike(server) as client:
        told = [one async for one in client.map.build()]
    assert [one.fraction for one in told] == [0.25, 0.25, 0.25, 0.75, 1]
    assert [one.header is not None for one in told] == [False] * 4 + [True]
    assert told[-1].stage is MapStage.STORED


async def test_a_build_that_takes_longer_than_any_call_may_is_followed_again(
    twin: GatewayTwin, server: str
) -> None:
    twin.call_faults = [(grpc.StatusCode.DEADLINE_EXCEEDED, "DEADLINE_PASSED")]
    async with AsyncLookalike(server) as client:
        told = [one async for one in client.map.build()]
    assert told[-1].stage is MapStage.STORED


async def test_what_waiting_does_not_mend_is_raised_at_once(twin: GatewayTwin, server: str) -> None:
    twin.call_faults = [
        (grpc.StatusCode.FAILED_PRECONDITION, "MAP_TOO_SMALL"),
        (grpc.StatusCode.NOT_FOUND, "MAP_NOT_FOUND"),
    ]
    async with AsyncLookalike(server) as client:
        with pytest.raises(FailedPrecondition) as small:
            _ = [one async for one in client.map.build()]
        with pytest.raises(NotFound) as missing:
            await client.map.read()
    assert (small.value.reason, missing.value.reason) == ("MAP_TOO_SMALL", "MAP_NOT_FOUND")
    assert len(twin.requests) == 2


async def test_the_client_without_an_event_loop_does_the_same(server: str) -> None:
    def use() -> tuple[int, int]:
        with Lookalike(server) as client:
            told = list(client.map.build())
            found = client.map.read()
            assert found is not None
            return len(told), len(found.points)

    assert await asyncio.to_thread(use) == (3, 1)


async def test_the_command_builds_and_shows(
    server: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert await asyncio.to_thread(run, ["--server", server, "map", "build"]) == 0
    assert " 25%  finding a place for each" in capsys.readouterr().err
    assert await asyncio.to_thread(run, ["--server", server, "map", "show"]) == 0
    printed = capsys.readouterr()
    assert "red, skirts" in printed.out
    assert "0.50, 0.25" in printed.out
    assert await asyncio.to_thread(run, ["--server", server, "--json", "map", "show"]) == 0
    assert json.loads(capsys.readouterr().out)["header"]["map_id"] == "1"


async def test_the_command_says_that_there_is_no_map(
    twin: GatewayTwin, server: str, capsys: pytest.CaptureFixture[str]
) -> None:
    twin.call_faults = [(grpc.StatusCode.NOT_FOUND, "MAP_NOT_FOUND")]
    assert await asyncio.to_thread(run, ["--server", server, "map", "show"]) == 1
    assert "MAP_NOT_FOUND" in capsys.readouterr().err
