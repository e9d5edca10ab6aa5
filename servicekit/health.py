"""The truth about whether a service can serve, told through the standard gRPC health service.

Source: grpc/health/v1/health.proto and https://github.com/grpc/grpc/blob/master/doc/health-checking.md
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable, Mapping
from enum import Enum
from typing import Any

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from servicekit.errors import WARM_UP_FRACTION, LookalikeError, Unavailable

_log = logging.getLogger(__name__)

Check = Callable[[], Awaitable[None]]


class _Phase(Enum):
    WARMING = "warming up"
    READY = "ready"
    DRAINING = "draining"


class HealthReporter:
    """SERVING for "" only while the service is ready, every check passes and every condition
    holds; for a full service name, while those hold that it needs.

    Args:
      poll_s: pause between two runs of a check.
      timeout_s: a check that takes longer has failed.
    """

    def __init__(
        self,
        full_service_names: Iterable[str] = (),
        *,
        poll_s: float = 1.0,
        timeout_s: float = 1.0,
    ) -> None:
        self._names = frozenset({"", *full_service_names})
        self._poll_s = poll_s
        self._timeout_s = timeout_s
        self._phase = _Phase.WARMING
        self._checks: dict[str, Check] = {}
        self._failures: dict[str, str] = {}
        self._tasks: list[asyncio.Task[None]] = []
        self._listeners: list[Callable[[bool], None]] = []
        self._serving = False
        self._serving_names: frozenset[str] = frozenset()
        self._not_needed: dict[str, frozenset[str]] = {}
        self._changed = asyncio.Event()
        self._closed = False
        self._warm_up_fraction: Callable[[], float] = lambda: 0.0

    @property
    def serving(self) -> bool:
        return self._serving

    @property
    def failures(self) -> Mapping[str, str]:
        """Why not, by the name of the check or condition; the phase is not among them."""
        return dict(self._failures)

    def refusal(self) -> LookalikeError | None:
        """The answer to calls that come while the service warms up or drains; else None."""
        if self._phase is _Phase.WARMING:
            return Unavailable(
                "The service is warming up.",
                reason="WARMING_UP",
                metadata={WARM_UP_FRACTION: f"{self._warm_up_fraction():.2f}"},
                retry_after_s=1.0,
            )
        if self._phase is _Phase.DRAINING:
            return Unavailable(
                "The service is shutting down.", reason="DRAINING", retry_after_s=1.0
            )
        return None

    def add_check(self, name: str, check: Check, *, services: Iterable[str] | None = None) -> None:
        """Polls `check` from start() on; it fails by raising, and counts as failed until its first
        run is over.

        Args:
          services: the full service names that need it; None: all.
        """
        self._checks[name] = check
        if services is not None:
            self._not_needed[name] = self._names - {"", *services}
        self._failures[name] = "not checked yet"
        self._publish()

    def add_probe(self, name: str, probe: Callable[[], bool], why: str) -> None:
        """Polls a property such as a batcher's `healthy`; `why` is told while it is False."""

        async def check() -> None:
            if not probe():
                raise Unavailable(why, reason="UPSTREAM_UNAVAILABLE")

        self.add_check(name, check)

    def set(self, name: str, ok: bool, why: str = "") -> None:
        """Sets a condition directly."""
        if ok:
            self._failures.pop(name, None)
        else:
            self._failures[name] = why or "failed"
        self._publish()

    def on_change(self, listener: Callable[[bool], None]) -> None:
        """Calls `listener` with the state now and after every change."""
        self._listeners.append(listener)
        listener(self._serving)

    def measure_warm_up(self, fraction: Callable[[], float]) -> None:
        """Names what tells the share of the warm-up that is done; 0 until then."""
        self._warm_up_fraction = fraction

    def ready(self) -> None:
        """Ends the warm-up."""
        if self._phase is _Phase.WARMING:
            self._phase = _Phase.READY
            self._publish()

    def drain(self) -> None:
        """Stops serving for good."""
        self._phase = _Phase.DRAINING
        self._publish()

    def start(self) -> None:
        """Begins to poll; needs a running event loop."""
        self._tasks = [
            asyncio.create_task(self._poll(name, check), name=f"health-{name}")
            for name, check in self._checks.items()
        ]

    async def stop(self) -> None:
        """Ends polling and every Watch, so that these streams do not hold up a server's stop."""
        self._closed = True
        self._wake()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks.clear()

    def add_to_server(self, server: grpc.aio.Server) -> None:
        health_pb2_grpc.add_HealthServicer_to_server(_HealthServicer(self), server)

    def status_of(self, service: str) -> int:
        """The ServingStatus of a service; SERVICE_UNKNOWN for a name that is not served here."""
        response = health_pb2.HealthCheckResponse
        if service not in self._names:
            return int(response.SERVICE_UNKNOWN)
        return int(response.SERVING if self._serves(service) else response.NOT_SERVING)

    @property
    def names(self) -> frozenset[str]:
        return self._names

    async def next_change(self, service: str, seen: int | None) -> int | None:
        """Waits until a service's status differs from `seen`; None once this reporter stops."""
        while (current := self.status_of(service)) == seen:
            if self._closed:
                return None
            await self._changed.wait()
        return current

    async def _poll(self, name: str, check: Check) -> None:
        while True:
            try:
                async with asyncio.timeout(self._timeout_s):
                    await check()
            except TimeoutError:
                self.set(name, False, f"no answer within {self._timeout_s:g} s")
            except LookalikeError as error:
                self.set(name, False, error.message)
            except Exception as error:
                self.set(name, False, f"{type(error).__name__}: {error}")
            else:
                self.set(name, True)
            await asyncio.sleep(self._poll_s)

    def _serves(self, service: str) -> bool:
        return self._phase is _Phase.READY and all(
            service in self._not_needed.get(name, ()) for name in self._failures
        )

    def _publish(self) -> None:
        serving_names = frozenset(filter(self._serves, self._names))
        if serving_names == self._serving_names:
            return
        self._serving_names = serving_names
        if self._serving != (serving := "" in serving_names):
            self._serving = serving
            if serving:
                _log.info("health is SERVING")
            else:
                why = {"phase": self._phase.value, **self._failures}
                _log.warning("health is NOT_SERVING", extra={"why": why})
            for listener in self._listeners:
                listener(serving)
        self._wake()

    def _wake(self) -> None:
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()


class _HealthServicer(health_pb2_grpc.HealthServicer):  # type: ignore[misc]
    """Not grpc_health's own: there one watcher that does not read holds up every change."""

    def __init__(self, reporter: HealthReporter) -> None:
        self._reporter = reporter

    async def Check(self, request: Any, context: Any) -> Any:
        if request.service not in self._reporter.names:
            await context.abort(grpc.StatusCode.NOT_FOUND, "no such service here")
        return health_pb2.HealthCheckResponse(status=self._reporter.status_of(request.service))

    async def Watch(self, request: Any, context: Any) -> None:
        seen: int | None = None
        while (seen := await self._reporter.next_change(request.service, seen)) is not None:
            await context.write(health_pb2.HealthCheckResponse(status=seen))

    async def List(self, request: Any, context: Any) -> Any:
        return health_pb2.HealthListResponse(
            statuses={
                name: health_pb2.HealthCheckResponse(status=self._reporter.status_of(name))
                for name in self._reporter.names
            }
        )


def upstream_check(channel: grpc.aio.Channel, service: str = "", timeout_s: float = 1.0) -> Check:
    """A check for HealthReporter.add_check: passes while the service behind a channel is SERVING.

    Args:
      service: its full gRPC name; "" asks about the server as a whole.
    """
    stub = health_pb2_grpc.HealthStub(channel)

    async def check() -> None:
        request = health_pb2.HealthCheckRequest(service=service)
        answer = await stub.Check(request, timeout=timeout_s)
        if answer.status != health_pb2.HealthCheckResponse.SERVING:
            raise Unavailable(
                f"{service or 'the upstream'} is not serving", reason="UPSTREAM_UNAVAILABLE"
            )

    return check
