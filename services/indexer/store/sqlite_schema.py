"""The embedded database: opening it, its tables, and what its rows mean."""

import fcntl
import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from servicekit.errors import FailedPrecondition

SCHEMA_VERSION: Final = 3

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
  image_count INTEGER NOT NULL,
  create_time_us INTEGER NOT NULL,
  update_time_us INTEGER NOT NULL
);
CREATE TABLE images (
  product_id TEXT NOT NULL,
  position INTEGER NOT NULL,
  sha256 TEXT NOT NULL,
  pipeline_version TEXT NOT NULL,
  vectors BLOB NOT NULL,
  space INTEGER NOT NULL
);
CREATE UNIQUE INDEX images_in_space ON images (product_id, space, position);
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

# A product's pooled vectors in each space; `images` has those of its photographs. What has no
# vectors is in space 0 there, and not in `pooled`.
_SPACE_TABLES: Final = """
CREATE TABLE spaces (
  number INTEGER PRIMARY KEY,
  embedding_version TEXT NOT NULL UNIQUE,
  dimension INTEGER NOT NULL,
  model TEXT NOT NULL,
  role INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TABLE pooled (
  product_id TEXT NOT NULL,
  space INTEGER NOT NULL,
  pipeline_version TEXT NOT NULL,
  own_garment INTEGER NOT NULL,
  vectors BLOB NOT NULL
);
CREATE UNIQUE INDEX pooled_in_space ON pooled (product_id, space);
"""

# One map for each space; store/map_codec.py says what `data` holds.
_MAP_TABLE: Final = """
CREATE TABLE maps (
  space INTEGER PRIMARY KEY,
  data BLOB NOT NULL
);
"""

# Version 1 had one space, whose vectors were in the products' own rows.
_FROM_VERSION_1: Final = f"""
{_SPACE_TABLES};
INSERT INTO spaces
  SELECT 1, version.value, dimension.value, '', 1 FROM state AS version, state AS dimension
  WHERE version.key = 'embedding_version' AND version.value IS NOT NULL
  AND dimension.key = 'dimension';
DELETE FROM state WHERE key IN ('embedding_version', 'dimension');
INSERT INTO state VALUES ('next_space', 2);
INSERT INTO pooled
  SELECT product_id, 1, pipeline_version, own_garment, vectors FROM products
  WHERE own_garment IS NOT NULL;
ALTER TABLE images ADD COLUMN space INTEGER NOT NULL DEFAULT 1;
UPDATE images SET space = 0
  WHERE product_id IN (SELECT product_id FROM products WHERE own_garment IS NULL);
DROP INDEX images_of_product;
CREATE UNIQUE INDEX images_in_space ON images (product_id, space, position);
ALTER TABLE products DROP COLUMN own_garment;
ALTER TABLE products DROP COLUMN vectors;
"""


_STEPS: Final = {
    0: (_TABLES, _SPACE_TABLES, _MAP_TABLE),
    1: (_FROM_VERSION_1, _MAP_TABLE),
    2: (_MAP_TABLE,),
}
"""From each version to this one, in one transaction."""


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
    """Makes the tables of a new file, or brings those of an older release up to date.

    Raises:
      FailedPrecondition: STORE_UNSUITABLE, a newer release wrote the file, or it is no database.
    """
    connection = connect(path)
    try:
        connection.execute(f"PRAGMA page_size = {_PAGE_BYTES}")
        connection.execute("PRAGMA journal_mode = WAL")
        with transaction(connection):
            [version] = connection.execute("PRAGMA user_version").fetchone()
            if version in _STEPS:
                for step in _STEPS[version]:
                    for statement in step.split(";\n"):
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
