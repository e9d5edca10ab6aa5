"""The map of the active space: built one at a time, whoever asks and whoever leaves, and read."""

import asyncio
import contextlib
import logging
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Sequence
from typing import Final, Protocol, TypeAlias

import numpy as np

from servicekit.errors import LookalikeError, Unavailable
from services.indexer.domain import Store
from services.indexer.drawing.process import Block
from services.indexer.drawing.values import Drawing, Label, Tell
from services.indexer.maps import (
    FEWEST_PRODUCTS,
    CatalogueMap,
    MapProgress,
    MapStage,
    ShownMap,
    map_not_found,
    map_too_small,
)
from services.indexer.mirror import SpaceMirror, SpaceView
from services.indexer.projection import Projection
from services.indexer.queries import Sitter
from services.indexer.versions import VersionGate

_log = logging.getLogger(__name__)

Draw: TypeAlias = Callable[[Iterable[Block], Tell], Awaitable[Drawing]]
"""See drawing.process.DrawingProcess.draw."""

LABEL_FIELDS: Final = ("type", "category", "colour", "pattern", "season", "person")
"""The attributes that neighbourhoods are named by."""

_AT_ONCE: Final = 2048
_TELL_S: Final = 2.0
_WHOLE: Final = 65_535


class Observer(Protocol):
    """Counts builds."""

    def map_built(self, products: int, seconds: float) -> None: ...

    def map_failed(self) -> None: ...


class CatalogueMaps:
    """The maps of an index; made inside the event loop.

    A build is a task of its own. It goes on while nobody follows it, and ends with `close`.
    """

    def __init__(
        self,
        store: Store,
        mirror: SpaceMirror,
        gate: VersionGate,
        draw: Draw,
        observer: Observer,
    ) -> None:
        self._store = store
        self._mirror = mirror
        self._gate = gate
        self._draw = draw
        self._observer = observer
        self._build: asyncio.Task[ShownMap] | None = None
        self._progress = MapProgress(MapStage.NEIGHBOURS, 0.0)
        self._changed = asyncio.Event()
        self._closed = False

    async def shown(self) -> ShownMap:
        """The map of the active space, as far as its products are still there.

        Raises:
          NotFound: MAP_NOT_FOUND.
        """
        self._check_open()
        view = self._mirror.active
        drawn = None if view.space is None else await self._store.read_map(view.number)
        if drawn is None:
            raise map_not_found()
        return await _shown(drawn, view)

    async def follow(self) -> AsyncIterator[MapProgress | ShownMap]:
        """Begins a build, or joins the one that runs; the last is the map, which is stored then.

        Raises:
          FailedPrecondition: MAP_TOO_SMALL, SPACE_CONFLICT.
          Unavailable: INDEX_BEHIND, this replica does not hear of writes for too long.
          LookalikeError: what else ended the build.
        """
        self._check_open()
        if self._build is None:
            # What was written before this call is drawn.
            await self._gate.wait(await self._store.version(), None)
            # Again, because somebody may have ended all this in between.
            self._check_open()
        build = self._build or self._begin()
        while not build.done():
            yield self._progress
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_TELL_S):
                    await self._changed.wait()
        if build.cancelled():
            raise _ended()
        yield build.result()

    async def close(self) -> None:
        """Ends the build, if one runs; those who follow it are told."""
        self._closed = True
        if self._build is not None:
            self._build.cancel()
            await asyncio.gather(self._build, return_exceptions=True)

    def _begin(self) -> "asyncio.Task[ShownMap]":
        self._progress = MapProgress(MapStage.NEIGHBOURS, 0.0)
        self._build = asyncio.create_task(self._run(self._mirror.active), name="map-build")
        self._build.add_done_callback(self._finished)
        return self._build

    def _finished(self, build: "asyncio.Task[ShownMap]") -> None:
        self._build = None
        self._wake()
        # Its error is in the log; where nobody follows it, asyncio need not say so again.
        if not build.cancelled():
            build.exception()

    async def _run(self, view: SpaceView) -> ShownMap:
        began = time.monotonic()
        try:
            drawn = await self._draw_and_store(view)
        except LookalikeError as error:
            self._observer.map_failed()
            _log.warning("a map was not built", extra={"reason": error.reason})
            raise
        except Exception:
            self._observer.map_failed()
            _log.exception("a map was not built")
            raise
        seconds, products = time.monotonic() - began, len(drawn.product_ids)
        self._observer.map_built(products, seconds)
        _log.info("map built", extra={"products": products, "seconds": round(seconds, 3)})
        return await _shown(drawn, view)

    async def _draw_and_store(self, view: SpaceView) -> CatalogueMap:
        product_ids: list[str] = []
        drawing = await self._draw(_blocks(view.projection, product_ids), self._tell)
        drawn = CatalogueMap(
            uuid.uuid4().hex,
            time.time_ns() // 1000,
            drawing.method,
            drawing.clusters,
            tuple(product_ids),
            np.round(drawing.places * _WHOLE).astype(np.uint16),
            drawing.cluster_of,
        )
        assert view.space is not None  # there are vectors
        await self._store.put_map(view.space, drawn)
        self._tell(MapStage.STORED, 1.0)
        return drawn

    def _tell(self, stage: MapStage, fraction: float) -> None:
        self._progress = MapProgress(stage, fraction)
        self._wake()

    def _wake(self) -> None:
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()

    def _check_open(self) -> None:
        if self._closed:
            raise _ended()
        if not self._store.loaded:
            raise Unavailable("The index is loading.", reason="WARMING_UP", retry_after_s=1.0)


def _blocks(projection: Projection, product_ids: list[str]) -> Iterator[Block]:
    """What is drawn, in order of identifier; writes down whose it is."""
    last: str | None = ""
    load = projection.loads
    while last is not None:
        sitting = projection.sitting(last, _AT_ONCE, LABEL_FIELDS)
        if projection.loads != load:
            raise Unavailable(
                "The index was loaded anew in the middle of it.",
                reason="UPSTREAM_UNAVAILABLE",
                retry_after_s=1.0,
            )
        last = sitting.last
        product_ids += (one.product_id for one in sitting.sitters)
        if sitting.sitters:
            yield sitting.vectors, [_label(one) for one in sitting.sitters]
    if len(product_ids) < FEWEST_PRODUCTS:
        raise map_too_small(len(product_ids))


def _label(sitter: Sitter) -> Label:
    texts = {
        field: tuple(value for value in values if isinstance(value, str))
        for field, values in sitter.labels.items()
    }
    return Label(sitter.name, texts)


async def _shown(drawn: CatalogueMap, view: SpaceView) -> ShownMap:
    projection = view.projection

    def gone(product_ids: Sequence[str]) -> list[bool]:
        # Some at a time, so that searches come in between.
        starts = range(0, len(product_ids), _AT_ONCE)
        parts = [projection.gone(product_ids[start : start + _AT_ONCE]) for start in starts]
        return [one for part in parts for one in part]

    def compared() -> ShownMap:
        left = drawn.without(gone)
        missing = projection.tally().product_count - len(left.product_ids)
        assert view.space is not None  # it has a map
        return ShownMap(left, view.space.space.embedding_version, max(0, missing))

    return await asyncio.to_thread(compared)


def _ended() -> Unavailable:
    return Unavailable("The service is shutting down.", reason="DRAINING", retry_after_s=1.0)
