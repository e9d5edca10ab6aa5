"""Building the space of a model beside the searched one, whoever asks and whoever leaves."""

import asyncio
import logging
from dataclasses import dataclass, field
from enum import IntEnum

from servicekit.errors import FailedPrecondition, LookalikeError, NotFound
from services.gateway.models import ModelCache
from services.gateway.retry import Patience
from services.gateway.space_filler import Failure, Progress, SpaceFiller
from services.gateway.spaces import ModelStore, Spaces
from services.gateway.values import EmbedderInfo

_log = logging.getLogger(__name__)

LOAD_S = 300.0


class BuildState(IntEnum):
    """How a build is; the numbers of gateway.v1.BuildState."""

    RUNNING = 1
    COMPLETE = 2
    INCOMPLETE = 3
    BROKEN = 4


@dataclass(frozen=True, slots=True)
class BuildProgress:
    """How far a build is; see gateway.v1.BuildProgress."""

    model: str
    version: str
    state: BuildState
    done: int
    total: int
    failed: int
    images_per_second: float
    remaining_s: float | None
    failures: tuple[Failure, ...]
    problem: str


@dataclass(slots=True)
class _Build:
    model: EmbedderInfo
    progress: Progress = field(default_factory=Progress)
    state: BuildState = BuildState.RUNNING
    had: int = 0
    began_at: float = 0.0
    problem: str = ""
    task: "asyncio.Task[None] | None" = None


class SpaceBuilds:
    """At most one build at a time; the newest one is remembered.

    Args:
      timeout_s: for one attempt of one call.
    """

    def __init__(
        self,
        embedder: ModelStore,
        spaces: Spaces,
        models: ModelCache,
        filler: SpaceFiller,
        patience: Patience,
        timeout_s: float,
    ) -> None:
        self._embedder = embedder
        self._spaces = spaces
        self._models = models
        self._filler = filler
        self._patience = patience
        self._timeout_s = timeout_s
        self._starting = asyncio.Lock()
        self._build: _Build | None = None

    async def start(self, model: str) -> None:
        """Starts building a model's space, or goes on with it, or joins who does.

        Raises:
          LookalikeError: see ModelService.BuildSpace.
        """
        async with self._starting:
            running = self._build if self.running else None
            if running is not None and running.model.model == model:
                return
            if running is not None:
                raise FailedPrecondition(
                    f"The space of {running.model.model} is being built; drop it first.",
                    reason="SPACE_CONFLICT",
                    metadata={"embedding_version": running.model.version},
                )
            found = await self._embedder.load(name=model, version="", timeout_s=LOAD_S)
            await self._spaces.begin(found, timeout_s=self._timeout_s)
            # From now on ingest writes both spaces.
            self._models.forget_embedder()
            build = _Build(found, began_at=asyncio.get_running_loop().time())
            await self._count(build)
            build.task = asyncio.create_task(self._run(build), name="space-build")
            self._build = build

    @property
    def running(self) -> bool:
        return self._build is not None and self._build.state is BuildState.RUNNING

    def progress(self) -> BuildProgress:
        """How far the newest build is.

        Raises:
          NotFound: SPACE_NOT_FOUND, there was none since this process started.
        """
        build = self._build
        if build is None:
            raise NotFound(
                "This gateway has built no space since it started.",
                reason="SPACE_NOT_FOUND",
                metadata={"resource_type": "build"},
            )
        progress = build.progress
        elapsed = asyncio.get_running_loop().time() - build.began_at
        left = max(0, progress.lacking - progress.failed)
        remaining = None
        if build.state is BuildState.RUNNING and progress.written:
            remaining = elapsed / progress.written * left
        return BuildProgress(
            build.model.model,
            build.model.version,
            build.state,
            build.had + progress.written,
            build.had + progress.written + progress.lacking,
            progress.failed,
            progress.images_per_second(),
            remaining,
            tuple(progress.failures),
            build.problem,
        )

    async def wait(self, timeout_s: float) -> None:
        """Returns when the build has ended, or after a time."""
        task = self._build.task if self._build else None
        if task is not None and not task.done():
            await asyncio.wait([task], timeout=timeout_s)

    async def stop(self, version: str) -> None:
        """Ends the build of a space, if it runs."""
        build = self._build
        if build is not None and build.model.version == version and build.task is not None:
            build.task.cancel()
            await asyncio.gather(build.task, return_exceptions=True)

    async def close(self) -> None:
        """Ends the build; what is written stays, and a new one goes on from there."""
        if self._build is not None:
            await self.stop(self._build.model.version)

    async def _run(self, build: _Build) -> None:
        try:
            await self._filler.fill(build.model.version, build.progress)
            await self._count(build)
            build.state = BuildState.INCOMPLETE if build.progress.lacking else BuildState.COMPLETE
        except asyncio.CancelledError:
            build.state, build.problem = BuildState.BROKEN, "The build was ended."
            raise
        except LookalikeError as error:
            build.state, build.problem = BuildState.BROKEN, error.message
            _log.warning("a build broke off", extra={"reason": error.reason})
        except Exception:
            build.state, build.problem = BuildState.BROKEN, "A bug; see the log."
            _log.exception("a build broke off")

    async def _count(self, build: _Build) -> None:
        spaces = await self._patience.call(
            "indexer",
            lambda: self._spaces.list(count_products=True, timeout_s=self._timeout_s),
        )
        for space in spaces:
            if space.version == build.model.version:
                build.had = max(0, space.product_count - build.progress.written)
                build.progress.lacking = space.lacking_count
