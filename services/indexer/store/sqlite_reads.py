"""What the embedded store reads: single products, and all of them at a start."""

import sqlite3
from collections.abc import Iterator, Sequence

from services.indexer.domain import (
    Garment,
    ImageFailure,
    IndexedProduct,
    Outcome,
    OutcomeState,
    Product,
    ProductImage,
)
from services.indexer.store import codec
from services.indexer.store.sqlite_schema import marks, transaction
from services.indexer.store.sqlite_writes import read_stream
from services.indexer.streams import stream_not_found


def scan(db: sqlite3.Connection) -> Iterator[IndexedProduct]:
    """Every product, as the index in memory keeps it."""
    rows = db.execute(
        "SELECT product_id, version, name, attributes, own_garment, image_count, vectors"
        " FROM products"
    )
    for product_id, version, name, attributes, own, image_count, vectors in rows:
        pooled = codec.pooled_from_store(own, codec.unpack_vectors(vectors))
        found = codec.load_attributes(attributes)
        yield IndexedProduct(product_id, name, found, pooled, image_count, version)


def read_products(
    db: sqlite3.Connection, product_ids: Sequence[str], vectors: bool
) -> dict[str, Product]:
    """Those that exist, all of one moment."""
    chosen = f"product_id IN ({marks(len(product_ids))})"
    of_images: dict[str, dict[int, bytes]] = {}
    with transaction(db, "DEFERRED"):
        rows = db.execute(f"SELECT * FROM products WHERE {chosen}", product_ids).fetchall()
        if vectors:
            for product_id, position, data in db.execute(
                f"SELECT product_id, position, vectors FROM images WHERE {chosen}", product_ids
            ):
                of_images.setdefault(product_id, {})[position] = data
    products = {}
    for row in rows:
        (product_id, version, name, attributes, images, failures, digest, pipeline) = row[:8]
        (_, own, _, created, updated, pooled) = row[8:]
        packed = of_images.get(product_id, {})
        products[product_id] = Product(
            product_id=product_id,
            name=name,
            attributes=codec.load_attributes(attributes),
            images=tuple(
                codec.image_from_fields(
                    fields, codec.unpack_vectors(packed[position]) if vectors else None
                )
                for position, fields in enumerate(codec.load(images))
            ),
            failures=codec.failures_from_fields(codec.load(failures)),
            content_digest=digest,
            pipeline_version=pipeline,
            own_garment=None if own is None else Garment(own),
            vectors=codec.pooled_from_store(own, codec.unpack_vectors(pooled)) if vectors else {},
            create_time_us=created,
            update_time_us=updated,
            version=version,
        )
    return products


def read_outcomes(
    db: sqlite3.Connection, stream_id: str, after_sequence: int, limit: int
) -> list[Outcome]:
    """Raises: NotFound: STREAM_NOT_FOUND."""
    with transaction(db, "DEFERRED"):
        state = read_stream(db, stream_id)
        if state is None:
            raise stream_not_found(stream_id)
        rows = db.execute(
            "SELECT sequence, product_id, state, status, failures FROM outcomes"
            " WHERE stream_id = ? AND generation = ? AND sequence > ?"
            " ORDER BY sequence LIMIT ?",
            (stream_id, state.generation, after_sequence, limit),
        ).fetchall()
    return [
        Outcome(
            sequence,
            product_id,
            OutcomeState(number),
            status,
            codec.failures_from_fields(codec.load(failures)),
        )
        for sequence, product_id, number, status, failures in rows
    ]


def read_unchanged(
    db: sqlite3.Connection, keys: Sequence[tuple[str, str]], pipeline_version: str
) -> dict[str, tuple[ImageFailure, ...]]:
    """See domain.Store.unchanged."""
    digest_of = dict(keys)
    rows = db.execute(
        "SELECT product_id, content_digest, failures FROM products"
        " WHERE pipeline_version = ? AND NOT retryable"
        f" AND product_id IN ({marks(len(digest_of))})",
        (pipeline_version, *digest_of),
    )
    return {
        product_id: codec.failures_from_fields(codec.load(failures))
        for product_id, digest, failures in rows
        if digest == digest_of[product_id]
    }


def read_images(
    db: sqlite3.Connection, sha256s: Sequence[str], pipeline_version: str
) -> list[ProductImage]:
    """See domain.Store.known_images."""
    found = []
    for sha256 in dict.fromkeys(sha256s):
        # One row is enough, however many products share the photograph (a placeholder, say).
        row = db.execute(
            "SELECT position, products.images, images.vectors FROM images"
            " JOIN products USING (product_id)"
            " WHERE images.sha256 = ? AND images.pipeline_version = ?"
            " AND length(images.vectors) > ? LIMIT 1",
            (sha256, pipeline_version, codec.NO_VECTORS_BYTES),
        ).fetchone()
        if row is not None:
            position, images, data = row
            fields = codec.load(images)[position]
            found.append(codec.image_from_fields(fields, codec.unpack_vectors(data)))
    return found
