"""Questions to the index and its answers."""

from typing import cast

from google.protobuf import struct_pb2

from lookalike.indexer.v1 import indexer_pb2
from lookalike.type.v1 import distance_pb2, embedding_pb2, filter_pb2, product_pb2
from services.gateway.ranking import (
    Conditions,
    Facet,
    FacetCounts,
    Hit,
    Hits,
    IndexQuery,
    ListQuery,
    Neighbour,
    ProductPage,
    ProductTarget,
    StoredImage,
    StoredProduct,
    Usual,
    VectorTarget,
    View,
)
from services.gateway.values import Garment, IndexInfo
from services.gateway.wire.pictures import garment_number


def filter_message(
    conditions: Conditions | None, equal_attributes: tuple[tuple[str, str], ...]
) -> filter_pb2.Filter | None:
    """Conditions as they came, and attributes that have to be equal."""
    if conditions is None and not equal_attributes:
        return None
    message = filter_pb2.Filter()
    if conditions is not None:
        message.CopyFrom(cast(filter_pb2.Filter, conditions))
    for field, value in equal_attributes:
        message.conditions.add(
            field=field,
            any_of=filter_pb2.ValueSet(values=[struct_pb2.Value(string_value=value)]),
        )
    return message


def search_request(query: IndexQuery) -> indexer_pb2.SearchProductsRequest:
    """A ranking asked for."""
    return indexer_pb2.SearchProductsRequest(
        parts=[_part(target) for target in query.targets],
        garment=garment_number(query.garment),
        filter=filter_message(query.conditions, query.equal_attributes),
        top_k=query.top_k,
        offset=query.offset,
        excluded_product_ids=query.excluded_product_ids,
        embedding_version=query.embedding_version,
        min_index_version=query.min_index_version,
        metric=distance_pb2.DistanceMetric.ValueType(int(query.metric)),
    )


def _part(target: VectorTarget | ProductTarget) -> indexer_pb2.QueryPart:
    if isinstance(target, ProductTarget):
        return indexer_pb2.QueryPart(product_id=target.product_id, weight=target.weight)
    return indexer_pb2.QueryPart(
        embedding=embedding_pb2.Embedding(values_f32=target.values_f32), weight=target.weight
    )


def hits(message: indexer_pb2.SearchProductsResponse) -> Hits:
    """A ranking."""
    return Hits(
        hits=tuple(
            Hit(
                product=StoredProduct(one.product),
                score=one.score,
                distance=one.distance if one.HasField("distance") else None,
                part_cosines=tuple(one.part_cosines),
                best_image_index=one.best_image_index,
                best_garment=Garment(one.best_garment),
                best_image_score=one.best_image_score,
            )
            for one in message.results
        ),
        candidate_count=message.candidate_count,
        index_version=message.index_version,
        usual=Usual(tuple(message.usual_cosines), message.usual_count),
        embedding_version=message.embedding_version,
    )


def neighbours(message: indexer_pb2.SearchProductsResponse, field: str) -> tuple[Neighbour, ...]:
    """The words that the products of a ranking have of one attribute; most have one."""
    return tuple(
        Neighbour(_words(one.product.attributes.fields[field]), one.cosine)
        for one in message.results
        if field in one.product.attributes.fields
    )


def facet_words(message: indexer_pb2.ListFacetsResponse) -> tuple[str, ...]:
    """The values of facets that are words, the most frequent first."""
    return tuple(
        word for facet in message.facets for one in facet.values for word in _words(one.value)
    )


def _words(value: struct_pb2.Value) -> tuple[str, ...]:
    if value.HasField("list_value"):
        return tuple(word for one in value.list_value.values for word in _words(one))
    return (value.string_value,) if value.string_value else ()


def list_request(query: ListQuery) -> indexer_pb2.ListProductsRequest:
    """A page asked for."""
    return indexer_pb2.ListProductsRequest(
        page_size=query.page_size,
        page_token=query.page_token,
        filter=filter_message(query.conditions, query.equal_attributes),
        view=view_number(query.view),
        min_index_version=query.min_index_version,
    )


def view_number(value: View) -> product_pb2.ProductView.ValueType:
    """The view's number on the wire."""
    return product_pb2.ProductView.ValueType(int(value))


def product_page(message: indexer_pb2.ListProductsResponse) -> ProductPage:
    """A page of products."""
    return ProductPage(
        products=tuple(StoredProduct(product) for product in message.products),
        product_ids=tuple(product.product_id for product in message.products),
        next_page_token=message.next_page_token,
        total_size=message.total_size,
    )


def facet_counts(message: indexer_pb2.ListFacetsResponse) -> FacetCounts:
    """Counted values."""
    return FacetCounts(
        facets=tuple(Facet(facet) for facet in message.facets),
        product_count=message.product_count,
    )


def stored_image(message: indexer_pb2.GetImageResponse) -> StoredImage:
    """A stored file."""
    return StoredImage(message.image.data, message.image.media_type)


def index_info(message: indexer_pb2.GetIndexInfoResponse) -> IndexInfo:
    """What the index holds."""
    return IndexInfo(
        product_count=message.product_count,
        image_count=message.image_count,
        index_version=message.index_version,
        embedding_version=message.embedding_version,
        store=message.store,
    )
