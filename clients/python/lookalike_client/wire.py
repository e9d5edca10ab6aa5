"""Between messages and the values of this package."""

import math
import struct
from collections.abc import Iterable, Mapping
from datetime import UTC
from typing import Any, Final

from google.protobuf.struct_pb2 import Struct
from google.protobuf.struct_pb2 import Value as PbValue
from google.protobuf.timestamp_pb2 import Timestamp
from google.rpc import status_pb2

from lookalike.gateway.v1 import search_pb2
from lookalike.type.v1 import (
    distance_pb2,
    embedding_pb2,
    filter_pb2,
    garment_pb2,
    image_pb2,
    product_pb2,
)
from lookalike_client import errors, models, query
from lookalike_client.models import Garment

_GARMENTS: Final[Mapping[Garment, garment_pb2.Garment.ValueType]] = {
    Garment.UPPER: garment_pb2.GARMENT_UPPER,
    Garment.LOWER: garment_pb2.GARMENT_LOWER,
    Garment.FULL: garment_pb2.GARMENT_FULL,
    Garment.UNION: garment_pb2.GARMENT_UNION,
}
_GARMENTS_BACK: Final = {number: garment for garment, number in _GARMENTS.items()}
_STAGES: Final = {
    product_pb2.INGEST_STAGE_FETCH: models.Stage.FETCH,
    product_pb2.INGEST_STAGE_DECODE: models.Stage.DECODE,
    product_pb2.INGEST_STAGE_SEGMENT: models.Stage.SEGMENT,
    product_pb2.INGEST_STAGE_EMBED: models.Stage.EMBED,
    product_pb2.INGEST_STAGE_INDEX: models.Stage.INDEX,
}
_STATES: Final = {
    search_pb2.SERVING_STATE_SERVING: models.ServingState.SERVING,
    search_pb2.SERVING_STATE_NOT_SERVING: models.ServingState.NOT_SERVING,
    search_pb2.SERVING_STATE_UNREACHABLE: models.ServingState.UNREACHABLE,
}
OUTPUTS: Final[Mapping[models.SegmentOutput, search_pb2.SegmentOutput.ValueType]] = {
    models.SegmentOutput.COMPOSITE: search_pb2.SEGMENT_OUTPUT_COMPOSITE,
    models.SegmentOutput.MASK: search_pb2.SEGMENT_OUTPUT_MASK,
    models.SegmentOutput.CROP: search_pb2.SEGMENT_OUTPUT_CROP,
}
ENCODINGS: Final[Mapping[str, image_pb2.ImageEncoding.ValueType]] = {
    "png": image_pb2.IMAGE_ENCODING_PNG,
    "jpeg": image_pb2.IMAGE_ENCODING_JPEG,
    "webp": image_pb2.IMAGE_ENCODING_WEBP,
}

# Beyond it a double no longer holds every integer, so 1e300 would print 301 digits it never had.
_EXACT_INTEGERS: Final = 2.0**53


METRICS: Final[Mapping[models.Metric, distance_pb2.DistanceMetric.ValueType]] = {
    models.Metric.COSINE: distance_pb2.DISTANCE_METRIC_COSINE,
    models.Metric.L2: distance_pb2.DISTANCE_METRIC_L2,
    models.Metric.L1: distance_pb2.DISTANCE_METRIC_L1,
}


def to_garment(garment: Garment | str | None) -> garment_pb2.Garment.ValueType:
    """A garment or its name.

    Raises:
      ValueError: no garment has that name.
    """
    return garment_pb2.GARMENT_UNSPECIFIED if garment is None else _GARMENTS[Garment(garment)]


def to_part(part: query.Part | str) -> search_pb2.SearchPart:
    """A part of a query; a plain string is words."""
    match part:
        case str():
            return search_pb2.SearchPart(text=part)
        case query.Text():
            return search_pb2.SearchPart(text=part.text, weight=part.weight)
        case query.Like():
            return search_pb2.SearchPart(product_id=part.product_id, weight=part.weight)
        case query.FeatureWords():
            return search_pb2.SearchPart(features=to_features(part.features), weight=part.weight)
        case query.Photo():
            image = search_pb2.ImageQuery(
                image=image_pb2.Image(encoded=part.data), garment=to_garment(part.garment)
            )
            return search_pb2.SearchPart(image=image, weight=part.weight)


def to_features(features: query.Features) -> search_pb2.Features:
    """Features."""
    return search_pb2.Features(
        type=features.type,
        colour=features.colour,
        category=features.category,
        pattern=features.pattern,
        season=features.season,
        person=features.person,
    )


def to_filter(conditions: Iterable[query.Condition]) -> filter_pb2.Filter:
    """Conditions that must all hold."""
    return filter_pb2.Filter(conditions=map(_to_condition, conditions))


def _to_condition(condition: query.Condition) -> filter_pb2.Condition:
    field = condition.field
    match condition:
        case query.AnyOf():
            return filter_pb2.Condition(field=field, any_of=_to_values(condition.values))
        case query.NoneOf():
            return filter_pb2.Condition(field=field, none_of=_to_values(condition.values))
        case query.Between():
            interval = filter_pb2.NumberRange(minimum=condition.minimum, maximum=condition.maximum)
            return filter_pb2.Condition(field=field, range=interval)
        case query.Exists():
            return filter_pb2.Condition(field=field, exists=condition.exists)


def _to_values(values: Iterable[query.Scalar]) -> filter_pb2.ValueSet:
    return filter_pb2.ValueSet(values=map(_to_value, values))


def _to_value(value: query.Scalar) -> PbValue:
    if isinstance(value, bool):
        return PbValue(bool_value=value)
    return PbValue(string_value=value) if isinstance(value, str) else PbValue(number_value=value)


def to_struct(attributes: Mapping[str, Any]) -> Struct:
    """Attributes."""
    struct_ = Struct()
    struct_.update(dict(attributes))
    return struct_


def _value(value: PbValue) -> Any:
    match value.WhichOneof("kind"):
        case "string_value":
            return value.string_value
        case "bool_value":
            return value.bool_value
        case "number_value":
            number = value.number_value
            whole = math.isfinite(number) and number.is_integer() and abs(number) <= _EXACT_INTEGERS
            return int(number) if whole else number
        case "list_value":
            return [_value(item) for item in value.list_value.values]
        case "struct_value":
            return _attributes(value.struct_value)
    return None


def _attributes(attributes: Struct) -> dict[str, Any]:
    return {key: _value(attributes.fields[key]) for key in sorted(attributes.fields)}


def _garment(garment: garment_pb2.Garment.ValueType) -> Garment | None:
    return _GARMENTS_BACK.get(garment)


def _image_garment(found: product_pb2.ImageGarment) -> models.ImageGarment:
    box = found.bounding_box
    return models.ImageGarment(
        garment=_garment(found.garment),
        bounding_box=models.BoundingBox(box.left_px, box.top_px, box.width_px, box.height_px),
        area_fraction=found.area_fraction,
        confidence=found.confidence,
    )


def _garments(found: Iterable[product_pb2.ImageGarment]) -> tuple[models.ImageGarment, ...]:
    return tuple(map(_image_garment, found))


def _vector(embedding: embedding_pb2.Embedding) -> tuple[float, ...]:
    data = embedding.values_f32
    return struct.unpack(f"<{len(data) // 4}f", data)


def _product_image(image: product_pb2.ProductImage) -> models.ProductImage:
    return models.ProductImage(
        sha256=image.sha256,
        uri=image.uri,
        label=image.label,
        width_px=image.width_px,
        height_px=image.height_px,
        size_bytes=image.size_bytes,
        garments=_garments(image.garments),
        whole_image_fallback=image.whole_image_fallback,
        embeddings={
            garment: _vector(item.embedding)
            for item in image.embeddings
            if (garment := _garment(item.garment)) is not None
        },
    )


def reason_of(status: status_pb2.Status) -> tuple[str, str]:
    """The reason and message of a status inside a message; the code's name where none is given."""
    error = errors.from_status(status)
    return error.reason or error.code.name, error.message


def image_failure(failure: product_pb2.ImageFailure) -> models.ImageFailure:
    """A photograph that could not be used."""
    reason, message = reason_of(failure.status)
    return models.ImageFailure(
        index=failure.image_index,
        image=failure.label or str(failure.image_index),
        stage=_STAGES.get(failure.stage),
        reason=reason,
        message=message,
        retryable=failure.retryable,
    )


def _time(message: Any, field: str) -> Any:
    if not message.HasField(field):
        return None
    timestamp: Timestamp = getattr(message, field)
    return timestamp.ToDatetime(tzinfo=UTC)


def product(message: product_pb2.Product) -> models.Product:
    """A product."""
    return models.Product(
        product_id=message.product_id,
        name=message.name,
        attributes=_attributes(message.attributes),
        images=tuple(map(_product_image, message.images)),
        image_failures=tuple(map(image_failure, message.image_failures)),
        own_garment=_garment(message.own_garment),
        pipeline_version=message.pipeline_version,
        create_time=_time(message, "create_time"),
        update_time=_time(message, "update_time"),
        embedding=_vector(message.embedding),
    )


def search_result(message: search_pb2.SearchResult) -> models.SearchResult:
    """A product and how near it is."""
    return models.SearchResult(
        product=product(message.product),
        score=message.score if message.HasField("score") else None,
        weak=message.weak,
        best_image_index=message.best_image_index,
        best_garment=_garment(message.best_garment),
        best_image_score=message.best_image_score,
        match_probability=(
            message.match_probability if message.HasField("match_probability") else None
        ),
        distance=message.distance if message.HasField("distance") else None,
    )


def no_good_match(
    message: search_pb2.SearchProductsResponse | search_pb2.FindSimilarProductsResponse,
) -> bool | None:
    """Whether nothing good was found; None if the answer does not tell."""
    return message.no_good_match if message.HasField("no_good_match") else None


def score_meaning(
    message: search_pb2.SearchProductsResponse | search_pb2.FindSimilarProductsResponse,
) -> models.ScoreMeaning | None:
    """What the probabilities of an answer rest on."""
    if not message.HasField("score_meaning"):
        return None
    meaning = message.score_meaning
    return models.ScoreMeaning(meaning.embedding_version, meaning.fitted_on, meaning.weak_below)


def part_report(message: search_pb2.PartReport) -> models.PartReport:
    """What was made of a part of a query."""
    guess = message.category_guess
    return models.PartReport(
        words=message.words,
        text_truncated=message.text_truncated,
        garments=_garments(message.garments),
        whole_image_fallback=message.whole_image_fallback,
        category_guess=(
            models.CategoryGuess(guess.category, guess.confidence, guess.applied)
            if message.HasField("category_guess")
            else None
        ),
    )


def facet(message: filter_pb2.Facet) -> models.Facet:
    """The values of one attribute."""
    return models.Facet(
        field=message.field,
        values=tuple(
            models.FacetValue(_value(item.value), item.product_count) for item in message.values
        ),
        distinct_values=message.distinct_values,
    )


def segmentation(message: search_pb2.SegmentImageResponse) -> models.Segmentation:
    """The garments of a photograph."""
    return models.Segmentation(
        width_px=message.width_px,
        height_px=message.height_px,
        garments=_garments(message.garments),
        whole_image_fallback=message.whole_image_fallback,
        picture=message.picture.encoded,
    )


def status(message: search_pb2.GetStatusResponse) -> models.Status:
    """How the system is."""
    return models.Status(
        services=tuple(map(_service, message.services)),
        product_count=message.product_count,
        image_count=message.image_count,
        index_version=message.index_version,
        pipeline_version=message.pipeline_version,
        store=message.store,
        load=_load(message.load) if message.HasField("load") else None,
    )


def _load(message: search_pb2.GatewayLoad) -> models.Load:
    return models.Load(
        window_s=message.window_s,
        searches_per_s=message.searches_per_s,
        search_p50_ms=message.search_p50_ms,
        search_p95_ms=message.search_p95_ms,
        ingested_products_per_s=message.ingested_products_per_s,
        ingested_images_per_s=message.ingested_images_per_s,
        open_ingest_calls=message.open_ingest_calls,
        errors_per_s=message.errors_per_s,
    )


def _service(message: search_pb2.ServiceStatus) -> models.ServiceStatus:
    reason, text = reason_of(message.status) if message.status.code else ("", "")
    return models.ServiceStatus(
        name=message.name,
        state=_STATES.get(message.state, models.ServingState.UNREACHABLE),
        detail=message.detail,
        execution_provider=message.execution_provider,
        latency_ms=message.latency_ms,
        reason=reason,
        message=text,
        warm_up_fraction=message.warm_up_fraction if message.HasField("warm_up_fraction") else None,
    )
