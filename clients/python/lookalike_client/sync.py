"""The same client for code without an event loop: every call runs on a loop of its own thread."""

import asyncio
import threading
from collections.abc import Callable, Coroutine, Iterable, Iterator
from typing import Any, Self, TypeVar

from lookalike_client import models, query
from lookalike_client.aio import AsyncLookalike
from lookalike_client.ingest.inputs import ProductInput
from lookalike_client.ingest.results import IngestSummary, ProductOutcome
from lookalike_client.ingest.settings import IngestSettings
from lookalike_client.ingest.stream import Event
from lookalike_client.maps import AsyncMap, CatalogueMap, MapProgress
from lookalike_client.models import Garment
from lookalike_client.sources import Catalogue
from lookalike_client.spaces import AsyncSpaces, BuildProgress, Comparison, Model, Switched

_T = TypeVar("_T")


class Lookalike:
    """A connection to a gateway. Any thread may use it; use it as a context manager.

    Attributes:
      spaces: the models and their spaces, for operators.
      map: the map of the catalogue.

    Its methods are those of AsyncLookalike, where they are described.
    """

    def __init__(self, server: str | None = None, *, timeout_s: float = 30.0) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(
            target=self._loop.run_forever, name="lookalike-client", daemon=True
        )
        self._thread.start()
        self._client = self._run(_open(server, timeout_s))
        self.spaces = Spaces(self._client.spaces, self._run)
        self.map = Map(self._client.map, self._run)

    @property
    def server(self) -> str:
        """The gateway's address."""
        return self._client.server

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Closes the connection and ends the thread. A second call does nothing."""
        if self._loop.is_closed():
            return
        self._run(_end_tasks())
        self._run(self._client.aclose())
        self._run(self._loop.shutdown_asyncgens())
        self._run(self._loop.shutdown_default_executor())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def search(
        self,
        *parts: query.Part | str,
        k: int = 5,
        garment: Garment | str | None = None,
        where: Iterable[query.Condition] = (),
        features: query.Features | None = None,
        metric: models.Metric | str = models.Metric.COSINE,
        page_token: str = "",
        min_index_version: int = 0,
    ) -> models.SearchResults:
        """See AsyncLookalike.search."""
        return self._run(
            self._client.search(
                *parts,
                k=k,
                garment=garment,
                where=where,
                features=features,
                metric=metric,
                page_token=page_token,
                min_index_version=min_index_version,
            )
        )

    def similar(
        self,
        product_id: str,
        *,
        k: int = 5,
        garment: Garment | str | None = None,
        where: Iterable[query.Condition] = (),
        metric: models.Metric | str = models.Metric.COSINE,
        min_index_version: int = 0,
    ) -> models.SearchResults:
        """See AsyncLookalike.similar."""
        return self._run(
            self._client.similar(
                product_id,
                k=k,
                garment=garment,
                where=where,
                metric=metric,
                min_index_version=min_index_version,
            )
        )

    def get(
        self, product_id: str, *, vectors: bool = False, min_index_version: int = 0
    ) -> models.Product:
        """See AsyncLookalike.get."""
        return self._run(
            self._client.get(product_id, vectors=vectors, min_index_version=min_index_version)
        )

    def list_page(
        self,
        *,
        where: Iterable[query.Condition] = (),
        page_size: int = 50,
        page_token: str = "",
        vectors: bool = False,
        min_index_version: int = 0,
    ) -> models.ProductPage:
        """See AsyncLookalike.list_page."""
        return self._run(
            self._client.list_page(
                where=where,
                page_size=page_size,
                page_token=page_token,
                vectors=vectors,
                min_index_version=min_index_version,
            )
        )

    def list(
        self,
        *,
        where: Iterable[query.Condition] = (),
        page_size: int = 200,
        vectors: bool = False,
    ) -> Iterator[models.Product]:
        """See AsyncLookalike.list."""
        products = self._client.list(where=where, page_size=page_size, vectors=vectors)
        while (product := self._run(_next(products))) is not None:
            yield product

    def delete(self, *product_ids: str) -> models.Deletion:
        """See AsyncLookalike.delete."""
        return self._run(self._client.delete(*product_ids))

    def facets(
        self, *fields: str, where: Iterable[query.Condition] = (), max_values: int = 50
    ) -> models.Facets:
        """See AsyncLookalike.facets."""
        return self._run(self._client.facets(*fields, where=where, max_values=max_values))

    def segment(
        self,
        data: bytes,
        *,
        output: models.SegmentOutput | str | None = None,
        garment: Garment | str | None = None,
        background: tuple[int, int, int] | None = None,
        max_side_px: int = 0,
        encoding: str = "png",
    ) -> models.Segmentation:
        """See AsyncLookalike.segment."""
        return self._run(
            self._client.segment(
                data,
                output=output,
                garment=garment,
                background=background,
                max_side_px=max_side_px,
                encoding=encoding,
            )
        )

    def image(self, sha256: str, *, max_side_px: int = 0) -> models.StoredImage:
        """See AsyncLookalike.image."""
        return self._run(self._client.image(sha256, max_side_px=max_side_px))

    def status(self) -> models.Status:
        """See AsyncLookalike.status."""
        return self._run(self._client.status())

    def ingest(
        self,
        source: Catalogue | Iterable[ProductInput],
        *,
        settings: IngestSettings | None = None,
        on_outcome: Callable[[ProductOutcome], object] | None = None,
        on_event: Callable[[Event], object] | None = None,
    ) -> IngestSummary:
        """See AsyncLookalike.ingest. The callbacks run in the client's own thread."""
        return self._run(
            self._client.ingest(source, settings=settings, on_outcome=on_outcome, on_event=on_event)
        )

    def _run(self, work: Coroutine[Any, Any, _T]) -> _T:
        future = asyncio.run_coroutine_threadsafe(work, self._loop)
        try:
            return future.result()
        except BaseException:  # Ctrl-C while waiting: the call must not go on by itself
            future.cancel()
            raise


class Spaces:
    """Its methods are those of AsyncSpaces, where they are described."""

    def __init__(self, spaces: AsyncSpaces, run: Callable[[Coroutine[Any, Any, Any]], Any]) -> None:
        self._spaces = spaces
        self._run = run

    def list(self) -> tuple[Model, ...]:
        """See AsyncSpaces.list."""
        found: tuple[Model, ...] = self._run(self._spaces.list())
        return found

    def build(self, model: str, *, patience_s: float = 120.0) -> Iterator[BuildProgress]:
        """See AsyncSpaces.build."""
        states = self._spaces.build(model, patience_s=patience_s)
        while (state := self._run(_next_state(states))) is not None:
            yield state

    def progress(self) -> BuildProgress:
        """See AsyncSpaces.progress."""
        found: BuildProgress = self._run(self._spaces.progress())
        return found

    def switch(self, model: str, *, force: bool = False) -> Switched:
        """See AsyncSpaces.switch."""
        done: Switched = self._run(self._spaces.switch(model, force=force))
        return done

    def rollback(self, *, force: bool = False) -> Switched:
        """See AsyncSpaces.rollback."""
        done: Switched = self._run(self._spaces.rollback(force=force))
        return done

    def drop(self, model: str) -> str:
        """See AsyncSpaces.drop."""
        return str(self._run(self._spaces.drop(model)))

    def compare(
        self, *, sample_size: int = 100, texts: Iterable[str] = (), k: int = 10
    ) -> Comparison:
        """See AsyncSpaces.compare."""
        found: Comparison = self._run(
            self._spaces.compare(sample_size=sample_size, texts=texts, k=k)
        )
        return found


class Map:
    """Its methods are those of AsyncMap, where they are described."""

    def __init__(self, found: AsyncMap, run: Callable[[Coroutine[Any, Any, Any]], Any]) -> None:
        self._map = found
        self._run = run

    def read(self, *, known_map_id: str = "") -> CatalogueMap | None:
        """See AsyncMap.read."""
        found: CatalogueMap | None = self._run(self._map.read(known_map_id=known_map_id))
        return found

    def build(self, *, patience_s: float = 120.0) -> Iterator[MapProgress]:
        """See AsyncMap.build."""
        progress = self._map.build(patience_s=patience_s)
        while (told := self._run(_next_progress(progress))) is not None:
            yield told


async def _next_progress(progress: Any) -> MapProgress | None:
    told: MapProgress | None = await anext(progress, None)
    return told


async def _next_state(states: Any) -> BuildProgress | None:
    state: BuildProgress | None = await anext(states, None)
    return state


async def _open(server: str | None, timeout_s: float) -> AsyncLookalike:
    return AsyncLookalike(server, timeout_s=timeout_s)


async def _end_tasks() -> None:
    # A call that was interrupted (Ctrl-C) may still be closing its connection.
    others = asyncio.all_tasks() - {asyncio.current_task()}
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)


async def _next(products: Any) -> models.Product | None:
    product: models.Product | None = await anext(products, None)
    return product
