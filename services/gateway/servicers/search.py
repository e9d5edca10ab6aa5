"""SearchService: parse, call, render."""

from dataclasses import dataclass
from typing import Any

from google.api import httpbody_pb2

from lookalike.gateway.v1 import search_pb2, search_pb2_grpc
from servicekit.channels import remaining
from services.gateway.domain import Index
from services.gateway.overview import SystemOverview
from services.gateway.photographs import Photographs
from services.gateway.query import Searcher
from services.gateway.values import GREEN_SCREEN, Deadline
from services.gateway.wire import pictures
from services.gateway.wire import search as wire

FULL_SERVICE_NAME = "lookalike.gateway.v1.SearchService"


@dataclass(frozen=True, slots=True)
class SearchNeeds:
    """What the searching side is made of. timeout_s: for a call without a nearer deadline."""

    searcher: Searcher
    photographs: Photographs
    index: Index
    overview: SystemOverview
    timeout_s: float


class SearchServicer(search_pb2_grpc.SearchServiceServicer):
    """See protos/lookalike/gateway/v1/search.proto."""

    def __init__(self, needs: SearchNeeds) -> None:
        self._needs = needs

    async def SearchProducts(
        self, request: search_pb2.SearchProductsRequest, context: Any
    ) -> search_pb2.SearchProductsResponse:
        page = await self._needs.searcher.search(wire.search(request), self._deadline(context))
        return wire.search_page(page)

    async def FindSimilarProducts(
        self, request: search_pb2.FindSimilarProductsRequest, context: Any
    ) -> search_pb2.FindSimilarProductsResponse:
        similar = await self._needs.searcher.similar(
            request.product_id,
            request.k if request.HasField("k") else None,
            pictures.garment(request.garment, "garment"),
            wire.conditions(request),
            wire.min_index_version(request.min_index_version),
            wire.metric(request.metric),
            self._deadline(context),
        )
        return wire.similar(similar)

    async def GetProduct(
        self, request: search_pb2.GetProductRequest, context: Any
    ) -> search_pb2.GetProductResponse:
        product = await self._needs.index.get_product(
            request.product_id,
            wire.view(request.view),
            wire.min_index_version(request.min_index_version),
            timeout_s=self._timeout_s(context),
        )
        return search_pb2.GetProductResponse(product=wire.product(product))

    async def ListProducts(
        self, request: search_pb2.ListProductsRequest, context: Any
    ) -> search_pb2.ListProductsResponse:
        page = await self._needs.index.list_products(
            wire.list_query(request), timeout_s=self._timeout_s(context)
        )
        return wire.product_page(page)

    async def ListFacets(
        self, request: search_pb2.ListFacetsRequest, context: Any
    ) -> search_pb2.ListFacetsResponse:
        counts = await self._needs.index.list_facets(
            tuple(request.fields),
            wire.conditions(request),
            request.max_values,
            timeout_s=self._timeout_s(context),
        )
        return wire.facet_counts(counts)

    async def SegmentImage(
        self, request: search_pb2.SegmentImageRequest, context: Any
    ) -> search_pb2.SegmentImageResponse:
        shown = await self._needs.photographs.segment(
            pictures.picture(request.image, "image"),
            wire.segment_output(request.output),
            pictures.garment(request.garment, "garment"),
            pictures.background(request.background, "background")
            if request.HasField("background")
            else GREEN_SCREEN,
            request.max_side_px,
            pictures.encoding(request.encoding, "encoding"),
            self._deadline(context),
        )
        return wire.shown(shown)

    async def GetImage(
        self, request: search_pb2.GetImageRequest, context: Any
    ) -> search_pb2.GetImageResponse:
        image = await self._needs.photographs.stored(
            request.sha256, request.max_side_px, self._deadline(context)
        )
        return wire.stored_image(image)

    async def ReadImage(
        self, request: search_pb2.ReadImageRequest, context: Any
    ) -> httpbody_pb2.HttpBody:
        image = await self._needs.photographs.stored(
            request.sha256, request.max_side_px, self._deadline(context)
        )
        # Only now: an error must not be kept.
        await context.send_initial_metadata(wire.kept_forever(request))
        return wire.http_body(image)

    async def GetStatus(
        self, request: search_pb2.GetStatusRequest, context: Any
    ) -> search_pb2.GetStatusResponse:
        return wire.overview(await self._needs.overview.now())

    def _timeout_s(self, context: Any) -> float:
        return remaining(context, at_most_s=self._needs.timeout_s)

    def _deadline(self, context: Any) -> Deadline:
        return Deadline.after(self._timeout_s(context))
