"""Keeps the index in memory level with MongoDB: a scan, then the change stream.

Every transaction writes the document `state/index` last, so its event closes the transaction's
events, with the version they make.
"""

import asyncio
import logging
from collections.abc import Callable
from functools import partial
from typing import Any, Final

from bson.timestamp import Timestamp
from pymongo import AsyncMongoClient
from pymongo.asynchronous.change_stream import AsyncChangeStream
from pymongo.asynchronous.client_session import AsyncClientSession
from pymongo.asynchronous.database import AsyncDatabase
from pymongo.errors import OperationFailure, PyMongoError

from services.indexer.domain import IndexChange, IndexEntry, Mirror, Spaces
from services.indexer.spaces import begins
from services.indexer.store.mongodb_documents import (
    INDEX,
    Document,
    entry_of,
    spaces_of,
)

_log = logging.getLogger(__name__)

_SCAN_PRODUCTS: Final = 2000
_RETRY_S: Final = 0.5
# The oplog no longer reaches back, the token is unknown to this server, the stream cannot go on.
_HISTORY_LOST: Final = frozenset({260, 280, 286})
_PIPELINE: Final[list[Document]] = [{"$match": {"ns.coll": {"$in": ["index_entries", "state"]}}}]


class _HistoryLost(Exception):
    """The changes since the last scan are not to be had: scan again."""


class Follower:
    """Feeds a mirror until `close`."""

    def __init__(
        self,
        client: AsyncMongoClient[Document],
        database: AsyncDatabase[Document],
        mirror: Mirror,
    ) -> None:
        self._client = client
        self._database = database
        self._mirror = mirror
        self._spaces = Spaces()
        self._task: asyncio.Task[None] | None = None
        self.loaded = False
        self.following = False

    async def start(self) -> None:
        """Loads the mirror; then follows in the background."""
        resume = await self._load()
        self._task = asyncio.create_task(self._follow(resume), name="mongodb-follower")

    async def close(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        self.following = False

    async def _load(self) -> dict[str, Any]:
        """Scans; returns how a change stream goes on from the moment before the scan."""
        async with self._client.start_session() as session:
            state = await self._database.state.find_one({"_id": INDEX}, session=session)
            assert state is not None  # the store makes it before it follows
            before: Timestamp | None = session.operation_time
            # Reads of this session see all up to that moment: nothing falls between.
            expected = await self._database.index_entries.estimated_document_count()
            self._spaces = spaces_of(state)
            await asyncio.to_thread(self._mirror.reset, self._spaces, expected)
            await self._scan(session, self._mirror.load)
        await asyncio.to_thread(self._mirror.complete, state["version"])
        self.loaded = self.following = True
        return {"start_at_operation_time": before}

    async def _scan(
        self, session: AsyncClientSession | None, take: Callable[[list[IndexEntry]], None]
    ) -> None:
        batch: list[IndexEntry] = []
        async with self._database.index_entries.find(
            {}, session=session, batch_size=_SCAN_PRODUCTS
        ) as cursor:
            async for document in cursor:
                batch.append(entry_of(document))
                if len(batch) == _SCAN_PRODUCTS:
                    await asyncio.to_thread(take, batch)
                    batch = []
        await asyncio.to_thread(take, batch)

    async def _apply(self, change: IndexChange) -> None:
        if begins(self._spaces, change.spaces):
            assert change.spaces.other is not None
            expected = await self._database.index_entries.estimated_document_count()
            await asyncio.to_thread(self._mirror.begin, change.spaces, expected)
            # It sees at least this transaction; what follows it comes again, and changes nothing.
            await self._scan(None, partial(self._mirror.fill, change.spaces.other.number))
        await asyncio.to_thread(self._mirror.apply, change)
        self._spaces = change.spaces

    async def _follow(self, resume: dict[str, Any]) -> None:
        while True:
            try:
                async with await self._database.watch(
                    _PIPELINE, max_await_time_ms=1000, **resume
                ) as stream:
                    self.following = True
                    await self._read(stream, resume)
            except _HistoryLost:
                _log.warning("the change stream's history is lost: loading the index again")
                resume = await self._load_again()
            except PyMongoError as error:
                self.following = False
                if isinstance(error, OperationFailure) and error.code in _HISTORY_LOST:
                    _log.warning("the change stream cannot go on: loading the index again")
                    resume = await self._load_again()
                else:
                    _log.warning("the change stream broke off", extra={"cause": str(error)})
                    await asyncio.sleep(_RETRY_S)
            except Exception:
                # Whatever the mirror choked on, a fresh scan is the way back to the truth.
                _log.exception("the index could not follow a change: loading it again")
                await asyncio.sleep(_RETRY_S)
                resume = await self._load_again()

    async def _load_again(self) -> dict[str, Any]:
        self.loaded = self.following = False
        while True:
            try:
                return await self._load()
            except PyMongoError as error:
                _log.warning("the index could not be loaded", extra={"cause": str(error)})
                await asyncio.sleep(_RETRY_S)

    async def _read(self, stream: AsyncChangeStream[Document], resume: dict[str, Any]) -> None:
        """Applies whole transactions; keeps in `resume` the point after the last of them."""
        upserts: dict[str, IndexEntry] = {}
        deleted: list[str] = []
        while stream.alive:
            event = await stream.try_next()
            if event is None:
                if not upserts and not deleted and stream.resume_token is not None:
                    resume.clear()
                    resume["resume_after"] = stream.resume_token
                continue
            kind, document = event["operationType"], event.get("fullDocument")
            if kind not in ("insert", "replace", "delete"):
                # Somebody dropped, renamed or hand-edited what the index is made of.
                raise _HistoryLost
            key = event["documentKey"]["_id"]
            if event["ns"]["coll"] == "index_entries":
                if document is None:
                    upserts.pop(key, None)
                    deleted.append(key)
                else:
                    upserts[key] = entry_of(document)
                continue
            if document is None:
                raise _HistoryLost
            await self._apply(
                IndexChange(
                    document["version"], spaces_of(document), list(upserts.values()), deleted
                )
            )
            upserts, deleted = {}, []
            resume.clear()
            resume["resume_after"] = event["_id"]
        raise _HistoryLost
