"""What the embedded store reads: single products, and all of them at a start."""

import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from operator import itemgetter

from services.indexer.domain import (
    Garment,
    ImageFailure,
    IndexEntry,
    Outcome,
    OutcomeState,
    Product,
    ProductImage,
    Slot,
    Vector,
)
from services.indexer.store import codec
from services.indexer.store.sqlite_schema import marks, transaction
from services.indexer.store.sqlite_writes import read_stream
from services.indexer.streams import stream_not_found


def scan(db: sqlite3.Connection, numbers: Sequence[int]) -> Iterator[IndexEntry]:
    """Every product in spaces of these numbers, as the index in memory follows it."""
    rows = db.execute(
        "SELECT products.product_id, version, name, attributes, image_count, space, own_garment,"
        " vectors FROM products LEFT JOIN pooled ON pooled.product_id = products.product_id"
        f" AND space IN ({marks(len(numbers))}) ORDER BY products.rowid",
        numbers,
    )
    for _, group in groupby(rows, key=itemgetter(0)):
        vectors: dict[int, Mapping[Slot, Vector]] = {}
        for row in group:
            product_id, version, name, attributes, image_count, number, own, data = row
            if number is not None:
                vectors[number] = codec.pooled_from_store(own, codec.unpack_vectors(data))
        found = codec.load_attributes(attributes)
        yield IndexEntry(product_id, name, found, vectors, image_count, version)


def read_products(
    db: sqlite3.Connection, product_ids: Sequence[str], number: int, vectors: bool
) -> dict[str, Product]:
    """See domain.Store.read; all of one moment."""
    chosen = f"product_id IN ({marks(len(product_ids))})"
    of_images: dict[str, dict[int, bytes]] = {}
    pooled: dict[str, tuple[str, int, bytes]] = {}
    with transaction(db, "DEFERRED"):
        rows = db.execute(f"SELECT * FROM products WHERE {chosen}", product_ids).fetchall()
        for product_id, *found in db.execute(
            "SELECT product_id, pipeline_version, own_garment, vectors FROM pooled"
            f" WHERE space = ? AND {chosen}",
            (number, *product_ids),
        ):
            pooled[product_id] = (found[0], found[1], found[2])
        if vectors:
            for product_id, position, data in db.execute(
                f"SELECT product_id, position, vectors FROM images WHERE space = ? AND {chosen}",
                (number, *product_ids),
            ):
                of_images.setdefault(product_id, {})[position] = data
    products = {}
    for row in rows:
        (product_id, version, name, attributes, images, failures, digest, pipeline) = row[:8]
        (_, _, created, updated) = row[8:]
        pipeline, own, own_vectors = pooled.get(product_id, (pipeline, None, b"\0"))
        packed = of_images.get(product_id, {})
        products[product_id] = Product(
            product_id=product_id,
            name=name,
            attributes=codec.load_attributes(attributes),
            images=tuple(
                codec.image_from_fields(fields, codec.unpack_vectors(packed.get(position, b"\0")))
                for position, fields in enumerate(codec.load(images))
            ),
            failures=codec.failures_from_fields(codec.load(failures)),
            content_digest=digest,
            pipeline_version=pipeline,
            own_garment=None if own is None else Garment(own),
            vectors=(
                codec.pooled_from_store(own, codec.unpack_vectors(own_vectors)) if vectors else {}
            ),
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
        f" WHERE NOT retryable AND product_id IN ({marks(len(digest_of))})"
        " AND (EXISTS (SELECT 1 FROM pooled WHERE pooled.product_id = products.product_id"
        "  AND pooled.pipeline_version = ?)"
        " OR products.pipeline_version = ? AND NOT EXISTS"
        "  (SELECT 1 FROM pooled WHERE pooled.product_id = products.product_id))",
        (*digest_of, pipeline_version, pipeline_version),
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
