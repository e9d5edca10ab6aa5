"""The spaces of the embedded store: which there are, what lacks vectors, and what was forgotten."""

import sqlite3
from collections.abc import Sequence
from typing import Final

from services.indexer.domain import (
    IndexChange,
    IndexedSpace,
    IndexEntry,
    Lacking,
    Space,
    SpaceRole,
    Spaces,
    SpaceVectors,
    Switched,
)
from services.indexer.spaces import begun, check_dimension, dropped, known_space, switched
from services.indexer.store import codec, sqlite_maps
from services.indexer.store.sqlite_schema import marks, transaction
from services.indexer.store.sqlite_writes import insert_vectors, read_version, write_version

_SWEEP_AT_ONCE: Final = 500
_FORGOTTEN: Final = "space NOT IN (SELECT number FROM spaces)"
_LACKING: Final = f"""
 FROM products WHERE product_id IN (SELECT product_id FROM pooled WHERE NOT {_FORGOTTEN})
 AND NOT EXISTS (SELECT 1 FROM pooled
   WHERE pooled.product_id = products.product_id AND pooled.space = ?)
"""


def read(db: sqlite3.Connection) -> Spaces:
    rows = db.execute("SELECT number, embedding_version, dimension, model, role FROM spaces")
    found = [
        IndexedSpace(number, Space(version, dimension, model), SpaceRole(role))
        for number, version, dimension, model, role in rows
    ]
    following = db.execute("SELECT value FROM state WHERE key = 'next_space'").fetchone()
    return Spaces(
        next((one for one in found if one.role is SpaceRole.ACTIVE), None),
        next((one for one in found if one.role is not SpaceRole.ACTIVE), None),
        1 if following is None else following[0],
    )


def write(db: sqlite3.Connection, spaces: Spaces) -> None:
    if read(db) == spaces:
        return
    db.execute("DELETE FROM spaces")
    db.executemany(
        "INSERT INTO spaces VALUES (?, ?, ?, ?, ?)",
        [
            (
                one.number,
                one.space.embedding_version,
                one.space.dimension,
                one.space.model,
                int(one.role),
            )
            for one in spaces.all
        ],
    )
    db.execute("INSERT OR REPLACE INTO state VALUES ('next_space', ?)", (spaces.next_number,))
    sqlite_maps.forget(db, spaces)


def any_vectors(db: sqlite3.Connection, spaces: Spaces) -> bool:
    numbers = [one.number for one in spaces.all]
    return any(
        db.execute("SELECT 1 FROM pooled WHERE space = ? LIMIT 1", (number,)).fetchone()
        for number in numbers
    )


def count_in(db: sqlite3.Connection, number: int) -> tuple[int, int]:
    """See domain.Store.count_in."""
    [having] = db.execute("SELECT COUNT(*) FROM pooled WHERE space = ?", (number,)).fetchone()
    [lack] = db.execute(f"SELECT COUNT(*) {_LACKING}", (number,)).fetchone()
    return having, lack


def lacking(db: sqlite3.Connection, number: int, after: str, limit: int) -> list[Lacking]:
    """See domain.Store.lacking."""
    rows = db.execute(
        f"SELECT product_id, version, images {_LACKING}"
        " AND product_id > ? ORDER BY product_id LIMIT ?",
        (number, after, limit),
    )
    return [
        Lacking(product_id, version, tuple(fields["sha256"] for fields in codec.load(images)))
        for product_id, version, images in rows
    ]


def put_vectors(
    db: sqlite3.Connection,
    embedding_version: str,
    found: Sequence[tuple[str, int, SpaceVectors]],
) -> tuple[tuple[int, set[str]], IndexChange | None]:
    """See domain.Store.put_vectors."""
    spaces, index_version = read(db), read_version(db)
    wanted = known_space(spaces, embedding_version)
    number, entries = wanted.number, list[IndexEntry]()
    for product_id, version, vectors in found:
        check_dimension(wanted.space, vectors.space.dimension)
        row = db.execute(
            "SELECT name, attributes, images, image_count FROM products"
            " WHERE product_id = ? AND version = ?",
            (product_id, version),
        ).fetchone()
        if row is None or row[3] != len(vectors.images):
            continue
        name, attributes, images, image_count = row
        chosen = "product_id = ? AND space = ?"
        db.execute(f"DELETE FROM pooled WHERE {chosen}", (product_id, number))
        db.execute(f"DELETE FROM images WHERE {chosen}", (product_id, number))
        sha256s = [fields["sha256"] for fields in codec.load(images)]
        insert_vectors(db, product_id, number, sha256s, vectors)
        entries.append(
            IndexEntry(
                product_id,
                name,
                codec.load_attributes(attributes),
                {number: vectors.vectors},
                image_count,
                version,
            )
        )
    if not entries:
        return (index_version, set()), None
    write_version(db, index_version + 1)
    written = {entry.product_id for entry in entries}
    return (index_version + 1, written), IndexChange(index_version + 1, spaces, entries, ())


def begin(db: sqlite3.Connection, space: Space) -> tuple[Spaces, IndexChange | None]:
    before = read(db)
    return _changed(db, before, begun(before, space))


def switch(
    db: sqlite3.Connection, embedding_version: str, force: bool
) -> tuple[Switched, IndexChange | None]:
    before = read(db)
    _, lacking_count = count_in(db, known_space(before, embedding_version).number)
    _, change = _changed(db, before, switched(before, embedding_version, lacking_count, force))
    if change is None or before.active is None:
        return Switched(read_version(db), None), change
    return Switched(change.version, before.active.space), change


def drop(db: sqlite3.Connection, embedding_version: str) -> tuple[bool, IndexChange | None]:
    before = read(db)
    _, change = _changed(db, before, dropped(before, embedding_version))
    return change is not None, change


def _changed(
    db: sqlite3.Connection, before: Spaces, after: Spaces
) -> tuple[Spaces, IndexChange | None]:
    if after == before:
        return after, None
    version = read_version(db) + 1
    write_version(db, version)
    write(db, after)
    return after, IndexChange(version, after, (), ())


def any_forgotten(db: sqlite3.Connection) -> bool:
    found = db.execute(f"SELECT 1 FROM pooled WHERE {_FORGOTTEN} LIMIT 1").fetchone()
    return found is not None


def sweep(db: sqlite3.Connection) -> int:
    """Removes the vectors of a few products from spaces that were dropped."""
    with transaction(db):
        rows = db.execute(
            f"SELECT DISTINCT product_id FROM pooled WHERE {_FORGOTTEN} LIMIT ?", (_SWEEP_AT_ONCE,)
        )
        ids = [product_id for (product_id,) in rows]
        chosen = f"product_id IN ({marks(len(ids))}) AND {_FORGOTTEN}"
        db.execute(f"DELETE FROM pooled WHERE {chosen}", ids)
        # The photographs of a product that has vectors nowhere now: it keeps them by one row each.
        only = (
            "NOT EXISTS (SELECT 1 FROM images AS other WHERE other.product_id = images.product_id"
            f" AND other.position = images.position AND NOT other.{_FORGOTTEN})"
        )
        db.execute(f"DELETE FROM images WHERE {chosen} AND space != 0 AND NOT ({only})", ids)
        db.execute(
            f"UPDATE OR REPLACE images SET space = 0, vectors = ? WHERE {chosen} AND space != 0",
            (codec.pack_vectors({}), *ids),
        )
    return len(ids)
