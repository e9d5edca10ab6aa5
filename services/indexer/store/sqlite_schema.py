"""The embedded database: opening it, its tables, and what its rows mean."""

import fcntl
import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from servicekit.errors import FailedPrecondition

SCHEMA_VERSION: Final = 1

# Large pages, because rows hold vectors: fewer overflow pages to follow in the scan of a restart.
_PAGE_BYTES: Final = 16384

_TABLES: Final = """
CREATE TABLE state (
  key TEXT PRIMARY KEY,
  value
) WITHOUT ROWID;
CREATE TABLE products (
  product_id TEXT PRIMARY KEY,
  version INTEGER NOT NULL,
  name TEXT NOT NULL,
  attributes TEXT NOT NULL,
  images TEXT NOT NULL,
  failures TEXT NOT NULL,
  content_digest TEXT NOT NULL,
  pipeline_version TEXT NOT NULL,
  retryable INTEGER NOT NULL,
  own_garment INTEGER,
  image_count INTEGER NOT NULL,
  create_time_us INTEGER NOT NULL,
  update_time_us INTEGER NOT NULL,
  vectors BLOB NOT NULL
);
CREATE TABLE images (
  product_id TEXT NOT NULL,
  position INTEGER NOT NULL,
  sha256 TEXT NOT NULL,
  pipeline_version TEXT NOT NULL,
  vectors BLOB NOT NULL
);
CREATE UNIQUE INDEX images_of_product ON images (product_id, position);
CREATE INDEX images_by_content ON images (sha256, pipeline_version);
CREATE TABLE streams (
  stream_id TEXT PRIMARY KEY,
  source_fingerprint TEXT NOT NULL,
  run_id TEXT NOT NULL,
  client TEXT NOT NULL,
  generation INTEGER NOT NULL,
  epoch INTEGER NOT NULL,
  watermark INTEGER NOT NULL,
  greatest INTEGER NOT NULL,
  outcome_count INTEGER NOT NULL,
  complete INTEGER NOT NULL
);
CREATE TABLE outcomes (
  stream_id TEXT NOT NULL,
  generation INTEGER NOT NULL,
  sequence INTEGER NOT NULL,
  product_id TEXT NOT NULL,
  state INTEGER NOT NULL,
  status BLOB NOT NULL,
  failures TEXT NOT NULL,
  PRIMARY KEY (stream_id, generation, sequence)
) WITHOUT ROWID;
CREATE TABLE blobs (
  sha256 TEXT PRIMARY KEY,
  media_type TEXT NOT NULL,
  touched_us INTEGER NOT NULL,
  released_us INTEGER
) WITHOUT ROWID;
"""


class FolderLock:
    """Keeps a second process out of a data folder.

    Raises:
      FailedPrecondition: STORE_UNSUITABLE, the folder is in use.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._handle = os.open(folder / "lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(self._handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(self._handle)
            raise FailedPrecondition(
                f"Another process has the data folder {folder}: the embedded store belongs to one"
                " process; use MongoDB for several.",
                reason="STORE_UNSUITABLE",
            ) from error

    def release(self) -> None:
        os.close(self._handle)


def connect(path: Path) -> sqlite3.Connection:
    """A connection that commits only where it is told to. For one thread at a time."""
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=30)
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA mmap_size = 1073741824")
    return connection


def prepare(path: Path) -> None:
    """Makes the tables of a new file.

    Raises:
      FailedPrecondition: STORE_UNSUITABLE, a newer release wrote the file, or it is no database.
    """
    connection = connect(path)
    try:
        connection.execute(f"PRAGMA page_size = {_PAGE_BYTES}")
        connection.execute("PRAGMA journal_mode = WAL")
        with transaction(connection):
            [version] = connection.execute("PRAGMA user_version").fetchone()
            if version == 0:
                for statement in _TABLES.split(";\n"):
                    connection.execute(statement)
                connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
            elif version != SCHEMA_VERSION:
                raise FailedPrecondition(
                    f"{path} has schema version {version}; this release reads {SCHEMA_VERSION}.",
                    reason="STORE_UNSUITABLE",
                )
    except sqlite3.DatabaseError as error:
        raise FailedPrecondition(
            f"{path} cannot be used: {error}.", reason="STORE_UNSUITABLE"
        ) from error
    finally:
        connection.close()


@contextmanager
def transaction(connection: sqlite3.Connection, mode: str = "IMMEDIATE") -> Iterator[None]:
    """All of it, or nothing; what is read inside is of one moment."""
    connection.execute(f"BEGIN {mode}")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        # A full disk makes SQLite roll back by itself.
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def marks(count: int) -> str:
    """Placeholders for an IN list."""
    return ",".join("?" * count)
