"""The store for production: MongoDB, as a replica set.

Writes are acknowledged by a majority and journaled. Each commit is one transaction, which reads
`state/index` first and replaces it last: two writers at once conflict there and one tries again.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Final, TypeVar

from pymongo import AsyncMongoClient, InsertOne, ReplaceOne
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
from services.indexer.domain import (
    Blob,
    Committed,
    Deleted,
    ImageFailure,
    Mirror,
    OpenedStream,
    Outcome,
    Product,
    ProductImage,
    Space,
    StreamKey,
)
from services.indexer.store import mongodb_documents as documents
from services.indexer.store.mongodb_documents import INDEX, Document
from services.indexer.store.mongodb_follow import Follower
from services.indexer.store.mongodb_images import ImageFiles
from services.indexer.streams import (
    StreamState,
    admitted,
    extended,
    products_to_write,
    reopened,
    space_with,
    stream_not_found,
)

_log = logging.getLogger(__name__)

T = TypeVar("T")

_DEFAULT_DATABASE: Final = "lookalike"
_SELECT_MS: Final = 3000
_RETRY_S: Final = 1.0


class MongoStore:
    """Implements domain.Store.

    Args:
      uri: as MongoDB's drivers take it; its path may name the database, `lookalike` by default.

    Raises:
      FailedPrecondition: STORE_UNSUITABLE, the URI is none.
    """

    kind = "mongodb"

    def __init__(self, uri: str) -> None:
        try:
            self._client: AsyncMongoClient[Document] = AsyncMongoClient(
                uri,
                appname="lookalike-indexer",
                serverSelectionTimeoutMS=_SELECT_MS,
                connectTimeoutMS=_SELECT_MS,
                tz_aware=True,
            )
            self._database: AsyncDatabase[Document] = self._client.get_default_database(
                _DEFAULT_DATABASE,
                read_concern=ReadConcern("majority"),
                write_concern=WriteConcern(w="majority", j=True),
            )
        except (InvalidURI, ConfigurationError) as error:
            raise FailedPrecondition(
                f"The MongoDB URI cannot be used: {error}.", reason="STORE_UNSUITABLE"
            ) from error
        self._uri = uri
        self._images = ImageFiles(self._database)
        # Writers of one process take turns, instead of conflicting and trying again.
        self._writing = asyncio.Lock()
        self._follower: Follower | None = None

    async def start(self, mirror: Mirror) -> None:
        await self._wait_for_replica_set()
        async with _translated():
            await self._database.image_vectors.create_index(
                [("images.sha256", 1), ("pipeline_version", 1)], name="by_content"
            )
            await self._database.outcomes.create_index(
                [("stream_id", 1), ("generation", 1), ("sequence", 1)],
                name="in_order",
                unique=True,
            )
            await self._images.prepare()
            await self._database.state.update_one(
                {"_id": INDEX}, {"$setOnInsert": documents.state_document(0, None)}, upsert=True
            )
            self._follower = Follower(self._client, self._database, mirror)
            await self._follower.start()

    async def _wait_for_replica_set(self) -> None:
        """Until a primary is there: the database may start at the same time as this process."""
        while True:
            try:
                hello = await self._client.admin.command("hello")
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

    async def close(self) -> None:
        if self._follower is not None:
            await self._follower.close()
        await self._client.close()

    @property
    def loaded(self) -> bool:
        return self._follower is not None and self._follower.loaded

    @property
    def following(self) -> bool:
        return self._follower is not None and self._follower.following

    async def ping(self) -> None:
        async with _translated():
            hello = await self._client.admin.command("hello")
        if not hello.get("isWritablePrimary"):
            raise Unavailable("MongoDB has no primary.", reason="UPSTREAM_UNAVAILABLE")

    # Streams

    async def open_stream(self, key: StreamKey) -> OpenedStream:
        async def run(session: AsyncClientSession) -> StreamState:
            state = reopened(await self._stream(key.stream_id, session), key)
            await self._replace_stream(state, session)
            return state

        state = await self._transact(run)
        async with _translated():
            # Outcomes of a run that began anew are of no use to anybody. Outside the transaction:
            # they may be very many, and the new generation does not see them.
            await self._database.outcomes.delete_many(
                {"stream_id": key.stream_id, "generation": {"$lt": state.generation}}
            )
        return state.opened()

    async def list_outcomes(self, stream_id: str, after_sequence: int, limit: int) -> list[Outcome]:
        async with _translated():
            state = await self._stream(stream_id, None)
            if state is None:
                raise stream_not_found(stream_id)
            cursor = self._database.outcomes.find(
                {
                    "stream_id": stream_id,
                    "generation": state.generation,
                    "sequence": {"$gt": after_sequence},
                },
                sort={"sequence": 1},
                limit=limit,
            )
            return [documents.outcome_of(found) async for found in cursor]

    async def commit(
        self,
        stream_id: str,
        epoch: int,
        outcomes: Sequence[tuple[Outcome, Product | None]],
        complete: bool,
    ) -> Committed:
        async def run(session: AsyncClientSession) -> Committed:
            state = admitted(await self._stream(stream_id, session), stream_id, epoch)
            in_run = {"stream_id": stream_id, "generation": state.generation}
            sequences = [outcome.sequence for outcome, _ in outcomes]
            known = self._database.outcomes.find(
                {**in_run, "sequence": {"$in": sequences}}, {"sequence": 1}, session=session
            )
            stored = {found["sequence"] async for found in known}
            fresh = [entry for entry in outcomes if entry[0].sequence not in stored]
            fresh.sort(key=lambda entry: entry[0].sequence)
            version, space = await self._state(session)
            if fresh:
                await self._database.outcomes.bulk_write(
                    [InsertOne(documents.outcome_document(state, found)) for found, _ in fresh],
                    session=session,
                )
            written = [outcome.sequence for outcome, _ in fresh]
            state = extended(state, written, await self._run_on(state, session), complete)
            await self._replace_stream(state, session)
            if products := products_to_write(fresh):
                version += 1
                for product in products:
                    space = space_with(space, product)
                await self._write_products(products, version, space, session)
            return Committed(state.watermark, version)

        return await self._transact(run)

    async def _run_on(self, state: StreamState, session: AsyncClientSession) -> list[int]:
        """The stored sequences that follow the watermark without a gap."""
        following: list[int] = []
        async with self._database.outcomes.find(
            {
                "stream_id": state.key.stream_id,
                "generation": state.generation,
                "sequence": {"$gt": state.watermark},
            },
            {"sequence": 1, "_id": 0},
            sort={"sequence": 1},
            session=session,
        ) as cursor:
            async for found in cursor:
                if found["sequence"] != state.watermark + len(following) + 1:
                    break
                following.append(found["sequence"])
        return following

    # Products

    async def upsert(self, products: Sequence[Product]) -> tuple[int, list[Exception | None]]:
        async def run(session: AsyncClientSession) -> tuple[int, list[Exception | None]]:
            version, space = await self._state(session)
            problems: list[Exception | None] = []
            fitting: dict[str, Product] = {}
            for product in products:
                try:
                    space = space_with(space, product)
                    fitting[product.product_id] = product
                    problems.append(None)
                except FailedPrecondition as problem:
                    problems.append(problem)
            if fitting:
                version += 1
                await self._write_products([*fitting.values()], version, space, session)
            return version, problems

        return await self._transact(run)

    async def delete(self, product_ids: Sequence[str]) -> Deleted:
        asked = list(dict.fromkeys(product_ids))

        async def run(session: AsyncClientSession) -> Deleted:
            version, space = await self._state(session)
            chosen = {"_id": {"$in": asked}}
            found = self._database.products.find(chosen, {"_id": 1}, session=session)
            there = {document["_id"] async for document in found}
            if there:
                version += 1
                dropped = await self._images_of(asked, session)
                await self._database.products.delete_many(chosen, session=session)
                await self._database.image_vectors.delete_many(chosen, session=session)
                await self._images.release(dropped, documents.now(), session)
                left = await self._database.products.find_one(
                    {"own_garment": {"$ne": None}}, {"_id": 1}, session=session
                )
                await self._replace_state(version, None if left is None else space, session)
            return Deleted(
                tuple(product_id for product_id in asked if product_id in there),
                tuple(product_id for product_id in asked if product_id not in there),
                version,
            )

        return await self._transact(run)

    async def read(self, product_ids: Sequence[str], vectors: bool) -> dict[str, Product]:
        chosen = {"_id": {"$in": list(product_ids)}}
        async with _translated():
            if not vectors:
                found = self._database.products.find(chosen)
                return {
                    document["_id"]: documents.product_of(document, None)
                    async for document in found
                }
            # A snapshot session: both collections as they were at one moment.
            async with self._client.start_session(snapshot=True) as session:
                pairs = {
                    document["_id"]: document
                    async for document in self._database.products.find(chosen, session=session)
                }
                of_images = self._database.image_vectors.find(chosen, session=session)
                return {
                    images["_id"]: documents.product_of(pairs[images["_id"]], images)
                    async for images in of_images
                }

    async def unchanged(
        self, keys: Sequence[tuple[str, str]], pipeline_version: str
    ) -> dict[str, tuple[ImageFailure, ...]]:
        digest_of = dict(keys)
        async with _translated():
            cursor = self._database.products.find(
                {
                    "_id": {"$in": list(digest_of)},
                    "pipeline_version": pipeline_version,
                    "retryable": False,
                },
                {"content_digest": 1, "failures": 1},
            )
            return {
                document["_id"]: documents.failures_of(document["failures"])
                async for document in cursor
                if document["content_digest"] == digest_of[document["_id"]]
            }

    async def known_images(
        self, sha256s: Sequence[str], pipeline_version: str
    ) -> list[ProductImage]:
        wanted = set(sha256s)
        found: dict[str, ProductImage] = {}
        async with _translated():
            cursor = self._database.image_vectors.find(
                {"images.sha256": {"$in": list(wanted)}, "pipeline_version": pipeline_version}
            )
            async for document in cursor:
                for fields in document["images"]:
                    sha256 = fields["sha256"]
                    if sha256 in wanted and sha256 not in found and fields["vectors"]:
                        found[sha256] = documents.image_of(fields)
        return list(found.values())

    # Images

    async def put_images(self, blobs: Sequence[Blob]) -> None:
        async with _translated():
            await self._images.put(blobs)

    async def get_image(self, sha256: str) -> Blob | None:
        async with _translated():
            return await self._images.get(sha256)

    async def sweep_images(self, grace_s: float) -> int:
        async with _translated():
            return await self._images.sweep(grace_s)

    # Inside a transaction

    async def _transact(self, run: Callable[[AsyncClientSession], Awaitable[T]]) -> T:
        async with _translated(), self._writing, self._client.start_session() as session:
            return await session.with_transaction(
                run,
                read_concern=ReadConcern("snapshot"),
                write_concern=WriteConcern(w="majority", j=True),
            )

    async def _write_products(
        self,
        products: Sequence[Product],
        version: int,
        space: Space | None,
        session: AsyncClientSession,
    ) -> None:
        moment = documents.now()
        ids = [product.product_id for product in products]
        created = {
            document["_id"]: document["create_time"]
            async for document in self._database.products.find(
                {"_id": {"$in": ids}}, {"create_time": 1}, session=session
            )
        }
        dropped = await self._images_of(list(created), session)
        await self._database.products.bulk_write(
            [
                ReplaceOne(
                    {"_id": product.product_id},
                    documents.product_document(
                        product, version, created.get(product.product_id, moment), moment
                    ),
                    upsert=True,
                )
                for product in products
            ],
            session=session,
        )
        await self._database.image_vectors.bulk_write(
            [
                ReplaceOne(
                    {"_id": product.product_id},
                    documents.image_vectors_document(product, version),
                    upsert=True,
                )
                for product in products
            ],
            session=session,
        )
        images = {image.sha256 for product in products for image in product.images}
        await self._images.claim(images, version, session)
        await self._images.release(dropped - images, moment, session)
        await self._replace_state(version, space, session)

    async def _images_of(self, ids: Sequence[str], session: AsyncClientSession) -> set[str]:
        found = self._database.image_vectors.find(
            {"_id": {"$in": list(ids)}}, {"images.sha256": 1}, session=session
        )
        return {image["sha256"] async for document in found for image in document["images"]}

    async def _stream(
        self, stream_id: str, session: AsyncClientSession | None
    ) -> StreamState | None:
        return documents.stream_of(
            await self._database.streams.find_one({"_id": stream_id}, session=session)
        )

    async def _replace_stream(self, state: StreamState, session: AsyncClientSession) -> None:
        await self._database.streams.replace_one(
            {"_id": state.key.stream_id},
            documents.stream_document(state),
            upsert=True,
            session=session,
        )

    async def _state(self, session: AsyncClientSession) -> tuple[int, Space | None]:
        found = await self._database.state.find_one({"_id": INDEX}, session=session)
        if found is None:
            raise Unavailable(
                "Somebody emptied the database; start this service again.",
                reason="UPSTREAM_UNAVAILABLE",
            )
        return found["version"], documents.space_of(found)

    async def _replace_state(
        self, version: int, space: Space | None, session: AsyncClientSession
    ) -> None:
        await self._database.state.replace_one(
            {"_id": INDEX}, documents.state_document(version, space), session=session
        )


@asynccontextmanager
async def _translated() -> AsyncIterator[None]:
    """The driver's errors as ours; what is neither the network's nor the set's doing is a bug."""
    try:
        yield
    except (ConnectionFailure, OperationFailure) as error:
        passing = isinstance(error, ConnectionFailure) or error.has_error_label(
            "TransientTransactionError"
        )
        if not passing and error.timeout is False:
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
