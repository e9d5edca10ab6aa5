"""Searches, listings and their page tokens."""

import base64
import binascii
import hashlib
import json
import math
from dataclasses import replace
from typing import Final, cast

from lookalike.indexer.v1 import indexer_pb2
from lookalike.type.v1 import garment_pb2, product_pb2
from servicekit.errors import InvalidArgument
from services.indexer.catalogue import Match, QueryPart, SearchAnswer, SearchRequest
from services.indexer.domain import Blob, Garment, Product
from services.indexer.metric import Metric
from services.indexer.shown import Rendered
from services.indexer.wire import checks
from services.indexer.wire.filters import conditions
from services.indexer.wire.products import product_message

# A parsed message takes several times the bytes that it has on the wire.
_MEMORY_OF_A_BYTE: Final = 6


def search_request(request: indexer_pb2.SearchProductsRequest) -> SearchRequest:
    """Raises: InvalidArgument: FIELD_INVALID, FILTER_INVALID."""
    checks.size(request.parts, "parts", 1, 16)
    checks.size(request.excluded_product_ids, "excluded_product_ids", 0, 10_000)
    parts = [_part(part, f"parts[{index}]") for index, part in enumerate(request.parts)]
    if any(not isinstance(part.target, str) for part in parts):
        checks.text(request.embedding_version, "embedding_version", 256)
    return SearchRequest(
        parts=parts,
        garment=garment(request.garment),
        conditions=conditions(request.filter),
        top_k=checks.count(request.top_k, "top_k", 1, 10_000),
        offset=checks.count(request.offset, "offset", 0, 100_000),
        excluded_ids=frozenset(request.excluded_product_ids),
        embedding_version=request.embedding_version,
        min_index_version=min_index_version(request.min_index_version),
        metric=_metric(request.metric),
    )


def _metric(number: int) -> Metric:
    try:
        return Metric(number or Metric.COSINE)
    except ValueError:
        raise checks.invalid("metric", f"{number} is no metric") from None


def _part(message: indexer_pb2.QueryPart, field: str) -> QueryPart:
    if message.weight == 0 or not math.isfinite(message.weight):
        raise checks.invalid(f"{field}.weight", "must be a number other than 0")
    match message.WhichOneof("target"):
        case "embedding":
            vector = checks.vector(message.embedding, f"{field}.embedding")
            return QueryPart(vector, message.weight)
        case "product_id":
            checks.text(message.product_id, f"{field}.product_id", 256)
            return QueryPart(message.product_id, message.weight)
        case _:
            raise checks.invalid(field, "has exactly one target")


def garment(number: int) -> Garment | None:
    return None if number == garment_pb2.GARMENT_UNSPECIFIED else checks.garment(number, "garment")


def min_index_version(value: int) -> int:
    return checks.count(value, "min_index_version", 0, 2**63 - 1)


def wants_vectors(view: int) -> bool:
    """Raises: InvalidArgument: FIELD_INVALID for a view that there is not."""
    if view not in product_pb2.ProductView.values():
        raise checks.invalid("view", f"{view} is no view")
    return view == product_pb2.PRODUCT_VIEW_VECTORS


def search_response(answer: SearchAnswer) -> indexer_pb2.SearchProductsResponse:
    return indexer_pb2.SearchProductsResponse(
        results=[_scored(match) for match in answer.matches],
        candidate_count=answer.candidate_count,
        index_version=answer.index_version,
        usual_cosines=answer.usual.cosines,
        usual_count=answer.usual.count,
        embedding_version=answer.embedding_version,
    )


def _scored(match: Match) -> indexer_pb2.ScoredProduct:
    return indexer_pb2.ScoredProduct(
        product=cast(product_pb2.Product, match.product),
        score=match.hit.score,
        distance=match.hit.distance,
        cosine=match.hit.cosine,
        part_cosines=match.hit.part_cosines,
        best_image_index=match.best_image_index,
        best_garment=garment_pb2.Garment.ValueType(match.best_garment or 0),
        best_image_score=match.best_image_score,
    )


def shown(product: Product) -> tuple[Rendered, int]:
    """A product as results show it, and about how many bytes of memory that takes."""
    bare = replace(
        product,
        images=tuple(replace(image, embeddings=()) for image in product.images),
        vectors={},
    )
    message = product_message(bare)
    return Rendered(message), _MEMORY_OF_A_BYTE * message.ByteSize()


def page_token(after: str, request: indexer_pb2.ListProductsRequest) -> str:
    """Where the next page begins, bound to the request it is for."""
    text = json.dumps([after, _fingerprint(request)])
    return base64.urlsafe_b64encode(text.encode()).decode()


def page_start(request: indexer_pb2.ListProductsRequest) -> str:
    """The identifier after which the page begins; empty for the first.

    Raises:
      InvalidArgument: PAGE_TOKEN_INVALID.
    """
    if not request.page_token:
        return ""
    try:
        found = json.loads(base64.b64decode(request.page_token, b"-_", validate=True))
    except (binascii.Error, ValueError, RecursionError):
        found = None
    match found:
        case [str(after), str(fingerprint)] if fingerprint == _fingerprint(request):
            return after
    raise InvalidArgument(
        "The page token was not made by this server for this request.",
        reason="PAGE_TOKEN_INVALID",
        field="page_token",
    )


def _fingerprint(request: indexer_pb2.ListProductsRequest) -> str:
    same = indexer_pb2.ListProductsRequest(filter=request.filter, view=request.view)
    return hashlib.sha256(same.SerializeToString(deterministic=True)).hexdigest()[:16]


def blobs(request: indexer_pb2.PutImagesRequest) -> list[Blob]:
    """Raises: InvalidArgument: FIELD_INVALID, IMAGE_EMPTY, IMAGE_DIGEST_MISMATCH."""
    checks.size(request.images, "images", 1, 64)
    return [_blob(blob, f"images[{index}]") for index, blob in enumerate(request.images)]


def _blob(message: indexer_pb2.Blob, field: str) -> Blob:
    checks.sha256(message.sha256, f"{field}.sha256")
    checks.text(message.media_type, f"{field}.media_type", 256, empty=True)
    if not message.data:
        raise InvalidArgument(
            "The image has no bytes.", reason="IMAGE_EMPTY", field=f"{field}.data"
        )
    if hashlib.sha256(message.data).hexdigest() != message.sha256:
        raise InvalidArgument(
            "The image's bytes do not have the SHA-256 that was named.",
            reason="IMAGE_DIGEST_MISMATCH",
            field=f"{field}.sha256",
        )
    return Blob(message.sha256, message.data, message.media_type)
