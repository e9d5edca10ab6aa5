"""The embedded store: one SQLite file and a folder of images, for one process.

WAL and synchronous FULL: what a commit acknowledged survives a power cut. One thread writes, so
the index in memory follows in order; a few others read.
"""

import asyncio
import sqlite3
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final, TypeVar

from servicekit.errors import FailedPrecondition, Unavailable
from services.indexer.domain import (
    Blob,
    Committed,
    Deleted,
    ImageFailure,
    IndexChange,
    IndexedSpace,
    IndexEntry,
    Lacking,
    Mirror,
    OpenedStream,
    Outcome,
    Product,
    ProductImage,
    Space,
    Spaces,
    SpaceVectors,
    StreamKey,
    Switched,
)
from services.indexer.maps import CatalogueMap
from services.indexer.spaces import (
    Placed,
    begins,
    emptied,
    still_there,
    with_product,
    with_products,
)
from services.indexer.store import sqlite_maps, sqlite_spaces, sqlite_writes
from services.indexer.store.folder import BlobFolder
from services.indexer.store.map_codec import pack_map, unpack_map
from services.indexer.store.sqlite_reads import (
    read_images,
    read_outcomes,
    read_products,
    read_unchanged,
    scan,
)
from services.indexer.store.sqlite_schema import FolderLock, marks, prepare, transaction
from services.indexer.store.sqlite_threads import SqliteThreads
from services.indexer.streams import (
    admitted,
    extended,
    products_to_write,
    reopened,
)

_SWEEP_AT_ONCE: Final = 500

T = TypeVar("T")


class SqliteStore:
    """Implements domain.Store.

    Args:
      folder: holds `index.sqlite` and `blobs/`; made if it is not there.
    """

    kind = "sqlite"

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._path = folder / "index.sqlite"
        self._threads = SqliteThreads(self._path)
        self._lock: FolderLock | None = None
        self._mirror: Mirror | None = None
        self._blobs: BlobFolder | None = None
        self._following = False
        self._told = Spaces()

    async def start(self, mirror: Mirror) -> None:
        self._lock = FolderLock(self._folder)
        self._blobs = BlobFolder(self._folder / "blobs")
        await asyncio.to_thread(prepare, self._path)
        self._mirror = mirror
        await self._threads.write(self._load)
        self._following = True

    async def close(self) -> None:
        self._following = False
        await self._threads.close()
        if self._lock is not None:
            self._lock.release()

    @property
    def loaded(self) -> bool:
        return self._following

    @property
    def following(self) -> bool:
        return self._following

    async def ping(self) -> None:
        if not self._following:
            raise Unavailable("The index is loading.", reason="WARMING_UP", retry_after_s=1.0)
        if not await asyncio.to_thread(self._path.exists):
            raise Unavailable(f"{self._path} is gone.", reason="UPSTREAM_UNAVAILABLE")
        if self._threads.last_write_failed:
            # Whether there is room on the disk again.
            await self._threads.write(_write_nothing)

    # Streams

    async def open_stream(self, key: StreamKey) -> OpenedStream:
        def run(db: sqlite3.Connection) -> OpenedStream:
            with transaction(db):
                state = reopened(sqlite_writes.read_stream(db, key.stream_id), key)
                sqlite_writes.write_stream(db, state)
            return state.opened()

        return await self._threads.write(run)

    async def list_outcomes(self, stream_id: str, after_sequence: int, limit: int) -> list[Outcome]:
        return await self._threads.read(
            lambda db: read_outcomes(db, stream_id, after_sequence, limit)
        )

    async def commit(
        self,
        stream_id: str,
        epoch: int,
        outcomes: Sequence[tuple[Outcome, Product | None]],
        complete: bool,
    ) -> Committed:
        def run(db: sqlite3.Connection) -> tuple[Committed, IndexChange | None]:
            state = admitted(sqlite_writes.read_stream(db, stream_id), stream_id, epoch)
            sequences = [outcome.sequence for outcome, _ in outcomes]
            stored = sqlite_writes.stored_sequences(db, state, sequences)
            fresh = [entry for entry in outcomes if entry[0].sequence not in stored]
            fresh.sort(key=lambda entry: entry[0].sequence)
            products, change = products_to_write(fresh), None
            if products:
                change = self._write(db, *with_products(sqlite_spaces.read(db), products))
            sqlite_writes.write_outcomes(db, state, [outcome for outcome, _ in fresh])
            beyond = db.execute(
                "SELECT sequence FROM outcomes WHERE stream_id = ? AND generation = ?"
                " AND sequence > ? ORDER BY sequence",
                (stream_id, state.generation, state.watermark),
            )
            written = [outcome.sequence for outcome, _ in fresh]
            state = extended(state, written, (row[0] for row in beyond), complete)
            beyond.close()
            sqlite_writes.write_stream(db, state)
            version = change.version if change else sqlite_writes.read_version(db)
            return Committed(state.watermark, version), change

        return await self._change(run)

    # Products

    async def upsert(self, products: Sequence[Product]) -> tuple[int, list[Exception | None]]:
        def run(
            db: sqlite3.Connection,
        ) -> tuple[tuple[int, list[Exception | None]], IndexChange | None]:
            problems: list[Exception | None] = []
            fitting: dict[str, tuple[Product, Placed]] = {}
            spaces = sqlite_spaces.read(db)
            for product in products:
                try:
                    spaces, places = with_product(spaces, product)
                    fitting[product.product_id] = product, places
                    problems.append(None)
                except FailedPrecondition as problem:
                    problems.append(problem)
            if not fitting:
                return (sqlite_writes.read_version(db), problems), None
            change = self._write(db, spaces, [*fitting.values()])
            return (change.version, problems), change

        return await self._change(run)

    async def delete(self, product_ids: Sequence[str]) -> Deleted:
        asked = list(dict.fromkeys(product_ids))

        def run(db: sqlite3.Connection) -> tuple[Deleted, IndexChange | None]:
            rows = db.execute(
                f"SELECT product_id FROM products WHERE product_id IN ({marks(len(asked))})",
                asked,
            )
            there = {product_id for (product_id,) in rows}
            version, change = sqlite_writes.read_version(db), None
            if there:
                version += 1
                sqlite_writes.delete_products(db, [*there], _now_us())
                spaces = sqlite_spaces.read(db)
                if not sqlite_spaces.any_vectors(db, spaces):
                    spaces = emptied(spaces)
                sqlite_writes.write_version(db, version)
                sqlite_spaces.write(db, spaces)
                change = IndexChange(version, spaces, (), [*there])
            deleted = Deleted(
                tuple(product_id for product_id in asked if product_id in there),
                tuple(product_id for product_id in asked if product_id not in there),
                version,
            )
            return deleted, change

        return await self._change(run)

    async def read(
        self, product_ids: Sequence[str], space: int, vectors: bool
    ) -> dict[str, Product]:
        return await self._threads.read(lambda db: read_products(db, product_ids, space, vectors))

    async def unchanged(
        self, keys: Sequence[tuple[str, str]], pipeline_version: str
    ) -> dict[str, tuple[ImageFailure, ...]]:
        return await self._threads.read(lambda db: read_unchanged(db, keys, pipeline_version))

    async def known_images(
        self, sha256s: Sequence[str], pipeline_version: str
    ) -> list[ProductImage]:
        return await self._threads.read(lambda db: read_images(db, sha256s, pipeline_version))

    # Images

    async def put_images(self, blobs: Sequence[Blob]) -> None:
        def touch(db: sqlite3.Connection) -> None:
            now_us = _now_us()
            with transaction(db):
                db.executemany(
                    "INSERT INTO blobs VALUES (?, ?, ?, NULL) ON CONFLICT (sha256)"
                    " DO UPDATE SET touched_us = excluded.touched_us, released_us = NULL",
                    [(blob.sha256, blob.media_type, now_us) for blob in blobs],
                )

        # In this order: once touched, a sweep leaves the file alone, whether it is there or not.
        await self._threads.write(touch)
        await self._threads.run_on_files(lambda: self._blob_folder().write(list(blobs)))

    async def get_image(self, sha256: str) -> Blob | None:
        def run(db: sqlite3.Connection) -> Blob | None:
            row = db.execute(
                "SELECT media_type FROM blobs WHERE sha256 = ? AND released_us IS NULL", (sha256,)
            ).fetchone()
            data = None if row is None else self._blob_folder().read(sha256)
            return None if data is None else Blob(sha256, data, row[0])

        return await self._threads.read(run)

    async def sweep_images(self, grace_s: float) -> int:
        before_us = _now_us() - round(grace_s * 1e6)
        # Found beside the writer, because it is slow; settled by the writer, because it must hold.
        likely = await self._threads.read(
            lambda db: sqlite_writes.sweepable(db, before_us, _SWEEP_AT_ONCE)
        )
        if not likely:
            return 0

        def run(db: sqlite3.Connection) -> int:
            with transaction(db):
                gone = sqlite_writes.sweepable(db, before_us, len(likely), likely)
                # Files first: a crash in between leaves a row without a file, which means nothing.
                for sha256 in gone:
                    self._blob_folder().remove(sha256)
                db.execute(f"DELETE FROM blobs WHERE sha256 IN ({marks(len(gone))})", gone)
            return len(gone)

        return await self._threads.write(run)

    # Spaces

    async def version(self) -> int:
        return await self._threads.read(sqlite_writes.read_version)

    async def spaces(self) -> Spaces:
        return await self._threads.read(sqlite_spaces.read)

    async def count_in(self, space: int) -> tuple[int, int]:
        return await self._threads.read(lambda db: sqlite_spaces.count_in(db, space))

    async def lacking(self, space: int, after: str, limit: int) -> list[Lacking]:
        return await self._threads.read(lambda db: sqlite_spaces.lacking(db, space, after, limit))

    async def begin_space(self, space: Space) -> Spaces:
        return await self._change(lambda db: sqlite_spaces.begin(db, space))

    async def put_vectors(
        self, embedding_version: str, found: Sequence[tuple[str, int, SpaceVectors]]
    ) -> tuple[int, set[str]]:
        return await self._change(
            lambda db: sqlite_spaces.put_vectors(db, embedding_version, found)
        )

    async def switch_space(self, embedding_version: str, force: bool) -> Switched:
        return await self._change(lambda db: sqlite_spaces.switch(db, embedding_version, force))

    async def drop_space(self, embedding_version: str) -> bool:
        return await self._change(lambda db: sqlite_spaces.drop(db, embedding_version))

    async def sweep_vectors(self) -> int:
        swept = 0
        while await self._threads.read(sqlite_spaces.any_forgotten):
            swept += await self._threads.write(sqlite_spaces.sweep)
        return swept

    # Maps

    async def put_map(self, space: IndexedSpace, drawn: CatalogueMap) -> None:
        def run(db: sqlite3.Connection) -> None:
            with transaction(db):
                still_there(sqlite_spaces.read(db), space)
                sqlite_maps.write(db, space.number, data)

        data = await asyncio.to_thread(pack_map, drawn)
        await self._threads.write(run)

    async def read_map(self, space: int) -> CatalogueMap | None:
        data = await self._threads.read(lambda db: sqlite_maps.read(db, space))
        return None if data is None else await asyncio.to_thread(unpack_map, data)

    # Threads

    def _load(self, db: sqlite3.Connection) -> None:
        assert self._mirror is not None
        with transaction(db, "DEFERRED"):
            version, self._told = sqlite_writes.read_version(db), sqlite_spaces.read(db)
            self._mirror.reset(self._told, _count(db))
            self._mirror.load(scan(db, [one.number for one in self._told.all]))
            self._mirror.complete(version)

    async def _change(self, run: Callable[[sqlite3.Connection], tuple[T, IndexChange | None]]) -> T:
        """Runs a transaction and then tells the mirror what it changed."""

        def write(db: sqlite3.Connection) -> T:
            with transaction(db):
                result, change = run(db)
            if change is not None:
                self._tell(db, change)
            return result

        return await self._threads.write(write)

    def _write(
        self, db: sqlite3.Connection, spaces: Spaces, placed: Sequence[tuple[Product, Placed]]
    ) -> IndexChange:
        version = sqlite_writes.read_version(db) + 1
        sqlite_writes.write_products(db, placed, version, _now_us())
        sqlite_writes.write_version(db, version)
        sqlite_spaces.write(db, spaces)
        return IndexChange(version, spaces, _entries(placed, version), ())

    def _tell(self, db: sqlite3.Connection, change: IndexChange) -> None:
        assert self._mirror is not None
        try:
            if begins(self._told, change.spaces):
                numbers = [one.number for one in change.spaces.all]
                with transaction(db, "DEFERRED"):
                    self._mirror.begin(change.spaces, _count(db))
                    self._mirror.fill(numbers[-1], scan(db, numbers))
            self._mirror.apply(change)
            self._told = change.spaces
        except BaseException:
            # The record is right and the index in memory is not: say so, a restart mends it.
            self._following = False
            raise

    def _blob_folder(self) -> BlobFolder:
        assert self._blobs is not None
        return self._blobs


def _count(db: sqlite3.Connection) -> int:
    [count] = db.execute("SELECT COUNT(*) FROM products").fetchone()
    return int(count)


def _entries(placed: Sequence[tuple[Product, Placed]], version: int) -> list[IndexEntry]:
    return [
        IndexEntry(
            product.product_id,
            product.name,
            product.attributes,
            {number: found.vectors for number, found in places},
            len(product.images),
            version,
        )
        for product, places in placed
    ]


def _write_nothing(db: sqlite3.Connection) -> None:
    with transaction(db):
        sqlite_writes.write_version(db, sqlite_writes.read_version(db))


def _now_us() -> int:
    return time.time_ns() // 1000
