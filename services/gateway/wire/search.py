"""The messages of SearchService."""

from collections.abc import Iterable
from typing import cast

from google.api import httpbody_pb2

from lookalike.gateway.v1 import search_pb2
from lookalike.type.v1 import filter_pb2, product_pb2
from servicekit.errors import InvalidArgument
from servicekit.status import to_status
from services.gateway.category_guess import CategoryGuess
from services.gateway.feature_words import Features
from services.gateway.load import Load
from services.gateway.overview import Overview, ServiceState
from services.gateway.page_token import query_digest
from services.gateway.photographs import Output, Shown
from services.gateway.query import MAX_PARTS
from services.gateway.ranking import (
    Conditions,
    FacetCounts,
    ListQuery,
    Metric,
    ProductPage,
    StoredImage,
    StoredProduct,
    View,
)
from services.gateway.search_messages import (
    FeaturesPart,
    Part,
    PartReport,
    PhotographPart,
    ProductPart,
    Ranked,
    ScoreMeaning,
    Search,
    SearchPage,
    Similar,
    TextPart,
)
from services.gateway.wire.pictures import (
    found_garment_messages,
    garment,
    garment_number,
    picture,
    picture_message,
)


def search(request: search_pb2.SearchProductsRequest) -> Search:
    """A question.

    Raises:
      InvalidArgument: FIELD_INVALID, IMAGE_EMPTY; what a part is made of is checked here, what it
        means elsewhere.
    """
    return Search(
        # One too many is enough to be refused for.
        parts=tuple(map(_part, range(MAX_PARTS + 1), request.parts)),
        garment=garment(request.garment, "garment"),
        conditions=conditions(request),
        features=_features(request.features),
        page_size=request.page_size if request.HasField("page_size") else None,
        page_token=request.page_token,
        min_index_version=min_index_version(request.min_index_version),
        metric=metric(request.metric),
        digest=_digest(request),
    )


def _digest(request: search_pb2.SearchProductsRequest) -> bytes:
    query = search_pb2.SearchProductsRequest()
    query.CopyFrom(request)
    # These may differ from page to page.
    query.ClearField("page_token")
    query.ClearField("page_size")
    query.ClearField("min_index_version")
    return query_digest(query.SerializeToString(deterministic=True))


def _part(position: int, message: search_pb2.SearchPart) -> Part:
    weight = message.weight if message.HasField("weight") else 1.0
    match message.WhichOneof("part"):
        case "text":
            return TextPart(message.text, weight)
        case "image":
            field = f"parts[{position}].image"
            return PhotographPart(
                picture(message.image.image, f"{field}.image"),
                garment(message.image.garment, f"{field}.garment"),
                weight,
            )
        case "product_id":
            return ProductPart(message.product_id, weight)
        case "features":
            return FeaturesPart(_features(message.features), weight)
        case _:
            raise InvalidArgument(
                "A part of the query is empty.", reason="FIELD_INVALID", field=f"parts[{position}]"
            )


def _features(message: search_pb2.Features) -> Features:
    return Features(
        type=message.type,
        colour=message.colour,
        category=message.category,
        pattern=message.pattern,
        season=message.season,
        person=message.person,
    )


def conditions(
    request: search_pb2.SearchProductsRequest
    | search_pb2.FindSimilarProductsRequest
    | search_pb2.ListProductsRequest
    | search_pb2.ListFacetsRequest,
) -> Conditions | None:
    """The filter of a request, if it has any; the index checks it."""
    return Conditions(request.filter) if request.HasField("filter") else None


def min_index_version(value: int) -> int:
    """The version that a read must see.

    Raises:
      InvalidArgument: FIELD_INVALID, it is negative.
    """
    if value < 0:
        raise InvalidArgument(
            "An index version is 0 or greater.", reason="FIELD_INVALID", field="min_index_version"
        )
    return value


def metric(value: int) -> Metric:
    """How nearness is measured; raises InvalidArgument for a metric that there is not."""
    try:
        return Metric(value)
    except ValueError:
        raise InvalidArgument(
            f"There is no metric {value}.", reason="FIELD_INVALID", field="metric"
        ) from None


def view(value: int) -> View:
    """How much of a product is wanted; raises InvalidArgument for a view that there is not."""
    try:
        return View(value)
    except ValueError:
        raise InvalidArgument(
            f"There is no view {value}.", reason="FIELD_INVALID", field="view"
        ) from None


def segment_output(value: int) -> Output:
    """The picture wanted; raises InvalidArgument for one that there is not."""
    try:
        return Output(value)
    except ValueError:
        raise InvalidArgument(
            f"There is no output {value}.", reason="FIELD_INVALID", field="output"
        ) from None


def list_query(request: search_pb2.ListProductsRequest) -> ListQuery:
    """A page of a list; the index checks sizes and tokens."""
    return ListQuery(
        page_size=request.page_size,
        page_token=request.page_token,
        conditions=conditions(request),
        equal_attributes=(),
        view=view(request.view),
        min_index_version=min_index_version(request.min_index_version),
    )


def search_page(value: SearchPage) -> search_pb2.SearchProductsResponse:
    """A page of an answer."""
    listed = [search_pb2.SearchResult(product=product(one)) for one in value.listed]
    return search_pb2.SearchProductsResponse(
        results=listed or _ranked(value.judged.ranked),
        next_page_token=value.next_page_token,
        candidate_count=value.candidate_count,
        index_version=value.index_version,
        part_reports=[_part_report(report) for report in value.part_reports],
        no_good_match=value.judged.no_good_match,
        score_meaning=_meaning(value.judged.meaning),
        embedding_version=value.embedding_version,
    )


def _meaning(value: ScoreMeaning | None) -> search_pb2.ScoreMeaning | None:
    if value is None:
        return None
    return search_pb2.ScoreMeaning(
        embedding_version=value.embedding_version,
        fitted_on=value.fitted_on,
        weak_below=value.weak_below,
    )


def _part_report(value: PartReport) -> search_pb2.PartReport:
    return search_pb2.PartReport(
        text_truncated=value.text_truncated,
        words=value.words,
        garments=found_garment_messages(value.garments),
        whole_image_fallback=value.whole_image_fallback,
        category_guess=_category_guess(value.category_guess),
    )


def _category_guess(value: CategoryGuess | None) -> search_pb2.CategoryGuess | None:
    if value is None:
        return None
    return search_pb2.CategoryGuess(
        category=value.category, confidence=value.confidence, applied=value.applied
    )


def similar(value: Similar) -> search_pb2.FindSimilarProductsResponse:
    """Products similar to one."""
    return search_pb2.FindSimilarProductsResponse(
        results=_ranked(value.judged.ranked),
        index_version=value.index_version,
        no_good_match=value.judged.no_good_match,
        score_meaning=_meaning(value.judged.meaning),
        embedding_version=value.embedding_version,
    )


def _ranked(values: Iterable[Ranked]) -> list[search_pb2.SearchResult]:
    return [
        search_pb2.SearchResult(
            product=product(one.hit.product),
            score=one.hit.score,
            distance=one.hit.distance,
            match_probability=one.match_probability,
            weak=one.weak,
            best_image_index=one.hit.best_image_index,
            best_garment=garment_number(one.hit.best_garment),
            best_image_score=one.hit.best_image_score,
        )
        for one in values
    ]


def product(value: StoredProduct) -> product_pb2.Product:
    """The message that a stored product is."""
    return cast(product_pb2.Product, value)


def product_page(value: ProductPage) -> search_pb2.ListProductsResponse:
    """A page of a list."""
    return search_pb2.ListProductsResponse(
        products=map(product, value.products),
        next_page_token=value.next_page_token,
        total_size=value.total_size,
    )


def facet_counts(value: FacetCounts) -> search_pb2.ListFacetsResponse:
    """Counted values."""
    return search_pb2.ListFacetsResponse(
        facets=[cast(filter_pb2.Facet, facet) for facet in value.facets],
        product_count=value.product_count,
    )


def shown(value: Shown) -> search_pb2.SegmentImageResponse:
    """The garments of a photograph."""
    found = value.found
    return search_pb2.SegmentImageResponse(
        width_px=found.width_px,
        height_px=found.height_px,
        garments=found_garment_messages(found.garments),
        whole_image_fallback=found.whole_image_fallback,
        picture=picture_message(value.picture) if value.picture is not None else None,
    )


def stored_image(value: StoredImage) -> search_pb2.GetImageResponse:
    """A stored photograph."""
    return search_pb2.GetImageResponse(data=value.data, media_type=value.media_type)


def http_body(value: StoredImage) -> httpbody_pb2.HttpBody:
    """A stored photograph as what an `<img>` loads."""
    return httpbody_pb2.HttpBody(content_type=value.media_type, data=value.data)


def kept_forever(request: search_pb2.ReadImageRequest) -> tuple[tuple[str, str], ...]:
    """HTTP headers of a photograph: its name is its content, so no cache need ever ask again."""
    return (
        ("cache-control", "public, max-age=31536000, immutable"),
        ("etag", f'"{request.sha256}-{request.max_side_px}"'),
    )


def overview(value: Overview) -> search_pb2.GetStatusResponse:
    """How the system is."""
    index = value.index
    return search_pb2.GetStatusResponse(
        services=[_service(one) for one in value.services],
        product_count=index.product_count if index is not None else 0,
        image_count=index.image_count if index is not None else 0,
        index_version=index.index_version if index is not None else 0,
        pipeline_version=value.pipeline_version,
        store=index.store if index is not None else "",
        load=_load(value.load),
    )


def _load(value: Load) -> search_pb2.GatewayLoad:
    return search_pb2.GatewayLoad(
        window_s=value.window_s,
        searches_per_s=value.searches_per_s,
        search_p50_ms=value.search_p50_ms,
        search_p95_ms=value.search_p95_ms,
        ingested_products_per_s=value.ingested_products_per_s,
        ingested_images_per_s=value.ingested_images_per_s,
        open_ingest_calls=value.open_ingest_calls,
        errors_per_s=value.errors_per_s,
    )


def _service(value: ServiceState) -> search_pb2.ServiceStatus:
    return search_pb2.ServiceStatus(
        name=value.name,
        state=search_pb2.ServingState.ValueType(int(value.serving)),
        status=to_status(value.error) if value.error is not None else None,
        detail=value.detail,
        execution_provider=value.execution_provider,
        latency_ms=value.latency_ms,
        warm_up_fraction=value.warm_up_fraction,
    )
