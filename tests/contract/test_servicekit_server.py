"""A service as a process: it starts, says where it listens, drains, and ends with a reason."""

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import grpc
import httpx
import pytest
from grpc_health.v1.health_pb2 import HealthCheckRequest, HealthCheckResponse
from grpc_health.v1.health_pb2_grpc import HealthStub
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from servicekit import errors
from servicekit.channels import TypedChannel, open_channel
from servicekit.testing import free_port
from tests.contract.echo_main import SERVICE
from tests.contract.echo_service import EchoStub

ROOT = Path(__file__).parents[2]


class Process:
    """The echo service, and the lines of its log read so far."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self.lines: list[dict[str, Any]] = []

    async def line(self, message: str) -> dict[str, Any]:
        """Reads on until a line with this message."""
        assert self.process.stderr is not None
        while text := await self.process.stderr.readline():
            self.lines.append(json.loads(text))
            if self.lines[-1]["message"] == message:
                return self.lines[-1]
        raise AssertionError(f"no line says {message!r}: {self.lines}")

    async def ended(self) -> tuple[int, list[dict[str, Any]]]:
        assert self.process.stderr is not None
        async for text in self.process.stderr:
            self.lines.append(json.loads(text))
        return await self.process.wait(), self.lines


@asynccontextmanager
async def echo_process(**settings: object) -> AsyncIterator[Process]:
    env = {**os.environ, **{f"ECHO_{name.upper()}": str(v) for name, v in settings.items()}}
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "tests.contract.echo_main",
        env=env,
        cwd=ROOT,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        yield Process(process)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


@asynccontextmanager
async def connected(listening: dict[str, Any]) -> AsyncIterator[TypedChannel]:
    async with open_channel(f"{listening['host']}:{listening['port']}") as channel:
        await channel.channel_ready()
        yield channel


async def until_serving(channel: grpc.aio.Channel) -> AsyncIterator[int]:
    statuses = HealthStub(channel).Watch(HealthCheckRequest(service=SERVICE))
    async for answer in statuses:
        yield answer.status


async def test_a_service_listens_on_loopback_with_health_reflection_and_metrics() -> None:
    async with echo_process() as echo:
        listening = await echo.line("listening")
        assert listening["host"] == "127.0.0.1"
        async with connected(listening) as channel:
            async for status in until_serving(channel):
                if status == HealthCheckResponse.SERVING:
                    break
            assert (await EchoStub(channel).unary(b"hi")).startswith(b"hi ")
            request = reflection_pb2.ServerReflectionRequest(list_services="")
            stub = reflection_pb2_grpc.ServerReflectionStub(channel)
            async for answer in stub.ServerReflectionInfo(iter([request])):
                listed = {service.name for service in answer.list_services_response.service}
                assert {SERVICE, "grpc.health.v1.Health"} <= listed
            async with httpx.AsyncClient(trust_env=False) as client:
                page = await client.get(f"http://127.0.0.1:{listening['metrics']}/metrics")
            assert "lookalike_echo_serving 1.0" in page.text
            assert "lookalike_echo_rpc_handled_total" in page.text
        echo.process.send_signal(signal.SIGTERM)
        code, lines = await echo.ended()
        assert code == 0
        assert lines[-1]["message"] == "stopped"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_lets_the_call_in_flight_finish(number: signal.Signals) -> None:
    async with echo_process(drain_s=60) as echo, connected(await echo.line("listening")) as channel:
        await echo.line("health is SERVING")
        # The handler waits until on_drain lets it go.
        stream = EchoStub(channel).many(b"wait")
        assert await stream.read() == b"first"
        echo.process.send_signal(number)
        assert (await stream.read()).startswith(b"wait")
        assert await stream.read() is grpc.aio.EOF
        code, _ = await echo.ended()
        assert code == 0


async def test_a_second_signal_ends_the_waiting() -> None:
    async with echo_process(drain_s=3600) as echo:
        async with connected(await echo.line("listening")) as channel:
            await echo.line("health is SERVING")
            stream = EchoStub(channel).converse()
            await stream.write(b"a")
            await stream.read()
            echo.process.send_signal(signal.SIGTERM)
            await echo.line("health is NOT_SERVING")
            echo.process.send_signal(signal.SIGTERM)
            with pytest.raises(errors.LookalikeError):
                await stream.read()
            code, _ = await echo.ended()
        assert code == 0


async def test_a_call_that_outlives_the_grace_is_cancelled() -> None:
    async with (
        echo_process(drain_s=0.05) as echo,
        connected(await echo.line("listening")) as channel,
    ):
        await echo.line("health is SERVING")
        stream = EchoStub(channel).converse()
        await stream.write(b"a")
        await stream.read()
        echo.process.send_signal(signal.SIGTERM)
        with pytest.raises(errors.LookalikeError) as caught:
            await stream.read()
        assert caught.value.retryable
        code, _ = await echo.ended()
        assert code == 0


async def test_an_idle_watcher_of_health_does_not_hold_up_the_end() -> None:
    async with echo_process(drain_s=3600) as echo:
        async with connected(await echo.line("listening")) as channel:
            await echo.line("health is SERVING")
            seen: list[int] = []
            async for status in until_serving(channel):
                seen.append(status)
                if len(seen) == 1:
                    echo.process.send_signal(signal.SIGTERM)
            assert seen == [HealthCheckResponse.SERVING, HealthCheckResponse.NOT_SERVING]
        code, _ = await echo.ended()
        assert code == 0


async def test_a_signal_during_the_warm_up_ends_it() -> None:
    async with echo_process(warm_up="endless") as echo:
        async with connected(await echo.line("listening")) as channel:
            with pytest.raises(errors.Unavailable) as caught:
                await EchoStub(channel).unary(b"hi")
            assert caught.value.reason == "WARMING_UP"
        echo.process.send_signal(signal.SIGTERM)
        code, _ = await echo.ended()
        assert code == 0


async def test_a_warm_up_that_fails_ends_the_process_with_its_cause() -> None:
    async with echo_process(warm_up="broken") as echo:
        code, lines = await echo.ended()
    assert code == 1
    [failure] = [line for line in lines if line["level"] == "CRITICAL"]
    assert "no weights" in failure["exception"]


@pytest.mark.parametrize("which", ["port", "metrics_port"])
async def test_a_taken_port_is_one_sentence_and_exit_status_1(which: str) -> None:
    async with echo_process() as first:
        listening = await first.line("listening")
        taken = listening["port" if which == "port" else "metrics"]
        async with echo_process(**{which: taken}) as second:
            code, lines = await second.ended()
    assert code == 1
    [failure] = [line for line in lines if line["level"] == "CRITICAL"]
    assert failure["message"].startswith(f"Cannot listen on 127.0.0.1:{taken}")
    assert "exception" not in failure


async def test_wrong_settings_are_sentences_and_exit_status_1() -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "tests.contract.echo_main",
        env={**os.environ, "ECHO_PORT": "x", "ECHO_DRAIN_S": "-1"},
        cwd=ROOT,
        stderr=asyncio.subprocess.PIPE,
    )
    _, told = await process.communicate()
    assert process.returncode == 1
    assert told.decode().splitlines() == [
        "ECHO_PORT must be a whole number from 0 to 65535, not 'x'.",
        "ECHO_DRAIN_S must be a number from 0 to 3600, not '-1'.",
    ]


def test_free_ports_are_free() -> None:
    assert 1024 <= free_port() <= 65535
