"""For tests: real servers in this process, on free ports."""

import socket
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass

import grpc

from servicekit.channels import TypedChannel, open_channel
from servicekit.health import HealthReporter
from servicekit.metrics import ServiceMetrics
from servicekit.server import AddServices, build_server


def free_port() -> int:
    """A port of 127.0.0.1 that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass(frozen=True, slots=True)
class InProcess:
    """A running server and two ways to call it.

    Attributes:
      target: `host:port`.
      channel: plain grpc.aio; calls raise grpc.aio.AioRpcError.
      typed_channel: as services use it; calls raise LookalikeError.
    """

    target: str
    channel: grpc.aio.Channel
    typed_channel: TypedChannel
    server: grpc.aio.Server
    health: HealthReporter
    metrics: ServiceMetrics


@asynccontextmanager
async def in_process(
    add_services: AddServices,
    *,
    full_service_names: Iterable[str] = (),
    service_name: str = "test",
    health: HealthReporter | None = None,
    metrics: ServiceMetrics | None = None,
    max_message_bytes: int = 64 * 1024 * 1024,
    ready: bool = True,
) -> AsyncIterator[InProcess]:
    """Runs servicers behind the same interceptors as in production."""
    names = tuple(full_service_names)
    health = health or HealthReporter(names)
    metrics = metrics or ServiceMetrics(service_name, names)
    server = build_server(
        add_services=add_services,
        full_service_names=names,
        health_reporter=health,
        metrics=metrics,
        max_message_bytes=max_message_bytes,
    )
    target = f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
    await server.start()
    health.start()
    if ready:
        health.ready()
    options = (
        ("grpc.enable_http_proxy", 0),
        ("grpc.max_send_message_length", -1),
        ("grpc.max_receive_message_length", -1),
    )
    try:
        async with (
            grpc.aio.insecure_channel(target, options=options) as channel,
            open_channel(target) as typed_channel,
        ):
            yield InProcess(target, channel, typed_channel, server, health, metrics)
    finally:
        await health.stop()
        await server.stop(None)


@asynccontextmanager
async def serving(
    add_services: AddServices, *, full_service_names: Iterable[str] = ()
) -> AsyncIterator[grpc.aio.Channel]:
    """in_process() for tests that need nothing but a plain channel."""
    async with in_process(add_services, full_service_names=full_service_names) as running:
        yield running.channel
