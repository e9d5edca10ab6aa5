"""How the whole system is: every service asked at the same time, none waited for long."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import IntEnum
from typing import Protocol

from servicekit.errors import WARM_UP_FRACTION, LookalikeError, Unavailable
from services.gateway.domain import Index, Segmenter
from services.gateway.load import Load
from services.gateway.models import PipelineModels
from services.gateway.values import EmbedderInfo, IndexInfo, SegmenterInfo


class Serving(IntEnum):
    """Whether a service serves; the numbers of gateway.v1.ServingState."""

    SERVING = 1
    NOT_SERVING = 2
    UNREACHABLE = 3


@dataclass(frozen=True, slots=True)
class ServiceState:
    """How one service is. warm_up_fraction: while it warms up, the share that is done."""

    name: str
    serving: Serving
    error: LookalikeError | None
    detail: str
    execution_provider: str
    latency_ms: float
    warm_up_fraction: float | None = None


@dataclass(frozen=True, slots=True)
class Overview:
    """How the system is. index: None if it cannot be asked."""

    services: tuple[ServiceState, ...]
    index: IndexInfo | None
    pipeline_version: str
    load: Load


class HealthProbe(Protocol):
    """Asks a service's own health."""

    async def serving(self, *, timeout_s: float) -> bool:
        """What it says; raises LookalikeError if nobody answers."""
        ...


class ModelProbe(Protocol):
    """Asks the embedder which model makes the space that is searched."""

    async def info(self, *, timeout_s: float) -> EmbedderInfo: ...


Info = SegmenterInfo | EmbedderInfo | IndexInfo


@dataclass(frozen=True, slots=True)
class Watched:
    """The services of the system: what asks their health.

    Attributes:
      own: why the gateway itself does not serve, by what it misses; empty if it does.
    """

    segmenter: HealthProbe
    embedder: HealthProbe
    indexer: HealthProbe
    own: Callable[[], dict[str, str]]


class SystemOverview:
    """Asks everybody.

    Args:
      load: what this gateway has done lately.
      timeout_s: after which a service counts as unreachable.
    """

    def __init__(
        self,
        watched: Watched,
        segmenter: Segmenter,
        embedder: ModelProbe,
        index: Index,
        load: Callable[[], Load],
        timeout_s: float,
    ) -> None:
        self._watched = watched
        self._segmenter = segmenter
        self._embedder = embedder
        self._index = index
        self._load = load
        self._timeout_s = timeout_s

    async def now(self) -> Overview:
        """The state of all services; never raises for one that is away."""
        limit = self._timeout_s
        (cuts, segmenter), (embeds, embedder), (keeps, index) = await asyncio.gather(
            self._ask("segmenter", self._watched.segmenter, self._segmenter.info(timeout_s=limit)),
            self._ask("embedder", self._watched.embedder, self._embedder.info(timeout_s=limit)),
            self._ask("indexer", self._watched.indexer, self._index.info(timeout_s=limit)),
        )
        pipeline_version = ""
        if isinstance(segmenter, SegmenterInfo) and isinstance(embedder, EmbedderInfo):
            pipeline_version = PipelineModels(segmenter, embedder).pipeline_version
        return Overview(
            services=(self._own(), cuts, embeds, keeps),
            index=index if isinstance(index, IndexInfo) else None,
            pipeline_version=pipeline_version,
            load=self._load(),
        )

    def _own(self) -> ServiceState:
        missing = self._watched.own()
        if not missing:
            return ServiceState("gateway", Serving.SERVING, None, "", "", 0.0)
        why = "; ".join(f"{name}: {cause}" for name, cause in sorted(missing.items()))
        error = Unavailable(why, reason="UPSTREAM_UNAVAILABLE")
        return ServiceState("gateway", Serving.NOT_SERVING, error, "", "", 0.0)

    async def _ask(
        self, name: str, probe: HealthProbe, info: Awaitable[Info]
    ) -> tuple[ServiceState, Info | None]:
        begun = time.perf_counter()
        health, told = await asyncio.gather(
            probe.serving(timeout_s=self._timeout_s), info, return_exceptions=True
        )
        latency_ms = (time.perf_counter() - begun) * 1_000
        for answer in (health, told):
            if isinstance(answer, BaseException) and not isinstance(answer, LookalikeError):
                raise answer
        known = None if isinstance(told, BaseException) else told
        provider = "" if isinstance(known, IndexInfo | None) else known.execution_provider
        error = None
        if isinstance(health, LookalikeError):
            serving, error = Serving.UNREACHABLE, health
        elif health is True:
            serving = Serving.SERVING
        else:
            serving = Serving.NOT_SERVING
            error = (
                told
                if isinstance(told, LookalikeError)
                else Unavailable(
                    f"The {name} says that it does not serve.", reason="UPSTREAM_UNAVAILABLE"
                )
            )
        fraction = None if error is None else _warm_up_fraction(error)
        detail = _detail(known)
        return ServiceState(name, serving, error, detail, provider, latency_ms, fraction), known


def _warm_up_fraction(error: LookalikeError) -> float | None:
    if error.reason != "WARMING_UP" or WARM_UP_FRACTION not in error.metadata:
        return None
    return float(error.metadata[WARM_UP_FRACTION])


def _detail(info: Info | None) -> str:
    match info:
        case SegmenterInfo():
            return f"{info.version} ({info.variant})"
        case EmbedderInfo():
            return f"{info.model}, {info.dimension} dimensions, {info.version}"
        case IndexInfo():
            return info.store
        case None:
            return ""
