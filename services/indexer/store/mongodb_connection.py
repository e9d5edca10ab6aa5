"""The connection to MongoDB: finding the replica set, transactions, and its errors as ours."""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Final, TypeVar

from pymongo import AsyncMongoClient
from pymongo.asynchronous.client_session import AsyncClientSession
from pymongo.asynchronous.database import AsyncDatabase
from pymongo.errors import (
    ConfigurationError,
    ConnectionFailure,
    InvalidURI,
    OperationFailure,
    PyMongoError,
)
from pymongo.read_concern import ReadConcern
from pymongo.write_concern import WriteConcern

from servicekit.errors import FailedPrecondition, Unavailable
from services.indexer.store.mongodb_documents import Document

_log = logging.getLogger(__name__)

T = TypeVar("T")

APP_NAME: Final = "lookalike-indexer"

_DEFAULT_DATABASE: Final = "lookalike"
_SELECT_MS: Final = 3000
_RETRY_S: Final = 1.0
_STALE_S: Final = 1.0
_WRITTEN: Final = WriteConcern(w="majority", j=True)


class MongoConnection:
    """One client for the whole process.

    Args:
      uri: as MongoDB's drivers take it; its path may name the database, `lookalike` by default.

    Raises:
      FailedPrecondition: STORE_UNSUITABLE, the URI is none.
    """

    def __init__(self, uri: str) -> None:
        try:
            self.client: AsyncMongoClient[Document] = AsyncMongoClient(
                uri,
                appname=APP_NAME,
                serverSelectionTimeoutMS=_SELECT_MS,
                connectTimeoutMS=_SELECT_MS,
                tz_aware=True,
            )
            self.database: AsyncDatabase[Document] = self.client.get_default_database(
                _DEFAULT_DATABASE, read_concern=ReadConcern("majority"), write_concern=_WRITTEN
            )
        except (InvalidURI, ConfigurationError) as error:
            raise FailedPrecondition(
                f"The MongoDB URI cannot be used: {error}.", reason="STORE_UNSUITABLE"
            ) from error
        self._uri = uri
        # Writers of one process take turns, instead of conflicting and trying again.
        self._writing = asyncio.Lock()

    async def close(self) -> None:
        await self.client.close()

    async def wait_for_replica_set(self) -> None:
        """Until a primary is there: the database may start at the same time as this process.

        Raises:
          FailedPrecondition: STORE_UNSUITABLE, a standalone server.
        """
        while True:
            try:
                hello = await self.client.admin.command("hello")
            except ConnectionFailure as error:
                if await self._is_standalone():
                    raise _standalone() from error
                _log.warning("MongoDB does not answer yet", extra={"cause": str(error)[:300]})
                await asyncio.sleep(_RETRY_S)
            else:
                if "setName" not in hello and hello.get("msg") != "isdbgrid":
                    raise _standalone()
                return

    async def _is_standalone(self) -> bool:
        """A URI that names a replica set never selects a standalone, so it is asked directly."""
        probe: AsyncMongoClient[Document] = AsyncMongoClient(
            self._uri,
            replicaSet=None,
            directConnection=True,
            serverSelectionTimeoutMS=_SELECT_MS,
        )
        try:
            hello = await probe.admin.command("hello")
        except PyMongoError:
            return False
        finally:
            await probe.close()
        return bool(hello.get("isWritablePrimary")) and "setName" not in hello

    async def ping(self) -> None:
        """Raises: Unavailable: UPSTREAM_UNAVAILABLE, there is no primary."""
        async with translated():
            hello = await self.client.admin.command("hello")
        if not hello.get("isWritablePrimary"):
            raise Unavailable("MongoDB has no primary.", reason="UPSTREAM_UNAVAILABLE")

    async def transact(self, run: Callable[[AsyncClientSession], Awaitable[T]]) -> T:
        """Runs a transaction, again after a conflict; durable on a majority when it returns."""
        async with translated(), self._writing, self.client.start_session() as session:
            began = time.monotonic()

            async def attempt(session: AsyncClientSession) -> T:
                if time.monotonic() - began > _STALE_S:
                    await self._end_stale_transactions()
                return await run(session)

            return await session.with_transaction(
                attempt, read_concern=ReadConcern("snapshot"), write_concern=_WRITTEN
            )

    async def _end_stale_transactions(self) -> None:
        """Ends transactions of indexers that died in the middle of one.

        The server would keep what they locked for a minute. Ours take milliseconds, so one that
        has been idle for a second has lost its process; if not, its process makes it again.
        """
        idle = {
            "type": "idleSession",
            "appName": APP_NAME,
            "transaction.timeInactiveMicros": {"$gt": _STALE_S * 1e6},
        }
        pipeline: list[Document] = [{"$currentOp": {"idleSessions": True}}, {"$match": idle}]
        sessions = await self.client.admin.aggregate(pipeline)
        stale = [{"id": found["lsid"]["id"]} async for found in sessions]
        if stale:
            _log.warning("ending transactions of indexers that died", extra={"count": len(stale)})
            await self.client.admin.command("killSessions", stale)


@asynccontextmanager
async def translated() -> AsyncIterator[None]:
    """The driver's errors as ours; what is neither the network's nor the set's doing is a bug."""
    try:
        yield
    except (ConnectionFailure, OperationFailure) as error:
        passing = (
            isinstance(error, ConnectionFailure)
            or error.timeout
            or error.has_error_label("TransientTransactionError")
        )
        if not passing:
            raise
        raise Unavailable(
            "MongoDB does not answer.", reason="UPSTREAM_UNAVAILABLE", retry_after_s=1.0
        ) from error


def _standalone() -> FailedPrecondition:
    return FailedPrecondition(
        "This MongoDB is a standalone server, without transactions and change streams: start it"
        " with --replSet rs0 and run rs.initiate() once; a set of one node is enough.",
        reason="STORE_UNSUITABLE",
    )
