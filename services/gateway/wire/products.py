"""Products on their way into the index, and what became of them."""

from collections.abc import Iterable, Mapping

from google.protobuf import struct_pb2

from lookalike.indexer.v1 import indexer_pb2, spaces_pb2
from lookalike.type.v1 import embedding_pb2, product_pb2
from servicekit.status import from_status, to_status
from services.gateway.catalogue import (
    Attributes,
    Committed,
    GarmentVector,
    ImageFailure,
    ImageRecord,
    Known,
    OpenedStream,
    Outcome,
    PlacedImage,
    ProductDraft,
    SequencedOutcome,
    SpaceVectors,
    Stage,
    State,
    Upserted,
)
from services.gateway.values import Garment
from services.gateway.wire.pictures import (
    found_garment_messages,
    found_garments,
    garment_number,
)


def attributes(message: struct_pb2.Struct) -> dict[str, object]:
    """Attributes as plain values, unchecked; numbers are floats, a nested object is a dict."""
    return {key: _value(value) for key, value in message.fields.items()}


def _value(message: struct_pb2.Value) -> object:
    match message.WhichOneof("kind"):
        case "string_value":
            return message.string_value
        case "number_value":
            return message.number_value
        case "bool_value":
            return message.bool_value
        case "list_value":
            return [_value(value) for value in message.list_value.values]
        case "struct_value":
            # Refused later, whatever is in it.
            return {}
        case _:
            return None


def attributes_message(values: Attributes) -> struct_pb2.Struct:
    """The message of canonical attributes."""
    message = struct_pb2.Struct()
    for key, value in values.items():
        field = message.fields[key]
        if isinstance(value, tuple):
            for item in value:
                _set(field.list_value.values.add(), item)
        else:
            _set(field, value)
    return message


def _set(field: struct_pb2.Value, value: str | float | bool) -> None:
    if isinstance(value, str):
        field.string_value = value
    elif isinstance(value, bool):
        field.bool_value = value
    else:
        field.number_value = value


def failures(messages: Iterable[product_pb2.ImageFailure]) -> tuple[ImageFailure, ...]:
    """Failures as they were stored."""
    return tuple(
        ImageFailure(
            image_index=one.image_index,
            label=one.label,
            stage=Stage(one.stage),
            error=from_status(one.status),
            retryable=one.retryable,
        )
        for one in messages
    )


def failure_messages(values: Iterable[ImageFailure]) -> list[product_pb2.ImageFailure]:
    """The messages of failures."""
    return [
        product_pb2.ImageFailure(
            image_index=one.image_index,
            label=one.label,
            stage=product_pb2.IngestStage.ValueType(int(one.stage)),
            status=to_status(one.error),
            retryable=one.retryable,
        )
        for one in values
    ]


def image_record(message: product_pb2.ProductImage) -> ImageRecord:
    """What is known of a photograph."""
    return ImageRecord(
        sha256=message.sha256,
        width_px=message.width_px,
        height_px=message.height_px,
        garments=found_garments(message.garments),
        whole_image_fallback=message.whole_image_fallback,
        vectors=tuple(
            GarmentVector(Garment(one.garment), one.embedding.values_f32)
            for one in message.embeddings
        ),
    )


def _image_message(image: PlacedImage) -> product_pb2.ProductImage:
    record = image.record
    return product_pb2.ProductImage(
        sha256=record.sha256,
        label=image.label,
        width_px=record.width_px,
        height_px=record.height_px,
        garments=found_garment_messages(record.garments),
        whole_image_fallback=record.whole_image_fallback,
        embeddings=map(_garment_message, record.vectors),
        size_bytes=image.size_bytes,
    )


def _garment_message(found: GarmentVector) -> embedding_pb2.GarmentEmbedding:
    return embedding_pb2.GarmentEmbedding(
        garment=garment_number(found.garment),
        embedding=embedding_pb2.Embedding(values_f32=found.values_f32),
    )


def record_message(draft: ProductDraft) -> indexer_pb2.ProductRecord:
    """A product as the indexer takes it."""
    return indexer_pb2.ProductRecord(
        product=product_pb2.Product(
            product_id=draft.product_id,
            name=draft.name,
            attributes=attributes_message(draft.attributes),
            images=[_image_message(image) for image in draft.images],
            image_failures=failure_messages(draft.failures),
        ),
        content_digest=draft.content_digest,
        pipeline_version=draft.pipeline_version,
        embedding_version=draft.space.version,
        dimension=draft.space.dimension,
        model=draft.space.model,
        other_spaces=map(space_vectors_message, draft.others),
    )


def space_vectors_message(found: SpaceVectors) -> spaces_pb2.SpaceVectors:
    """A product in one space."""
    return spaces_pb2.SpaceVectors(
        embedding_version=found.space.version,
        dimension=found.space.dimension,
        model=found.space.model,
        pipeline_version=found.pipeline_version,
        images=[
            spaces_pb2.ImageVectors(embeddings=map(_garment_message, vectors))
            for vectors in found.images
        ],
    )


def committed_outcome(one: SequencedOutcome) -> indexer_pb2.CommittedOutcome:
    """An outcome and what it writes."""
    outcome = one.outcome
    return indexer_pb2.CommittedOutcome(
        outcome=indexer_pb2.Outcome(
            sequence=one.sequence,
            product_id=outcome.product_id,
            state=indexer_pb2.OutcomeState.ValueType(int(outcome.state)),
            status=to_status(outcome.error) if outcome.error is not None else None,
            image_failures=failure_messages(outcome.failures),
        ),
        product=record_message(outcome.draft) if outcome.draft is not None else None,
    )


def stored_outcome(message: indexer_pb2.Outcome) -> SequencedOutcome:
    """An outcome that was written earlier."""
    return SequencedOutcome(
        message.sequence,
        Outcome(
            product_id=message.product_id,
            state=State(message.state),
            error=from_status(message.status) if message.HasField("status") else None,
            failures=failures(message.image_failures),
        ),
    )


def opened_stream(message: indexer_pb2.OpenStreamResponse) -> OpenedStream:
    """A stream's state when it was opened."""
    return OpenedStream(message.epoch, message.last_durable_sequence, message.outcome_count)


def committed(message: indexer_pb2.CommitOutcomesResponse) -> Committed:
    """A stream's state after a write."""
    return Committed(message.last_durable_sequence, message.index_version)


def known(message: indexer_pb2.LookUpKnownResponse) -> Known:
    """What the index holds."""
    unchanged: Mapping[str, tuple[ImageFailure, ...]] = {
        one.product_id: failures(one.image_failures) for one in message.unchanged_products
    }
    return Known(unchanged, {one.sha256: image_record(one) for one in message.images})


def upserted(message: indexer_pb2.UpsertProductsResponse) -> Upserted:
    """What became of products."""
    errors = {
        position: from_status(status)
        for position, status in enumerate(message.statuses)
        if status.code
    }
    return Upserted(errors, message.index_version)
