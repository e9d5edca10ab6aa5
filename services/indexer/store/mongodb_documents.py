"""How products lie in MongoDB.

`products` is the record, whole; `index_entries` what the index in memory is made from, small enough
to be read through at every start and sent through the change stream. Attributes are a list of keys
and values (MongoDB's attribute pattern): their keys are the catalogue's own and may hold dots and
dollars.
"""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, Final, TypeAlias

from bson.binary import Binary, BinaryVectorDtype

from services.indexer.domain import (
    Garment,
    ImageFailure,
    IndexedProduct,
    Outcome,
    OutcomeState,
    Product,
    ProductImage,
    Slot,
    Space,
    StreamKey,
    Vector,
)
from services.indexer.store import codec
from services.indexer.streams import StreamState

Document: TypeAlias = dict[str, Any]

INDEX: Final = "index"
"""The identifier of the one document in `state`."""

WITHOUT_VECTORS: Final[Document] = {"vectors": 0, "images.vectors": 0}
"""The projection of `products` for readers who need no vectors."""


def product_document(product: Product, version: int, created: datetime, now: datetime) -> Document:
    own = product.own_garment
    return {
        "_id": product.product_id,
        "version": version,
        "name": product.name,
        "attributes": _attribute_documents(product),
        "images": [
            {
                **codec.image_fields(image),
                "vectors": _vector_documents(codec.image_vectors(image)),
            }
            for image in product.images
        ],
        "failures": [_failure_document(failure) for failure in product.failures],
        "content_digest": product.content_digest,
        "pipeline_version": product.pipeline_version,
        "retryable": product.retryable,
        "own_garment": own,
        "create_time": created,
        "update_time": now,
        "vectors": _vector_documents({} if own is None else {0: product.vectors[Slot.OWN]}),
    }


def product_of(document: Document) -> Product:
    """A product; of its pooled vectors, its own, if the document was read with vectors."""
    own = document["own_garment"]
    return Product(
        product_id=document["_id"],
        name=document["name"],
        attributes=_attributes_of(document),
        images=tuple(image_of(fields) for fields in document["images"]),
        failures=failures_of(document["failures"]),
        content_digest=document["content_digest"],
        pipeline_version=document["pipeline_version"],
        own_garment=None if own is None else Garment(own),
        vectors={
            Slot(number): vector
            for number, vector in _vectors_of(document.get("vectors", ())).items()
        },
        create_time_us=_microseconds(document["create_time"]),
        update_time_us=_microseconds(document["update_time"]),
        version=document["version"],
    )


def known_images_pipeline(sha256s: Iterable[str], pipeline_version: str) -> list[Document]:
    """An aggregation of the database: `{image}` for each digest that a product has with vectors.

    One look into the index for each digest, and not one query for all: that would read every
    product that has one of the photographs, and a placeholder is a photograph of thousands.
    """
    usable: Document = {
        "$and": [{"$eq": ["$$this.sha256", "$$sha256"]}, {"$ne": ["$$this.vectors", []]}]
    }
    having: list[Document] = [
        {"$match": {"pipeline_version": pipeline_version}},
        {"$project": {"image": {"$first": {"$filter": {"input": "$images", "cond": usable}}}}},
        {"$match": {"image": {"$exists": True}}},
        {"$limit": 1},
    ]
    return [
        {"$documents": [{"sha256": sha256} for sha256 in dict.fromkeys(sha256s)]},
        {
            "$lookup": {
                "from": "products",
                "localField": "sha256",
                "foreignField": "images.sha256",
                "let": {"sha256": "$sha256"},
                "pipeline": having,
                "as": "found",
            }
        },
        {"$unwind": "$found"},
        {"$project": {"image": "$found.image"}},
    ]


def image_of(fields: Mapping[str, Any]) -> ProductImage:
    return codec.image_from_fields(fields, _vectors_of(fields.get("vectors", ())))


def entry_document(product: Product, version: int) -> Document:
    stored = codec.pooled_to_store(product.own_garment, product.vectors)
    return {
        "_id": product.product_id,
        "version": version,
        "name": product.name,
        "attributes": _attribute_documents(product),
        "own_garment": product.own_garment,
        "image_count": len(product.images),
        "vectors": _vector_documents(stored),
    }


def indexed_of(entry: Document) -> IndexedProduct:
    return IndexedProduct(
        entry["_id"],
        entry["name"],
        _attributes_of(entry),
        codec.pooled_from_store(entry["own_garment"], _vectors_of(entry["vectors"])),
        entry["image_count"],
        entry["version"],
    )


def failures_of(documents: Iterable[Mapping[str, Any]]) -> tuple[ImageFailure, ...]:
    return tuple(
        ImageFailure(
            found["image_index"],
            found["label"],
            found["stage"],
            bytes(found["status"]),
            found["retryable"],
        )
        for found in documents
    )


def outcome_document(state: StreamState, outcome: Outcome) -> Document:
    return {
        "stream_id": state.key.stream_id,
        "generation": state.generation,
        "sequence": outcome.sequence,
        "product_id": outcome.product_id,
        "state": int(outcome.state),
        "status": outcome.status,
        "failures": [_failure_document(failure) for failure in outcome.image_failures],
    }


def outcome_of(document: Document) -> Outcome:
    return Outcome(
        document["sequence"],
        document["product_id"],
        OutcomeState(document["state"]),
        bytes(document["status"]),
        failures_of(document["failures"]),
    )


def stream_document(state: StreamState) -> Document:
    return {
        "_id": state.key.stream_id,
        "source_fingerprint": state.key.source_fingerprint,
        "run_id": state.key.run_id,
        "client": state.key.client,
        "generation": state.generation,
        "epoch": state.epoch,
        "watermark": state.watermark,
        "greatest": state.greatest,
        "outcome_count": state.outcome_count,
        "complete": state.complete,
    }


def stream_of(document: Document | None) -> StreamState | None:
    if document is None:
        return None
    key = StreamKey(
        document["_id"],
        document["source_fingerprint"],
        document["run_id"],
        document["client"],
    )
    return StreamState(
        key,
        document["generation"],
        document["epoch"],
        document["watermark"],
        document["greatest"],
        document["outcome_count"],
        document["complete"],
    )


def state_document(version: int, space: Space | None) -> Document:
    return {
        "_id": INDEX,
        "schema": 1,
        "version": version,
        "embedding_version": None if space is None else space.embedding_version,
        "dimension": None if space is None else space.dimension,
    }


def space_of(document: Mapping[str, Any]) -> Space | None:
    if document["embedding_version"] is None:
        return None
    return Space(document["embedding_version"], document["dimension"])


def now() -> datetime:
    """As MongoDB keeps it: whole milliseconds."""
    moment = datetime.now(UTC)
    return moment.replace(microsecond=moment.microsecond // 1000 * 1000)


def _failure_document(failure: ImageFailure) -> Document:
    return {
        "image_index": failure.image_index,
        "label": failure.label,
        "stage": failure.stage,
        "status": failure.status,
        "retryable": failure.retryable,
    }


def _attribute_documents(product: Product) -> list[Document]:
    return [
        {"key": key, "value": list(value) if isinstance(value, tuple) else value}
        for key, value in product.attributes.items()
    ]


def _attributes_of(document: Document) -> dict[str, Any]:
    return {
        found["key"]: tuple(found["value"]) if type(found["value"]) is list else found["value"]
        for found in document["attributes"]
    }


def _vector_documents(vectors: Mapping[int, Vector]) -> list[Document]:
    return [
        {
            "garment": number,
            "values": Binary.from_vector(vector, BinaryVectorDtype.FLOAT32),
        }
        for number, vector in vectors.items()
    ]


def _vectors_of(documents: Iterable[Mapping[str, Any]]) -> dict[int, Vector]:
    return {
        found["garment"]: found["values"].as_vector(return_numpy=True).data for found in documents
    }


def _microseconds(moment: datetime) -> int:
    return round(moment.timestamp() * 1000) * 1000
