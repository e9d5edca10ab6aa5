"""Running a service: one gRPC server, its health and metrics, and an end in good order."""

import asyncio
import contextlib
import logging
import signal
import socket
import sys
import time
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Iterator
from typing import Any, NoReturn

import grpc
import uvloop
from grpc_health.v1 import health
from grpc_reflection.v1alpha import reflection

from servicekit.config import ConfigError, ServerConfig
from servicekit.errors import LookalikeError
from servicekit.health import HealthReporter
from servicekit.interceptors import CallInterceptor
from servicekit.metrics import MetricsPage, ServiceMetrics

_log = logging.getLogger(__name__)

AddServices = Callable[[grpc.aio.Server], None]


def build_server(
    *,
    add_services: AddServices,
    full_service_names: Iterable[str],
    health_reporter: HealthReporter,
    metrics: ServiceMetrics,
    max_message_bytes: int,
) -> grpc.aio.Server:
    """A server with interceptors, health and reflection, not yet bound or started."""
    server = grpc.aio.server(
        interceptors=(CallInterceptor(metrics, health_reporter.refusal),),
        options=(
            ("grpc.max_send_message_length", max_message_bytes),
            ("grpc.max_receive_message_length", max_message_bytes),
            # Without this two processes share a port silently and answer in turn.
            ("grpc.so_reuseport", 0),
            # Let clients' keepalives through, and notice clients that vanished.
            ("grpc.http2.min_ping_interval_without_data_ms", 5_000),
            ("grpc.keepalive_permit_without_calls", 1),
            ("grpc.keepalive_time_ms", 30_000),
            ("grpc.keepalive_timeout_ms", 10_000),
        ),
    )
    add_services(server)
    health_reporter.add_to_server(server)
    reflection.enable_server_reflection(
        (*full_service_names, health.SERVICE_NAME, reflection.SERVICE_NAME), server
    )
    return server


async def serve(
    *,
    config: ServerConfig,
    service_name: str,
    add_services: AddServices,
    full_service_names: Iterable[str],
    health: HealthReporter,
    metrics: ServiceMetrics,
    warm_up: Callable[[], Awaitable[None]] | None = None,
    on_drain: Callable[[], Awaitable[None]] | None = None,
    stop: asyncio.Event | None = None,
) -> int:
    """Serves until SIGTERM or SIGINT, then drains.

    Draining: health says NOT_SERVING, new calls are refused as DRAINING, `on_drain` runs, calls in
    flight get what is left of `config.drain_s`, the rest is cancelled. A second signal ends the
    waiting. What the service opened (backends, batchers, stores) is the caller's to close after.

    Args:
      service_name: the short name, for the log.
      warm_up: runs once the port is open; until it returns, calls are refused as WARMING_UP.
        What it raises ends the process.
      on_drain: for a service with long streams: tell them to finish.
      stop: setting it is the same as SIGTERM.

    Returns:
      The exit status: 0 after a drain, 1 if the address is taken or the warm-up failed.
    """
    names = tuple(full_service_names)
    server = build_server(
        add_services=add_services,
        full_service_names=names,
        health_reporter=health,
        metrics=metrics,
        max_message_bytes=config.max_message_bytes,
    )
    bound = await _bind(config, server, metrics)
    if bound is None:
        return 1
    port, page = bound
    stopping = asyncio.Event() if stop is None else stop
    hurry = asyncio.Event()
    with _signals(stopping, hurry):
        await server.start()
        health.on_change(metrics.serving.set)
        health.start()
        _log.info(
            "listening",
            extra={"role": service_name, "host": config.host, "port": port, "metrics": page.port},
        )
        failed = not await _until_stopped(health, warm_up, stopping)
        await _drain(server, health, config.drain_s, on_drain, hurry)
    # Not in the loop's thread: it waits for a page that is being read.
    await asyncio.to_thread(page.close)
    _log.info("stopped", extra={"role": service_name})
    return 1 if failed else 0


async def _bind(
    config: ServerConfig, server: grpc.aio.Server, metrics: ServiceMetrics
) -> tuple[int, MetricsPage] | None:
    """The gRPC port and the metrics page; None, with one sentence in the log, if one is taken."""
    address = f"[{config.host}]" if ":" in config.host else config.host
    wanted = (config.host, config.port)
    try:
        _try_address(*wanted)
        port = server.add_insecure_port(f"{address}:{config.port}")
        wanted = (config.metrics_host, config.metrics_port)
        return port, metrics.listen(*wanted)
    except (OSError, RuntimeError) as error:
        why = error.strerror if isinstance(error, OSError) else error
        _log.critical(f"Cannot listen on {wanted[0]}:{wanted[1]}: {why}.")
        await server.stop(None)
        return None


def _try_address(host: str, port: int) -> None:
    """Binds once before gRPC does, whose core tells what is wrong only on standard error.

    Raises:
      OSError: the address is taken, not ours, or not allowed.
    """
    family, kind, protocol, _, address = socket.getaddrinfo(
        host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    )[0]
    with socket.socket(family, kind, protocol) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind(address)


@contextlib.contextmanager
def _signals(stopping: asyncio.Event, hurry: asyncio.Event) -> Iterator[None]:
    loop = asyncio.get_running_loop()

    def received(number: signal.Signals) -> None:
        _log.info("signal", extra={"signal": number.name})
        (hurry if stopping.is_set() else stopping).set()

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, received, number)
    try:
        yield
    finally:
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.remove_signal_handler(number)


async def _until_stopped(
    health: HealthReporter,
    warm_up: Callable[[], Awaitable[None]] | None,
    stopping: asyncio.Event,
) -> bool:
    """False if the warm-up failed."""
    stopped = asyncio.create_task(stopping.wait())
    try:
        if warm_up is not None:
            warming = asyncio.ensure_future(warm_up())
            await asyncio.wait((warming, stopped), return_when=asyncio.FIRST_COMPLETED)
            if not warming.done():
                warming.cancel()
                await asyncio.gather(warming, return_exceptions=True)
                return True
            if (error := warming.exception()) is not None:
                _log.critical("the warm-up failed", exc_info=error)
                return False
        health.ready()
        await stopped
        return True
    finally:
        stopped.cancel()


async def _drain(
    server: grpc.aio.Server,
    health: HealthReporter,
    drain_s: float,
    on_drain: Callable[[], Awaitable[None]] | None,
    hurry: asyncio.Event,
) -> None:
    end = time.monotonic() + drain_s
    health.drain()

    async def gently() -> None:
        if on_drain is not None:
            try:
                async with asyncio.timeout(drain_s):
                    await on_drain()
            except Exception:
                _log.exception("on_drain failed")
        await health.stop()
        await server.stop(max(end - time.monotonic(), 0.0))

    gentle = asyncio.create_task(gently())
    hurried = asyncio.create_task(hurry.wait())
    await asyncio.wait((gentle, hurried), return_when=asyncio.FIRST_COMPLETED)
    if hurry.is_set():
        gentle.cancel()
        await health.stop()
        await server.stop(None)
    hurried.cancel()
    await asyncio.gather(gentle, hurried, return_exceptions=True)


def run(main: Callable[[], Coroutine[Any, Any, int]]) -> NoReturn:
    """Runs a service's main coroutine on uvloop and exits with what it returns.

    Wrong settings, and typed errors that end it (a database that will not do, a model that is not
    there), become sentences on standard error and exit status 1.
    """
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            code = runner.run(main())
    except ConfigError as error:
        print(error, file=sys.stderr)
        code = 1
    except LookalikeError as error:
        _log.critical(error.message, extra={"reason": error.reason})
        code = 1
    except KeyboardInterrupt:
        code = 130
    sys.exit(code)
