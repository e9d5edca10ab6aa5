"""The asynchronous client."""

import asyncio
import os
import random
import uuid
from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterable
from typing import Any, Final, Self

import grpc
from google.protobuf.message import Message

from lookalike.gateway.v1 import ingest_pb2, ingest_pb2_grpc, search_pb2, search_pb2_grpc
from lookalike.type.v1 import image_pb2, product_pb2
from lookalike_client import errors, models, query, wire
from lookalike_client.channel import DEFAULT_SERVER, open_aio_channel, open_channel
from lookalike_client.ingest.duplex import Duplex
from lookalike_client.ingest.feeds import Feed, IterableFeed
from lookalike_client.ingest.inputs import ProductInput
from lookalike_client.ingest.results import IngestSummary, ProductOutcome
from lookalike_client.ingest.settings import IngestSettings
from lookalike_client.ingest.stream import Event, IngestRun
from lookalike_client.maps import AsyncMap
from lookalike_client.models import Garment
from lookalike_client.sources import Catalogue
from lookalike_client.spaces import AsyncSpaces
from lookalike_client.version import CLIENT

_LARGEST_PAGE: Final = 1_000
_ATTEMPTS: Final = 3
_FIRST_BACKOFF_S: Final = 0.2


class AsyncLookalike:
    """A connection to a gateway. Use it in one event loop, as a context manager.

    Every method raises a subclass of ApiError when the call fails. A call that the server could not
    take (UNAVAILABLE, a full queue) is tried up to three times within its deadline.

    Args:
      server: `host:port`, or `https://host:port` for TLS; None: $LOOKALIKE_SERVER, or else
        127.0.0.1:50050.
      timeout_s: deadline of each call but `ingest`, which has none.

    Attributes:
      spaces: the models and their spaces, for operators.
      map: the map of the catalogue.
    """

    def __init__(self, server: str | None = None, *, timeout_s: float = 30.0) -> None:
        self.server = server or os.environ.get("LOOKALIKE_SERVER") or DEFAULT_SERVER
        self._timeout_s = timeout_s
        self._channel = open_aio_channel(self.server)
        self._search = search_pb2_grpc.SearchServiceStub(self._channel)
        self._ingest = ingest_pb2_grpc.IngestServiceStub(self._channel)
        self.spaces = AsyncSpaces(self._channel, self._call, self.server)
        self.map = AsyncMap(self._channel, self._call, self.server)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Closes the connection."""
        await self._channel.close()

    async def search(
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
        """Finds the products nearest to a mix of words, features, photographs and products.

        Without parts it lists the products that pass the filters, by identifier and without scores.

        Args:
          parts: at most 16; a plain string is words.
          k: how many products; more than 1 000 are fetched page by page.
          garment: which vector of the products is compared; None: each product's own garment.
          where: conditions that must all hold; applied before ranking.
          features: features that filter: each one that is set must equal the stored attribute. The
            category `auto` is inferred from the photographs among the parts; see `PartReport`.
          metric: how nearness is measured.
          page_token: `next_page_token` of the page before; the rest of the query must be the same.
          min_index_version: sees at least this write.
        """
        request = search_pb2.SearchProductsRequest(
            parts=map(wire.to_part, parts),
            garment=wire.to_garment(garment),
            filter=wire.to_filter(where),
            page_size=min(k, _LARGEST_PAGE),
            page_token=page_token,
            min_index_version=min_index_version,
            metric=wire.METRICS[models.Metric(metric)],
        )
        if features is not None:
            request.features.CopyFrom(wire.to_features(features))
        page = await self._call(self._search.SearchProducts, request)
        first, results = page, list(page.results)
        while len(results) < k and page.next_page_token:
            request.page_token = page.next_page_token
            page = await self._call(self._search.SearchProducts, request)
            results.extend(page.results)
        return models.SearchResults(
            results=tuple(map(wire.search_result, results[:k])),
            index_version=first.index_version,
            candidate_count=first.candidate_count,
            # Where a page was cut there is no token for the place of the cut.
            next_page_token=page.next_page_token if len(results) <= k else "",
            parts=tuple(map(wire.part_report, first.part_reports)),
            no_good_match=wire.no_good_match(first),
            score_meaning=wire.score_meaning(first),
            embedding_version=first.embedding_version,
        )

    async def similar(
        self,
        product_id: str,
        *,
        k: int = 5,
        garment: Garment | str | None = None,
        where: Iterable[query.Condition] = (),
        metric: models.Metric | str = models.Metric.COSINE,
        min_index_version: int = 0,
    ) -> models.SearchResults:
        """Finds the products most similar to one of the catalogue, never itself."""
        response = await self._call(
            self._search.FindSimilarProducts,
            search_pb2.FindSimilarProductsRequest(
                product_id=product_id,
                k=k,
                garment=wire.to_garment(garment),
                filter=wire.to_filter(where),
                min_index_version=min_index_version,
                metric=wire.METRICS[models.Metric(metric)],
            ),
        )
        return models.SearchResults(
            results=tuple(map(wire.search_result, response.results)),
            index_version=response.index_version,
            no_good_match=wire.no_good_match(response),
            score_meaning=wire.score_meaning(response),
            embedding_version=response.embedding_version,
        )

    async def get(
        self, product_id: str, *, vectors: bool = False, min_index_version: int = 0
    ) -> models.Product:
        """Reads one product.

        Raises:
          NotFound: there is none of this identifier.
        """
        request = search_pb2.GetProductRequest(
            product_id=product_id, view=_view(vectors), min_index_version=min_index_version
        )
        response = await self._call(self._search.GetProduct, request)
        return wire.product(response.product)

    async def list_page(
        self,
        *,
        where: Iterable[query.Condition] = (),
        page_size: int = 50,
        page_token: str = "",
        vectors: bool = False,
        min_index_version: int = 0,
    ) -> models.ProductPage:
        """Reads one page of the products, in order of identifier."""
        request = search_pb2.ListProductsRequest(
            filter=wire.to_filter(where),
            page_size=page_size,
            page_token=page_token,
            view=_view(vectors),
            min_index_version=min_index_version,
        )
        response = await self._call(self._search.ListProducts, request)
        return models.ProductPage(
            products=tuple(map(wire.product, response.products)),
            next_page_token=response.next_page_token,
            total_size=response.total_size,
        )

    async def list(
        self,
        *,
        where: Iterable[query.Condition] = (),
        page_size: int = 200,
        vectors: bool = False,
    ) -> AsyncIterator[models.Product]:
        """Iterates over all products, in order of identifier, a page at a time."""
        conditions, token = tuple(where), ""
        while True:
            page = await self.list_page(
                where=conditions, page_size=page_size, page_token=token, vectors=vectors
            )
            for product in page.products:
                yield product
            if not (token := page.next_page_token):
                return

    async def delete(self, *product_ids: str) -> models.Deletion:
        """Deletes products. Unknown identifiers are told, not refused."""
        deleted: list[str] = []
        unknown: list[str] = []
        version = 0
        for start in range(0, len(product_ids), _LARGEST_PAGE):
            request = ingest_pb2.DeleteProductsRequest(
                product_ids=product_ids[start : start + _LARGEST_PAGE]
            )
            response = await self._call(self._ingest.DeleteProducts, request)
            deleted.extend(response.deleted_product_ids)
            unknown.extend(response.unknown_product_ids)
            version = max(version, response.index_version)
        return models.Deletion(tuple(deleted), tuple(unknown), version)

    async def facets(
        self,
        *fields: str,
        where: Iterable[query.Condition] = (),
        max_values: int = 50,
    ) -> models.Facets:
        """Counts the values of attributes; without `fields`, of all whose values repeat."""
        request = search_pb2.ListFacetsRequest(
            fields=fields, filter=wire.to_filter(where), max_values=max_values
        )
        response = await self._call(self._search.ListFacets, request)
        return models.Facets(tuple(map(wire.facet, response.facets)), response.product_count)

    async def segment(
        self,
        data: bytes,
        *,
        output: models.SegmentOutput | str | None = None,
        garment: Garment | str | None = None,
        background: tuple[int, int, int] | None = None,
        max_side_px: int = 0,
        encoding: str = "png",
    ) -> models.Segmentation:
        """Finds the garments of a photograph.

        Args:
          data: an encoded file.
          output: the picture wanted besides the list of garments.
          garment: what composite and crop show; None: the union.
          background: red, green, blue behind composite and crop, 0 to 255; None: the green screen.
          max_side_px: longest side of composite and crop; 0: no limit.
          encoding: `png`, `jpeg` or `webp`; a mask is always PNG.
        """
        request = search_pb2.SegmentImageRequest(
            image=image_pb2.Image(encoded=data),
            garment=wire.to_garment(garment),
            max_side_px=max_side_px,
            encoding=wire.ENCODINGS[encoding],
        )
        if output is not None:
            request.output = wire.OUTPUTS[models.SegmentOutput(output)]
        if background is not None:
            red, green, blue = background
            request.background.CopyFrom(image_pb2.Colour(red=red, green=green, blue=blue))
        return wire.segmentation(await self._call(self._search.SegmentImage, request))

    async def image(self, sha256: str, *, max_side_px: int = 0) -> models.StoredImage:
        """Reads a stored photograph, reduced to a longest side if asked.

        Raises:
          NotFound: no stored image has this digest.
        """
        request = search_pb2.GetImageRequest(sha256=sha256, max_side_px=max_side_px)
        response = await self._call(self._search.GetImage, request)
        return models.StoredImage(response.data, response.media_type)

    async def status(self) -> models.Status:
        """Tells how every service is."""
        request = search_pb2.GetStatusRequest()
        return wire.status(await self._call(self._search.GetStatus, request))

    async def ingest(
        self,
        source: Catalogue | Iterable[ProductInput] | AsyncIterable[ProductInput],
        *,
        settings: IngestSettings | None = None,
        on_outcome: Callable[[ProductOutcome], object] | None = None,
        on_event: Callable[[Event], object] | None = None,
    ) -> IngestSummary:
        """Sends a catalogue, over as many connections as it takes.

        Memory is bounded by the settings, whatever the size of the catalogue. A `Catalogue` goes on
        where a run before broke off; products that were stored then count as unchanged.

        Args:
          source: a scanned catalogue, or products from anywhere.
          settings: None: the defaults.
          on_outcome: called once for each product, as soon as its outcome is durable.
          on_event: told of connections opened and broken.

        Raises:
          IngestError: the stream ended for good; `summary` says how far it got.
        """
        settings = settings or IngestSettings()
        feed: Feed = source if isinstance(source, Catalogue) else IterableFeed(source)
        channel = open_channel(self.server)
        try:
            return await IngestRun(
                lambda: Duplex(channel, server=self.server, metadata=_metadata()),
                feed,
                client=CLIENT,
                settings=settings,
                on_outcome=on_outcome,
                on_event=on_event,
            ).run()
        finally:
            await feed.aclose()
            await asyncio.to_thread(channel.close)

    async def _call(self, method: Any, request: Message, *, timeout_s: float | None = None) -> Any:
        # `Any`, because grpcio ships no types: what a stub's method takes and returns is not known.
        loop = asyncio.get_running_loop()
        end, metadata = loop.time() + (timeout_s or self._timeout_s), _metadata()
        for attempt in range(1, _ATTEMPTS + 1):
            try:
                return await method(request, timeout=end - loop.time(), metadata=metadata)
            except grpc.aio.AioRpcError as error:
                failure = errors.from_call(error, server=self.server)
                if attempt == _ATTEMPTS or not _may_pass(failure):
                    raise failure from error
            wait_s = _FIRST_BACKOFF_S * 2 ** (attempt - 1) * random.uniform(0.5, 1.0)
            wait_s = max(wait_s, failure.retry_after_s or 0.0)
            if loop.time() + wait_s >= end:
                raise failure
            await asyncio.sleep(wait_s)
        raise AssertionError("the last attempt returns or raises")


def _may_pass(failure: errors.ApiError) -> bool:
    # The contract lets every method here be repeated.
    return isinstance(failure, errors.Unavailable) or failure.reason == "QUEUE_FULL"


def _view(vectors: bool) -> product_pb2.ProductView.ValueType:
    return product_pb2.PRODUCT_VIEW_VECTORS if vectors else product_pb2.PRODUCT_VIEW_BASIC


def _metadata() -> tuple[tuple[str, str], ...]:
    # Named here, so that an error can be found in the logs even if the answer got lost.
    return (("x-request-id", uuid.uuid4().hex),)
