"""The maps of the embedded store, one for each space. Each function runs inside a transaction."""

import sqlite3

from services.indexer.domain import Spaces
from services.indexer.store.sqlite_schema import marks


def write(db: sqlite3.Connection, number: int, data: bytes) -> None:
    """In place of the space's map before."""
    db.execute("INSERT OR REPLACE INTO maps VALUES (?, ?)", (number, data))


def read(db: sqlite3.Connection, number: int) -> bytes | None:
    row = db.execute("SELECT data FROM maps WHERE space = ?", (number,)).fetchone()
    return None if row is None else row[0]


def forget(db: sqlite3.Connection, spaces: Spaces) -> None:
    """Removes those of spaces that there are no more."""
    kept = [one.number for one in spaces.all]
    db.execute(f"DELETE FROM maps WHERE space NOT IN ({marks(len(kept))})", kept)
