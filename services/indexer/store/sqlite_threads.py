"""The threads of the embedded store: one that writes, a few that read, some for files."""

import asyncio
import sqlite3
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final, TypeVar

from servicekit.errors import Unavailable
from services.indexer.store.sqlite_schema import connect

T = TypeVar("T")

_READERS: Final = 4
# They wait for the disk, not for a core.
_FILES: Final = 8


class SqliteThreads:
    """Each thread has a connection of its own, opened when it is first used.

    Every method may raise Unavailable (UPSTREAM_UNAVAILABLE): a full disk, say.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._writer = ThreadPoolExecutor(1, "sqlite-writer")
        self._readers = ThreadPoolExecutor(_READERS, "sqlite-reader")
        self._files = ThreadPoolExecutor(_FILES, "blob-files")
        self._of_thread = threading.local()
        self._connections: list[sqlite3.Connection] = []
        self.last_write_failed = False

    async def write(self, run: Callable[[sqlite3.Connection], T]) -> T:
        """In the order of the calls, one at a time."""
        try:
            result = await self._run(self._writer, lambda: run(self._connection()))
        except Unavailable:
            self.last_write_failed = True
            raise
        self.last_write_failed = False
        return result

    async def read(self, run: Callable[[sqlite3.Connection], T]) -> T:
        return await self._run(self._readers, lambda: run(self._connection()))

    async def run_on_files(self, run: Callable[[], T]) -> T:
        return await self._run(self._files, run)

    async def close(self) -> None:
        """Finishes what runs."""
        for pool in (self._writer, self._readers, self._files):
            await asyncio.to_thread(pool.shutdown, cancel_futures=True)
        for connection in self._connections:
            connection.close()

    async def _run(self, pool: ThreadPoolExecutor, run: Callable[[], T]) -> T:
        try:
            return await asyncio.get_running_loop().run_in_executor(pool, run)
        except (sqlite3.OperationalError, OSError) as error:
            raise Unavailable(
                f"The data folder does not answer: {error}.",
                reason="UPSTREAM_UNAVAILABLE",
                retry_after_s=1.0,
            ) from error

    def _connection(self) -> sqlite3.Connection:
        found: sqlite3.Connection | None = getattr(self._of_thread, "connection", None)
        if found is None:
            found = self._of_thread.connection = connect(self._path)
            self._connections.append(found)
        return found
