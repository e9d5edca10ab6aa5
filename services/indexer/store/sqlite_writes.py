"""The transactions of the embedded store. Each function runs inside one that the caller opened."""

import sqlite3
from collections.abc import Sequence
from typing import Any, Final

from services.indexer.domain import Outcome, Product, Space, SpaceVectors, StreamKey
from services.indexer.spaces import Placed
from services.indexer.store import codec
from services.indexer.store.sqlite_schema import marks
from services.indexer.streams import StreamState

_NOWHERE: Final = Space("", 0)


def read_version(db: sqlite3.Connection) -> int:
    return int(_state(db, "index_version") or 0)


def write_version(db: sqlite3.Connection, version: int) -> None:
    db.execute("INSERT OR REPLACE INTO state VALUES ('index_version', ?)", (version,))


def write_products(
    db: sqlite3.Connection,
    placed: Sequence[tuple[Product, Placed]],
    version: int,
    now_us: int,
) -> None:
    """Replaces products whole, in all spaces. The time of creation stays what it was."""
    products = [product for product, _ in placed]
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
        f"INSERT OR REPLACE INTO products VALUES ({marks(12)})",
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
                len(product.images),
                created.get(product.product_id, now_us),
                now_us,
            )
            for product in products
        ],
    )
    for product, places in placed:
        sha256s = [image.sha256 for image in product.images]
        if not places:
            without = SpaceVectors(_NOWHERE, product.pipeline_version, ((),) * len(sha256s))
            _insert_images(db, product.product_id, 0, sha256s, without)
        for number, found in places:
            insert_vectors(db, product.product_id, number, sha256s, found)
    claimed = {image.sha256 for product in products for image in product.images}
    db.executemany(
        "UPDATE blobs SET released_us = NULL WHERE sha256 = ? AND released_us IS NOT NULL",
        [(sha256,) for sha256 in claimed],
    )
    _release(db, dropped - claimed, now_us)


def insert_vectors(
    db: sqlite3.Connection,
    product_id: str,
    number: int,
    sha256s: Sequence[str],
    found: SpaceVectors,
) -> None:
    """The vectors of a product and its images in a space where it has none."""
    stored = codec.pooled_to_store(found.own_garment, found.vectors)
    db.execute(
        "INSERT INTO pooled VALUES (?, ?, ?, ?, ?)",
        (
            product_id,
            number,
            found.pipeline_version,
            found.own_garment,
            codec.pack_vectors(stored),
        ),
    )
    _insert_images(db, product_id, number, sha256s, found)


def _insert_images(
    db: sqlite3.Connection,
    product_id: str,
    number: int,
    sha256s: Sequence[str],
    found: SpaceVectors,
) -> None:
    db.executemany(
        "INSERT INTO images VALUES (?, ?, ?, ?, ?, ?)",
        [
            (
                *(product_id, position, sha256, found.pipeline_version),
                codec.pack_vectors({int(one.garment): one.vector for one in vectors}),
                number,
            )
            for position, (sha256, vectors) in enumerate(zip(sha256s, found.images, strict=True))
        ],
    )


def delete_products(db: sqlite3.Connection, ids: Sequence[str], now_us: int) -> None:
    dropped = _drop_images(db, ids)
    db.execute(f"DELETE FROM products WHERE product_id IN ({marks(len(ids))})", ids)
    _release(db, dropped, now_us)


def _drop_images(db: sqlite3.Connection, ids: Sequence[str]) -> set[str]:
    chosen = f"product_id IN ({marks(len(ids))})"
    found = {sha256 for (sha256,) in db.execute(f"SELECT sha256 FROM images WHERE {chosen}", ids)}
    db.execute(f"DELETE FROM images WHERE {chosen}", ids)
    db.execute(f"DELETE FROM pooled WHERE {chosen}", ids)
    return found


def _release(db: sqlite3.Connection, sha256s: set[str], now_us: int) -> None:
    """Marks images that no product has any more; the bytes go later, see `sweepable`."""
    db.executemany(
        "UPDATE blobs SET released_us = ? WHERE sha256 = ?"
        " AND NOT EXISTS (SELECT 1 FROM images WHERE images.sha256 = blobs.sha256)",
        [(now_us, sha256) for sha256 in sha256s],
    )


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
    """A value of the table `state`; None if there is none."""
    row = db.execute("SELECT value FROM state WHERE key = ?", (key,)).fetchone()
    return None if row is None else row[0]
