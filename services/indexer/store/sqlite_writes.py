"""The transactions of the embedded store. Each function runs inside one that the caller opened."""

import sqlite3
from collections.abc import Sequence
from typing import Any

from services.indexer.domain import Outcome, Product, Space, StreamKey
from services.indexer.store import codec
from services.indexer.store.sqlite_schema import marks
from services.indexer.streams import StreamState


def read_version(db: sqlite3.Connection) -> int:
    return int(_state(db, "index_version") or 0)


def read_space(db: sqlite3.Connection) -> Space | None:
    version = _state(db, "embedding_version")
    return None if version is None else Space(version, int(_state(db, "dimension")))


def write_state(db: sqlite3.Connection, version: int, space: Space | None) -> None:
    values: list[tuple[str, Any]] = [("index_version", version)]
    values.append(("embedding_version", None if space is None else space.embedding_version))
    values.append(("dimension", None if space is None else space.dimension))
    db.executemany("INSERT OR REPLACE INTO state VALUES (?, ?)", values)


def write_products(
    db: sqlite3.Connection, products: Sequence[Product], version: int, now_us: int
) -> None:
    """Replaces products whole. The time of creation stays what it was."""
    ids = [product.product_id for product in products]
    created = dict(
        db.execute(
            "SELECT product_id, create_time_us FROM products"
            f" WHERE product_id IN ({marks(len(ids))})",
            ids,
        )
    )
    dropped = _drop_images(db, ids)
    db.executemany(
        f"INSERT OR REPLACE INTO products VALUES ({marks(14)})",
        [
            (
                product.product_id,
                version,
                product.name,
                codec.dump_attributes(product.attributes),
                codec.dump([codec.image_fields(image) for image in product.images]),
                codec.dump([codec.failure_fields(failure) for failure in product.failures]),
                product.content_digest,
                product.pipeline_version,
                product.retryable,
                product.own_garment,
                len(product.images),
                created.get(product.product_id, now_us),
                now_us,
                codec.pack_vectors(codec.pooled_to_store(product.own_garment, product.vectors)),
            )
            for product in products
        ],
    )
    images = [
        (
            product.product_id,
            position,
            image.sha256,
            product.pipeline_version,
            codec.pack_vectors(codec.image_vectors(image)),
        )
        for product in products
        for position, image in enumerate(product.images)
    ]
    db.executemany("INSERT INTO images VALUES (?, ?, ?, ?, ?)", images)
    db.executemany(
        "UPDATE blobs SET released_us = NULL WHERE sha256 = ? AND released_us IS NOT NULL",
        [(sha256,) for _, _, sha256, _, _ in images],
    )
    _release(db, dropped - {sha256 for _, _, sha256, _, _ in images}, now_us)


def delete_products(db: sqlite3.Connection, ids: Sequence[str], now_us: int) -> None:
    dropped = _drop_images(db, ids)
    db.execute(f"DELETE FROM products WHERE product_id IN ({marks(len(ids))})", ids)
    _release(db, dropped, now_us)


def _drop_images(db: sqlite3.Connection, ids: Sequence[str]) -> set[str]:
    chosen = f"product_id IN ({marks(len(ids))})"
    found = {sha256 for (sha256,) in db.execute(f"SELECT sha256 FROM images WHERE {chosen}", ids)}
    db.execute(f"DELETE FROM images WHERE {chosen}", ids)
    return found


def _release(db: sqlite3.Connection, sha256s: set[str], now_us: int) -> None:
    """Marks images that no product has any more; the bytes go later, see `sweepable`."""
    db.executemany(
        "UPDATE blobs SET released_us = ? WHERE sha256 = ?"
        " AND NOT EXISTS (SELECT 1 FROM images WHERE images.sha256 = blobs.sha256)",
        [(now_us, sha256) for sha256 in sha256s],
    )


def has_vectors(db: sqlite3.Connection) -> bool:
    found = db.execute("SELECT 1 FROM products WHERE own_garment IS NOT NULL LIMIT 1").fetchone()
    return found is not None


def read_stream(db: sqlite3.Connection, stream_id: str) -> StreamState | None:
    row = db.execute("SELECT * FROM streams WHERE stream_id = ?", (stream_id,)).fetchone()
    if row is None:
        return None
    generation, epoch, watermark, greatest, outcome_count, complete = row[4:]
    key = StreamKey(*row[:4])
    return StreamState(key, generation, epoch, watermark, greatest, outcome_count, bool(complete))


def write_stream(db: sqlite3.Connection, state: StreamState) -> None:
    key = state.key
    db.execute(
        f"INSERT OR REPLACE INTO streams VALUES ({marks(10)})",
        (
            *(key.stream_id, key.source_fingerprint, key.run_id, key.client),
            *(state.generation, state.epoch, state.watermark, state.greatest),
            *(state.outcome_count, state.complete),
        ),
    )
    # Outcomes of a run that began anew are of no use to anybody.
    db.execute(
        "DELETE FROM outcomes WHERE stream_id = ? AND generation < ?",
        (key.stream_id, state.generation),
    )


def stored_sequences(
    db: sqlite3.Connection, state: StreamState, sequences: Sequence[int]
) -> set[int]:
    found = db.execute(
        "SELECT sequence FROM outcomes WHERE stream_id = ? AND generation = ?"
        f" AND sequence IN ({marks(len(sequences))})",
        (state.key.stream_id, state.generation, *sequences),
    )
    return {sequence for (sequence,) in found}


def write_outcomes(db: sqlite3.Connection, state: StreamState, outcomes: Sequence[Outcome]) -> None:
    db.executemany(
        "INSERT INTO outcomes VALUES (?, ?, ?, ?, ?, ?, ?)",
        [
            (
                state.key.stream_id,
                state.generation,
                outcome.sequence,
                outcome.product_id,
                int(outcome.state),
                outcome.status,
                codec.dump([codec.failure_fields(found) for found in outcome.image_failures]),
            )
            for outcome in outcomes
        ],
    )


def sweepable(
    db: sqlite3.Connection, before_us: int, limit: int, only: Sequence[str] = ()
) -> list[str]:
    """Images that nobody has needed since: never claimed, or released, before a moment."""
    chosen = f"AND sha256 IN ({marks(len(only))})" if only else ""
    found = db.execute(
        "SELECT sha256 FROM blobs WHERE touched_us < ?"
        f" AND (released_us IS NULL OR released_us < ?) {chosen}"
        " AND NOT EXISTS (SELECT 1 FROM images WHERE images.sha256 = blobs.sha256) LIMIT ?",
        (before_us, before_us, *only, limit),
    )
    return [sha256 for (sha256,) in found]


def _state(db: sqlite3.Connection, key: str) -> Any:
    row = db.execute("SELECT value FROM state WHERE key = ?", (key,)).fetchone()
    return None if row is None else row[0]
