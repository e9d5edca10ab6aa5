"""Prometheus metrics of one service: a registry, its HTTP page, and what every service measures.

Names start with `lookalike_<service>_`, units are base units, label sets are closed, and every
series exists as zero from the start, so that a rate over a restart is right.
"""

import threading
from collections.abc import Iterable
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from typing import Final, Protocol
from wsgiref.simple_server import WSGIServer

import grpc
from google.protobuf import descriptor_pool
from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    start_http_server,
)

from servicekit.batching import DropCause, Lane, ReleaseReason

UNKNOWN_METHOD: Final = "unknown"

_LATENCY_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)
_BATCH_ITEMS = (1, 2, 4, 8, 16, 32, 64, 128, 256)


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric as the documentation names it; `name` is what Prometheus stores."""

    name: str
    type: str
    labels: tuple[str, ...]
    help: str


def describe(registry: CollectorRegistry) -> list[Metric]:
    """Every metric of a registry, sorted by name, for documents and their tests."""
    found = []
    for family in registry.collect():
        labels = {label for sample in family.samples for label in sample.labels}
        suffix = "_total" if family.type == "counter" else ""
        found.append(
            Metric(
                family.name + suffix,
                family.type,
                tuple(sorted(labels - {"le"})),
                family.documentation,
            )
        )
    return sorted(found, key=lambda metric: metric.name)


def methods_of(full_service_names: Iterable[str]) -> list[str]:
    """The methods of registered services as `package.Service/Method`, from their descriptors."""
    pool = descriptor_pool.Default()
    return [
        f"{name}/{method.name}"
        for name in full_service_names
        for method in pool.FindServiceByName(name).methods
    ]


class MetricsPage:
    """The HTTP server behind `/metrics`, in a daemon thread."""

    def __init__(self, server: WSGIServer, thread: threading.Thread) -> None:
        self._server = server
        self._thread = thread
        self.port: int = server.server_port

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class CallListener(Protocol):
    """Hears of calls beside Prometheus; in the event loop's thread."""

    def call_began(self, method: str) -> None: ...

    def call_ended(self, method: str, code: str, seconds: float) -> None:
        """code: a status code's name, such as `OK`."""


class ServiceMetrics:
    """The metrics of one service process.

    Services add their own to `registry` under `prefix`.

    Args:
      service: the short name, for example `segmenter`.
      full_service_names: the gRPC services whose methods are counted, for example
        `lookalike.segmenter.v1.SegmenterService`.
    """

    def __init__(self, service: str, full_service_names: Iterable[str] = ()) -> None:
        self.prefix = f"lookalike_{service}"
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        Gauge(
            f"{self.prefix}_build_info",
            "1; the labels say what runs.",
            ["version", "grpc_version"],
            registry=self.registry,
        ).labels(_own_version(), grpc.__version__).set(1)
        self.serving = Gauge(
            f"{self.prefix}_serving",
            "1 while the standard health service says SERVING, else 0.",
            registry=self.registry,
        )
        self._handled = Counter(
            f"{self.prefix}_rpc_handled",
            "Calls that ended, by method and status code.",
            ["method", "code"],
            registry=self.registry,
        )
        self._latency = Histogram(
            f"{self.prefix}_rpc_latency_seconds",
            "From the arrival of a call to its end; a stream counts as one call.",
            ["method"],
            buckets=_LATENCY_S,
            registry=self.registry,
        )
        self._in_flight = Gauge(
            f"{self.prefix}_rpc_in_flight",
            "Calls being handled.",
            ["method"],
            registry=self.registry,
        )
        self._methods = {*methods_of(full_service_names), UNKNOWN_METHOD}
        for method in self._methods:
            self._latency.labels(method)
            self._in_flight.labels(method)
            for code in grpc.StatusCode:
                self._handled.labels(method, code.name)
        self._batch_families: _BatchFamilies | None = None
        self._listeners: list[CallListener] = []

    def listen_to_calls(self, listener: CallListener) -> None:
        """Tells it of every call from now on."""
        self._listeners.append(listener)

    def rpc_began(self, method: str) -> None:
        self._in_flight.labels(self._known(method)).inc()
        for listener in self._listeners:
            listener.call_began(method)

    def rpc_ended(self, method: str, code: str, seconds: float) -> None:
        for listener in self._listeners:
            listener.call_ended(method, code, seconds)
        label = self._known(method)
        self._in_flight.labels(label).dec()
        self._handled.labels(label, code).inc()
        self._latency.labels(label).observe(seconds)

    def batcher(self, name: str) -> "PrometheusBatchMetrics":
        """What a MicroBatcher takes as its `metrics`; `name` becomes the label `batcher`."""
        if self._batch_families is None:
            self._batch_families = _BatchFamilies(self.prefix, self.registry)
        return PrometheusBatchMetrics(self._batch_families, name)

    def listen(self, host: str, port: int) -> MetricsPage:
        """Serves `/metrics`; port 0 takes a free one.

        Raises:
          OSError: the address is taken or not ours.
        """
        server, thread = start_http_server(port, addr=host, registry=self.registry)
        return MetricsPage(server, thread)

    def _known(self, method: str) -> str:
        # A client can call any name; a label per name would let it fill the memory.
        return method if method in self._methods else UNKNOWN_METHOD


class _BatchFamilies:
    """The metric families that all batchers of a process share."""

    def __init__(self, prefix: str, registry: CollectorRegistry) -> None:
        self.size = Histogram(
            f"{prefix}_batch_size",
            "Items in a batch.",
            ["batcher"],
            buckets=_BATCH_ITEMS,
            registry=registry,
        )
        self.wait = Histogram(
            f"{prefix}_batch_queue_wait_seconds",
            "From entering the queue to the device.",
            ["batcher", "lane"],
            buckets=_LATENCY_S,
            registry=registry,
        )
        self.run = Histogram(
            f"{prefix}_batch_run_seconds",
            "A batch on the device.",
            ["batcher"],
            buckets=_LATENCY_S,
            registry=registry,
        )
        self.released = Counter(
            f"{prefix}_batch_released",
            "Batches, by what released them: full, ready (a free worker), delay, drain.",
            ["batcher", "reason"],
            registry=registry,
        )
        self.dropped = Counter(
            f"{prefix}_batch_dropped",
            "Items without an output: refused, cancelled, expired, failed, dead.",
            ["batcher", "lane", "cause"],
            registry=registry,
        )
        self.items = Gauge(
            f"{prefix}_batch_queue_items",
            "Items that wait for the device.",
            ["batcher", "lane"],
            registry=registry,
        )
        self.bytes = Gauge(
            f"{prefix}_batch_queue_bytes",
            "Bytes of the items that wait for the device.",
            ["batcher", "lane"],
            registry=registry,
        )


class PrometheusBatchMetrics:
    """The BatchMetrics of one batcher."""

    def __init__(self, families: _BatchFamilies, name: str) -> None:
        # Children are looked up once: labels() takes a lock and is called for every item.
        self._size = families.size.labels(name)
        self._run = families.run.labels(name)
        self._wait = {lane: families.wait.labels(name, lane.value) for lane in Lane}
        self._items = {lane: families.items.labels(name, lane.value) for lane in Lane}
        self._bytes = {lane: families.bytes.labels(name, lane.value) for lane in Lane}
        self._released = {
            reason: families.released.labels(name, reason.value) for reason in ReleaseReason
        }
        self._dropped = {
            (lane, cause): families.dropped.labels(name, lane.value, cause.value)
            for lane in Lane
            for cause in DropCause
        }

    def released(self, size: int, reason: ReleaseReason) -> None:
        self._size.observe(size)
        self._released[reason].inc()

    def waited(self, lane: Lane, seconds: float) -> None:
        self._wait[lane].observe(seconds)

    def ran(self, seconds: float) -> None:
        self._run.observe(seconds)

    def queued(self, lane: Lane, items: int, size_bytes: int) -> None:
        self._items[lane].set(items)
        self._bytes[lane].set(size_bytes)

    def dropped(self, lane: Lane, cause: DropCause) -> None:
        self._dropped[lane, cause].inc()


def _own_version() -> str:
    try:
        return version("lookalike")
    except PackageNotFoundError:  # run from a copy of the sources that is not installed
        return "unknown"
