"""How products lie in MongoDB.

`products` is the record, whole; `index_entries` what the index in memory is made from, small enough
to be read through at every start and sent through the change stream. Both hold the vectors of every
space in one list, `spaces`. Attributes are a list of keys
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
    IndexedSpace,
    IndexEntry,
    Outcome,
    OutcomeState,
    Product,
    ProductImage,
    Slot,
    Space,
    SpaceRole,
    Spaces,
    SpaceVectors,
    StreamKey,
    Vector,
)
from services.indexer.spaces import Placed
from services.indexer.store import codec
from services.indexer.streams import StreamState

Document: TypeAlias = dict[str, Any]

INDEX: Final = "index"
"""The identifier of the one document in `state`."""

SCHEMA: Final = 2
"""Of all documents; what mongodb_migration.py brings older ones to."""

WITHOUT_VECTORS: Final[Document] = {"spaces.vectors": 0, "spaces.images": 0}
"""The projection of `products` for readers who need no vectors."""


def product_document(
    product: Product, places: Placed, version: int, created: datetime, now: datetime
) -> Document:
    return {
        "_id": product.product_id,
        "version": version,
        "name": product.name,
        "attributes": _attribute_documents(product),
        "images": [codec.image_fields(image) for image in product.images],
        "failures": [_failure_document(failure) for failure in product.failures],
        "content_digest": product.content_digest,
        "pipeline_version": product.pipeline_version,
        "retryable": product.retryable,
        "create_time": created,
        "update_time": now,
        "spaces": [
            space_document(number, found, [image.sha256 for image in product.images])
            for number, found in places
        ],
    }


def space_document(number: int, found: SpaceVectors, sha256s: Iterable[str]) -> Document:
    """A product in one space, in `products`; of its pooled vectors, its own."""
    return {
        "number": number,
        "pipeline_version": found.pipeline_version,
        "own_garment": found.own_garment,
        "vectors": _vector_documents({0: found.vectors[Slot.OWN]}),
        "images": [
            {
                "sha256": sha256,
                "vectors": _vector_documents({int(one.garment): one.vector for one in vectors}),
            }
            for sha256, vectors in zip(sha256s, found.images, strict=True)
        ],
    }


def with_vectors_of(number: int) -> Document:
    """The projection of `products` for readers of one space's vectors."""
    fields = (
        *("version", "name", "attributes", "images", "failures", "content_digest"),
        *("pipeline_version", "create_time", "update_time"),
    )
    return {**dict.fromkeys(fields, 1), "spaces": {"$elemMatch": {"number": number}}}


def product_of(document: Document, number: int) -> Product:
    """A product in a space; of its pooled vectors, its own, if it was read with vectors."""
    spaces = (one for one in document.get("spaces", ()) if one["number"] == number)
    found: Document = next(spaces, {"own_garment": None})
    own, of_images = found["own_garment"], found.get("images", ())
    pipeline_version = found.get("pipeline_version") or document["pipeline_version"]
    return Product(
        product_id=document["_id"],
        name=document["name"],
        attributes=_attributes_of(document),
        images=tuple(
            image_of(fields, of_images[position]["vectors"] if of_images else ())
            for position, fields in enumerate(document["images"])
        ),
        failures=failures_of(document["failures"]),
        content_digest=document["content_digest"],
        pipeline_version=pipeline_version,
        own_garment=None if own is None else Garment(own),
        vectors={
            Slot(number): vector for number, vector in _vectors_of(found.get("vectors", ())).items()
        },
        create_time_us=_microseconds(document["create_time"]),
        update_time_us=_microseconds(document["update_time"]),
        version=document["version"],
    )


def known_images_pipeline(sha256s: Iterable[str], pipeline_version: str) -> list[Document]:
    """An aggregation of the database: `{image, vectors}` for each digest that a product has with
    vectors of this pipeline.

    One look into the index for each digest, and not one query for all: that would read every
    product that has one of the photographs, and a placeholder is a photograph of thousands.
    """
    same: Document = {"$eq": ["$$this.sha256", "$$sha256"]}
    usable: Document = {"$and": [same, {"$ne": ["$$this.vectors", []]}]}

    def first(values: str, condition: Document) -> Document:
        return {"$first": {"$filter": {"input": values, "cond": condition}}}

    ours: Document = {"$eq": ["$$this.pipeline_version", {"$literal": pipeline_version}]}
    having: list[Document] = [
        {"$match": {"spaces.pipeline_version": pipeline_version}},
        {"$project": {"image": first("$images", same), "space": first("$spaces", ours)}},
        {"$project": {"image": 1, "of": first("$space.images", usable)}},
        {"$match": {"of": {"$exists": True}}},
        {"$limit": 1},
    ]
    return [
        {"$documents": [{"sha256": sha256} for sha256 in dict.fromkeys(sha256s)]},
        {
            "$lookup": {
                "from": "products",
                "localField": "sha256",
                "foreignField": "spaces.images.sha256",
                "let": {"sha256": "$sha256"},
                "pipeline": having,
                "as": "found",
            }
        },
        {"$unwind": "$found"},
        {"$project": {"image": "$found.image", "vectors": "$found.of.vectors"}},
    ]


def image_of(fields: Mapping[str, Any], vectors: Iterable[Mapping[str, Any]]) -> ProductImage:
    return codec.image_from_fields(fields, _vectors_of(vectors))


def entry_document(product: Product, places: Placed, version: int) -> Document:
    return {
        "_id": product.product_id,
        "version": version,
        "name": product.name,
        "attributes": _attribute_documents(product),
        "image_count": len(product.images),
        "spaces": [entry_space_document(number, found) for number, found in places],
    }


def entry_space_document(number: int, found: SpaceVectors) -> Document:
    """A product in one space, in `index_entries`: all of its pooled vectors."""
    stored = codec.pooled_to_store(found.own_garment, found.vectors)
    return {
        "number": number,
        "own_garment": found.own_garment,
        "vectors": _vector_documents(stored),
    }


def entry_of(document: Document) -> IndexEntry:
    return IndexEntry(
        document["_id"],
        document["name"],
        _attributes_of(document),
        {
            one["number"]: codec.pooled_from_store(one["own_garment"], _vectors_of(one["vectors"]))
            for one in document["spaces"]
        },
        document["image_count"],
        document["version"],
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


def state_document(version: int, spaces: Spaces) -> Document:
    return {
        "_id": INDEX,
        "schema": SCHEMA,
        "version": version,
        "spaces": [
            {
                "number": one.number,
                "embedding_version": one.space.embedding_version,
                "dimension": one.space.dimension,
                "model": one.space.model,
                "role": int(one.role),
            }
            for one in spaces.all
        ],
        "next_space": spaces.next_number,
    }


def spaces_of(state: Mapping[str, Any]) -> Spaces:
    found = [
        IndexedSpace(
            one["number"],
            Space(one["embedding_version"], one["dimension"], one["model"]),
            SpaceRole(one["role"]),
        )
        for one in state["spaces"]
    ]
    return Spaces(
        next((one for one in found if one.role is SpaceRole.ACTIVE), None),
        next((one for one in found if one.role is not SpaceRole.ACTIVE), None),
        state["next_space"],
    )


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
