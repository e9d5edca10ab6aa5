"""The store for production: MongoDB, as a replica set.

Writes are acknowledged by a majority and journaled. Each commit is one transaction, which reads
`state/index` first and replaces it last: two writers at once conflict there and one tries again.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

from pymongo.asynchronous.client_session import AsyncClientSession

from servicekit.errors import FailedPrecondition
from services.indexer.domain import (
    Blob,
    Committed,
    Deleted,
    ImageFailure,
    IndexedSpace,
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
from services.indexer.spaces import Placed, emptied, with_product, with_products
from services.indexer.store import mongodb_documents as documents
from services.indexer.store import mongodb_spaces
from services.indexer.store.map_codec import pack_map, unpack_map
from services.indexer.store.mongodb_connection import MongoConnection, translated
from services.indexer.store.mongodb_documents import INDEX
from services.indexer.store.mongodb_follow import Follower
from services.indexer.store.mongodb_images import ImageFiles
from services.indexer.store.mongodb_maps import MapReads
from services.indexer.store.mongodb_migration import migrate
from services.indexer.store.mongodb_writes import Writes
from services.indexer.streams import (
    StreamState,
    admitted,
    extended,
    products_to_write,
    reopened,
    stream_not_found,
)

T = TypeVar("T")


class MongoStore:
    """Implements domain.Store.

    Args:
      uri: see MongoConnection.
    """

    kind = "mongodb"

    def __init__(self, uri: str) -> None:
        self._connection = MongoConnection(uri)
        self._database = self._connection.database
        self._images = ImageFiles(self._database)
        self._spaces = mongodb_spaces.SpaceReads(self._database)
        self._maps = MapReads(self._connection.client, self._database)
        self._follower: Follower | None = None

    async def start(self, mirror: Mirror) -> None:
        await self._connection.wait_for_replica_set()
        async with translated():
            await self._database.products.create_index(
                [("images.sha256", 1), ("pipeline_version", 1)], name="by_content"
            )
            await self._database.outcomes.create_index(
                [("stream_id", 1), ("generation", 1), ("sequence", 1)],
                name="in_order",
                unique=True,
            )
            await self._spaces.prepare()
            await self._images.prepare()
            await self._maps.prepare()
            await self._database.state.update_one(
                {"_id": INDEX}, {"$setOnInsert": documents.state_document(0, Spaces())}, upsert=True
            )
            await migrate(self._connection, self._database)
            self._follower = Follower(self._connection.client, self._database, mirror)
            await self._follower.start()

    async def close(self) -> None:
        if self._follower is not None:
            await self._follower.close()
        await self._connection.close()

    @property
    def loaded(self) -> bool:
        return self._follower is not None and self._follower.loaded

    @property
    def following(self) -> bool:
        return self._follower is not None and self._follower.following

    async def ping(self) -> None:
        await self._connection.ping()

    # Streams

    async def open_stream(self, key: StreamKey) -> OpenedStream:
        async def run(writes: Writes) -> StreamState:
            state = reopened(await writes.stream(key.stream_id), key)
            await writes.replace_stream(state)
            return state

        state = await self._transact(run)
        async with translated():
            # Outcomes of a run that began anew are of no use to anybody. Outside the transaction:
            # they may be very many, and the new generation does not see them.
            await self._database.outcomes.delete_many(
                {"stream_id": key.stream_id, "generation": {"$lt": state.generation}}
            )
        return state.opened()

    async def list_outcomes(self, stream_id: str, after_sequence: int, limit: int) -> list[Outcome]:
        async with translated():
            found = await self._database.streams.find_one({"_id": stream_id})
            state = documents.stream_of(found)
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
        async def run(writes: Writes) -> Committed:
            state = admitted(await writes.stream(stream_id), stream_id, epoch)
            sequences = [outcome.sequence for outcome, _ in outcomes]
            stored = await writes.stored_sequences(state, sequences)
            fresh = [entry for entry in outcomes if entry[0].sequence not in stored]
            fresh.sort(key=lambda entry: entry[0].sequence)
            version, spaces = await writes.state()
            products = products_to_write(fresh)
            spaces, placed = with_products(spaces, products)
            await writes.insert_outcomes(state, [outcome for outcome, _ in fresh])
            if products:
                version += 1
                await writes.replace_products(placed, version)
            written = [outcome.sequence for outcome, _ in fresh]
            state = extended(state, written, await writes.run_on(state), complete)
            await writes.replace_stream(state)
            if products:
                await writes.replace_state(version, spaces)
            return Committed(state.watermark, version)

        return await self._transact(run)

    # Products

    async def upsert(self, products: Sequence[Product]) -> tuple[int, list[Exception | None]]:
        async def run(writes: Writes) -> tuple[int, list[Exception | None]]:
            version, spaces = await writes.state()
            problems: list[Exception | None] = []
            fitting: dict[str, tuple[Product, Placed]] = {}
            for product in products:
                try:
                    spaces, places = with_product(spaces, product)
                    fitting[product.product_id] = product, places
                    problems.append(None)
                except FailedPrecondition as problem:
                    problems.append(problem)
            if fitting:
                version += 1
                await writes.replace_products([*fitting.values()], version)
                await writes.replace_state(version, spaces)
            return version, problems

        return await self._transact(run)

    async def delete(self, product_ids: Sequence[str]) -> Deleted:
        asked = list(dict.fromkeys(product_ids))

        async def run(writes: Writes) -> Deleted:
            version, spaces = await writes.state()
            there = await writes.delete_products(asked)
            if there:
                version += 1
                if not await writes.any_vectors(spaces):
                    spaces = emptied(spaces)
                    await writes.forget_maps(spaces)
                await writes.replace_state(version, spaces)
            return Deleted(
                tuple(product_id for product_id in asked if product_id in there),
                tuple(product_id for product_id in asked if product_id not in there),
                version,
            )

        return await self._transact(run)

    async def read(
        self, product_ids: Sequence[str], space: int, vectors: bool
    ) -> dict[str, Product]:
        fields = documents.with_vectors_of(space) if vectors else documents.WITHOUT_VECTORS
        async with translated():
            rows = self._database.products.find({"_id": {"$in": list(product_ids)}}, fields)
            return {row["_id"]: documents.product_of(row, space) async for row in rows}

    async def unchanged(
        self, keys: Sequence[tuple[str, str]], pipeline_version: str
    ) -> dict[str, tuple[ImageFailure, ...]]:
        digest_of = dict(keys)
        async with translated():
            cursor = self._database.products.find(
                {
                    "_id": {"$in": list(digest_of)},
                    "retryable": False,
                    "$or": [
                        {"spaces.pipeline_version": pipeline_version},
                        {"spaces": [], "pipeline_version": pipeline_version},
                    ],
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
        async with translated():
            cursor = await self._database.aggregate(
                documents.known_images_pipeline(sha256s, pipeline_version)
            )
            return [documents.image_of(row["image"], row["vectors"]) async for row in cursor]

    # Images

    async def put_images(self, blobs: Sequence[Blob]) -> None:
        async with translated():
            await self._images.put(blobs)

    async def get_image(self, sha256: str) -> Blob | None:
        async with translated():
            return await self._images.get(sha256)

    async def sweep_images(self, grace_s: float) -> int:
        async with translated():
            return await self._images.sweep(grace_s)

    # Spaces

    async def version(self) -> int:
        return await self._spaces.version()

    async def spaces(self) -> Spaces:
        return await self._spaces.read()

    async def count_in(self, space: int) -> tuple[int, int]:
        return await self._spaces.count_in(space)

    async def lacking(self, space: int, after: str, limit: int) -> list[Lacking]:
        return await self._spaces.lacking(space, after, limit)

    async def begin_space(self, space: Space) -> Spaces:
        return await self._transact(lambda writes: mongodb_spaces.begin(writes, space))

    async def put_vectors(
        self, embedding_version: str, found: Sequence[tuple[str, int, SpaceVectors]]
    ) -> tuple[int, set[str]]:
        return await self._transact(
            lambda writes: mongodb_spaces.put_vectors(writes, embedding_version, found)
        )

    async def switch_space(self, embedding_version: str, force: bool) -> Switched:
        return await self._transact(
            lambda writes: mongodb_spaces.switch(writes, embedding_version, force)
        )

    async def drop_space(self, embedding_version: str) -> bool:
        return await self._transact(lambda writes: mongodb_spaces.drop(writes, embedding_version))

    async def sweep_vectors(self) -> int:
        swept = 0
        while await self._spaces.any_forgotten():
            swept += await self._transact(mongodb_spaces.sweep)
        return swept

    # Maps

    async def put_map(self, space: IndexedSpace, drawn: CatalogueMap) -> None:
        data = await asyncio.to_thread(pack_map, drawn)
        await self._transact(lambda writes: mongodb_spaces.put_map(writes, space, data))

    async def read_map(self, space: int) -> CatalogueMap | None:
        data = await self._maps.read(space)
        return None if data is None else await asyncio.to_thread(unpack_map, data)

    async def _transact(self, run: Callable[[Writes], Awaitable[T]]) -> T:
        async def with_session(session: AsyncClientSession) -> T:
            return await run(Writes(self._database, self._images, session))

        return await self._connection.transact(with_session)
