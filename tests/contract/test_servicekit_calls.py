"""What every call of every service goes through, over a real server and real channels."""

import asyncio
import json
import logging
import uuid
from collections.abc import AsyncIterator, Iterator
from typing import Any

import grpc
import pytest
from grpc_health.v1.health_pb2 import HealthCheckRequest, HealthCheckResponse
from grpc_health.v1.health_pb2_grpc import HealthStub
from prometheus_client import CollectorRegistry

from servicekit import channels, errors, logs, status
from servicekit.testing import InProcess, in_process, serving
from tests.contract.echo_service import SERVICE, Echo, EchoStub


@pytest.fixture
def echo() -> Echo:
    return Echo()


@pytest.fixture
async def running(echo: Echo) -> AsyncIterator[InProcess]:
    async with in_process(echo.add_to_server) as running:
        yield running


async def ways(stub: EchoStub, request: bytes) -> list[Any]:
    """Sends one request over each of the five methods; outcomes, errors included."""

    async def requests() -> AsyncIterator[bytes]:
        yield request

    async def drain(stream: Any) -> list[bytes]:
        return [message async for message in stream]

    async def one(call: Any) -> bytes:
        return bytes(await call)

    return await asyncio.gather(
        one(stub.unary(request)),
        drain(stub.many(request)),
        drain(stub.many_by_writing(request)),
        one(stub.collect(requests())),
        drain(stub.converse(requests())),
        return_exceptions=True,
    )


def counted(registry: CollectorRegistry, name: str, **labels: str) -> float | None:
    return registry.get_sample_value(f"lookalike_test_{name}", labels)


async def test_every_kind_of_call_passes_messages_through(running: InProcess) -> None:
    token = logs.request_id.set("r1")
    try:
        outcomes = await ways(EchoStub(running.typed_channel), b"hi")
    finally:
        logs.request_id.reset(token)
    assert outcomes == [
        b"hi r1",
        [b"first", b"hi r1"],
        [b"first", b"hi r1"],
        b"hi r1",
        [b"hi r1"],
    ]


async def test_a_typed_error_arrives_as_it_was_raised_from_every_kind_of_call(
    running: InProcess,
) -> None:
    for request in (b"typed", b"group"):
        for error in await ways(EchoStub(running.typed_channel), request):
            assert isinstance(error, errors.ResourceExhausted)
            assert (error.message, error.reason, error.retry_after_s) == ("full", "QUEUE_FULL", 0.5)


async def test_a_bug_tells_the_caller_nothing_but_a_request_id_and_the_log_everything(
    running: InProcess, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO):
        outcomes = await ways(EchoStub(running.channel), b"bug")
    for error in outcomes:
        assert isinstance(error, grpc.aio.AioRpcError)
        assert error.code() is grpc.StatusCode.INTERNAL
        assert error.details() == status.INTERNAL_TEXT
        assert "secret" not in repr(error)
        typed = status.from_rpc_error(error)
        assert typed.reason == "INTERNAL"
        trailers = dict(error.trailing_metadata())
        assert typed.metadata == {"request_id": trailers["x-request-id"]}

    def failed() -> list[logging.LogRecord]:
        return [record for record in caplog.records if record.levelno == logging.ERROR]

    # The caller of a stream may know before the log does.
    for _ in range(500):
        if len(failed()) == len(outcomes):
            break
        await asyncio.sleep(0.01)
    failures = failed()
    assert len(failures) == len(outcomes)
    assert all("/secret" in str(record.exc_info) for record in failures)


async def test_a_leaked_cancellation_is_a_bug_and_not_silence(running: InProcess) -> None:
    for error in await ways(EchoStub(running.typed_channel), b"leak"):
        assert isinstance(error, errors.Internal)


async def test_what_a_handler_aborts_by_hand_is_left_alone(running: InProcess) -> None:
    for error in await ways(EchoStub(running.channel), b"abort"):
        assert isinstance(error, grpc.aio.AioRpcError)
        assert (error.code(), error.details()) == (grpc.StatusCode.ABORTED, "by hand")


async def test_an_unknown_method_is_a_typed_error(running: InProcess) -> None:
    stub = EchoStub(running.typed_channel)
    for call in (stub.missing(b""), stub.unary(b"unimplemented")):
        with pytest.raises(errors.Unimplemented) as caught:
            await call
        assert caught.value.reason == "NOT_SUPPORTED"


async def test_a_request_id_comes_back_and_an_ugly_one_is_replaced(running: InProcess) -> None:
    async def sent_and_returned(sent: str | None, request: bytes) -> str:
        metadata = () if sent is None else (("x-request-id", sent),)
        call = EchoStub(running.channel).unary(request, metadata=metadata)
        trailers = dict(await call.trailing_metadata())
        return str(trailers["x-request-id"])

    for request in (b"hi", b"typed"):
        assert await sent_and_returned("abc-1", request) == "abc-1"
        for ugly in (None, 'a"b', "x" * 65, ""):
            uuid.UUID(hex=await sent_and_returned(ugly, request))


async def test_trailers_set_by_the_handler_survive_an_error(running: InProcess) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await EchoStub(running.channel).unary(b"trailer", metadata=(("x-request-id", "r"),))
    trailers = dict(caught.value.trailing_metadata())
    assert trailers["x-extra"] == "1"
    assert trailers["x-request-id"] == "r"
    assert status.from_rpc_error(caught.value).reason == "PRODUCT_NOT_FOUND"


async def test_a_request_id_given_by_hand_is_not_doubled(running: InProcess) -> None:
    token = logs.request_id.set("context")
    try:
        reply = await EchoStub(running.typed_channel).unary(
            b"hi", metadata=(("x-request-id", "hand"),)
        )
    finally:
        logs.request_id.reset(token)
    assert reply == b"hi hand"


async def test_one_log_line_per_call(running: InProcess, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "servicekit.rpc"):
        await ways(EchoStub(running.channel), b"typed")
    lines = [vars(record) for record in caplog.records]
    assert sorted(line["method"] for line in lines) == sorted(
        f"{SERVICE}/{name}" for name in ("Unary", "Many", "ManyByWriting", "Collect", "Converse")
    )
    for line in lines:
        assert (line["code"], line["reason"]) == ("RESOURCE_EXHAUSTED", "QUEUE_FULL")
        assert line["latency_ms"] >= 0
        assert line["peer"].startswith("ipv4:127.0.0.1")


async def test_a_caller_that_goes_away_cancels_the_handler(
    running: InProcess, echo: Echo, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, "servicekit.rpc"):
        call = asyncio.ensure_future(EchoStub(running.typed_channel).unary(b"wait"))
        await echo.started.wait()
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        await echo.cancelled.wait()
        await asyncio.sleep(0)
    assert [vars(record)["code"] for record in caplog.records] == ["CANCELLED"]
    assert counted(running.metrics.registry, "rpc_in_flight", method="unknown") == 0


async def test_a_deadline_is_a_typed_error(running: InProcess, echo: Echo) -> None:
    with pytest.raises(errors.DeadlineExceeded) as caught:
        await EchoStub(running.typed_channel).unary(b"wait", timeout=0.02)
    assert caught.value.reason == "DEADLINE_PASSED"
    await echo.cancelled.wait()


async def test_a_call_without_a_deadline_gets_the_channels(running: InProcess) -> None:
    async with channels.open_channel(running.target, default_timeout_s=0.02) as channel:
        with pytest.raises(errors.DeadlineExceeded):
            await EchoStub(channel).unary(b"wait")


async def test_a_service_that_is_not_there_is_unavailable(running: InProcess) -> None:
    await running.server.stop(None)
    with pytest.raises(errors.Unavailable) as caught:
        await EchoStub(running.typed_channel).unary(b"hi")
    assert caught.value.reason == "UPSTREAM_UNAVAILABLE"


async def test_a_message_over_the_limit_is_a_typed_error(echo: Echo) -> None:
    async with in_process(echo.add_to_server, max_message_bytes=1000) as running:
        with pytest.raises(errors.ResourceExhausted) as caught:
            await EchoStub(running.typed_channel).unary(b"x" * 2000)
        assert caught.value.reason == "MESSAGE_TOO_LARGE"
        assert not caught.value.retryable
        assert (await EchoStub(running.typed_channel).unary(b"x")).startswith(b"x ")


async def test_a_stream_that_the_other_side_cancels_is_no_cancellation_of_ours(
    running: InProcess, echo: Echo
) -> None:
    stream = EchoStub(running.typed_channel).many(b"wait")
    assert await stream.read() == b"first"
    await echo.started.wait()
    stopping = asyncio.create_task(running.server.stop(None))
    with pytest.raises(errors.Unavailable):
        await stream.read()
    await stopping


async def test_a_call_that_the_other_side_cancels_is_unavailable(
    running: InProcess, echo: Echo
) -> None:
    call = asyncio.ensure_future(EchoStub(running.typed_channel).unary(b"wait"))
    await echo.started.wait()
    stopping = asyncio.create_task(running.server.stop(None))
    with pytest.raises(errors.Unavailable) as caught:
        await call
    assert caught.value.reason == "UPSTREAM_UNAVAILABLE"
    await stopping


async def test_a_stream_cancelled_by_hand_raises_a_cancellation(
    running: InProcess, echo: Echo
) -> None:
    stream = EchoStub(running.typed_channel).many(b"wait")
    assert await stream.read() == b"first"
    stream.cancel()
    with pytest.raises(asyncio.CancelledError):
        await stream.read()


async def test_leaving_a_stream_early_cancels_it(running: InProcess, echo: Echo) -> None:
    stream = aiter(EchoStub(running.typed_channel).many(b"wait"))
    assert await anext(stream) == b"first"
    await echo.started.wait()
    await stream.aclose()
    await echo.cancelled.wait()


async def test_what_breaks_the_senders_own_messages_is_what_it_sees(running: InProcess) -> None:
    def requests() -> Iterator[bytes]:
        yield b"hi"
        raise ZeroDivisionError

    stub = EchoStub(running.typed_channel)
    with pytest.raises(ZeroDivisionError):
        await stub.collect(requests())
    with pytest.raises(ZeroDivisionError):
        async for _ in stub.converse(requests()):
            pass


async def test_a_conversation_can_be_written_and_read_by_hand(running: InProcess) -> None:
    stream = EchoStub(running.typed_channel).converse(metadata=(("x-request-id", "r"),))
    for message in (b"a", b"b"):
        await stream.write(message)
        assert await stream.read() == message + b" r"
    await stream.done_writing()
    assert await stream.read() is grpc.aio.EOF
    assert dict(await stream.trailing_metadata())["x-request-id"] == "r"


async def test_reads_are_repeated_while_a_service_restarts(echo: Echo) -> None:
    calls = 0

    async def flaky(request: bytes, context: Any) -> bytes:
        nonlocal calls
        calls += 1
        if calls < 3:
            raise errors.Unavailable("restarting", reason="WARMING_UP")
        return b"done"

    def add(server: grpc.aio.Server) -> None:
        handlers = {name: grpc.unary_unary_rpc_method_handler(flaky) for name in ("Get", "Set")}
        server.add_generic_rpc_handlers(
            (grpc.method_handlers_generic_handler("test.v1.Flaky", handlers),)
        )

    async with (
        in_process(add) as running,
        channels.open_channel(running.target, retry_reads=["test.v1.Flaky/Get"]) as channel,
    ):
        assert await channel.unary_unary("/test.v1.Flaky/Get")(b"") == b"done"
        assert calls == 3
        calls = 0
        with pytest.raises(errors.Unavailable):
            await channel.unary_unary("/test.v1.Flaky/Set")(b"")
        assert calls == 1


async def test_upstream_calls_get_the_callers_deadline_minus_a_margin() -> None:
    seen: list[float] = []

    async def handle(request: bytes, context: Any) -> bytes:
        seen.append(channels.remaining(context, 1.0, at_most_s=50.0))
        deadline = channels.deadline(context, 1.0)
        seen.append(-1.0 if deadline is None else deadline)
        return b""

    def add(server: grpc.aio.Server) -> None:
        handlers = {"Call": grpc.unary_unary_rpc_method_handler(handle)}
        server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("t.S", handlers),))

    async with serving(add) as channel:
        call = channel.unary_unary("/t.S/Call")
        await call(b"")
        assert seen == [50.0, -1.0]
        await call(b"", timeout=1000.0)
        assert seen[2] == 50.0
        await call(b"", timeout=20.0)
        # gRPC rounds a timeout up on the wire, by less than a hundredth.
        assert 0 < seen[4] <= 19.2
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await call(b"", timeout=0.9)
        assert caught.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED


async def test_calls_are_refused_while_warming_and_draining_and_health_still_answers(
    echo: Echo,
) -> None:
    async def refusals(stub: EchoStub) -> set[tuple[str, float | None]]:
        outcomes = await ways(stub, b"hi")
        assert all(isinstance(error, errors.Unavailable) for error in outcomes)
        return {(error.reason, error.retry_after_s) for error in outcomes}

    async with in_process(echo.add_to_server, ready=False) as running:
        stub = EchoStub(running.typed_channel)
        check = HealthStub(running.channel).Check
        assert await refusals(stub) == {("WARMING_UP", 1.0)}
        assert (await check(HealthCheckRequest())).status == HealthCheckResponse.NOT_SERVING
        running.health.ready()
        assert (await stub.unary(b"hi")).startswith(b"hi")
        assert (await check(HealthCheckRequest())).status == HealthCheckResponse.SERVING
        running.health.drain()
        assert await refusals(stub) == {("DRAINING", 1.0)}
        assert (await check(HealthCheckRequest())).status == HealthCheckResponse.NOT_SERVING


def test_a_log_line_is_one_json_object() -> None:
    formatter = logs.JsonFormatter("test")
    record = logging.makeLogRecord(
        {
            "name": "n",
            "levelname": "INFO",
            "msg": "two\nlines",
            "image": b"\x00" * 5000,
            "nested": {"vector": range(512)},
            "text": "x" * 5000,
            "exc_info": (ValueError, ValueError("why"), None),
        }
    )
    token = logs.request_id.set("r1")
    try:
        text = formatter.format(record)
    finally:
        logs.request_id.reset(token)
    assert "\n" not in text
    line = json.loads(text)
    assert (line["message"], line["request_id"], line["service"]) == ("two\nlines", "r1", "test")
    assert line["image"] == "<bytes of 5000>"
    assert line["nested"] == {"vector": "<range of 512>"}
    assert len(line["text"]) < 2100
    assert "ValueError: why" in line["exception"]
