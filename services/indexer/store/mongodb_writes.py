"""What the transactions of the MongoDB store are made of; each method runs inside one."""

from collections.abc import Sequence

from pymongo import InsertOne, ReplaceOne
from pymongo.asynchronous.client_session import AsyncClientSession
from pymongo.asynchronous.collection import AsyncCollection
from pymongo.asynchronous.database import AsyncDatabase

from servicekit.errors import Unavailable
from services.indexer.domain import Outcome, Product, Space
from services.indexer.store import mongodb_documents as documents
from services.indexer.store.mongodb_documents import INDEX, Document
from services.indexer.store.mongodb_images import ImageFiles
from services.indexer.streams import StreamState


class Writes:
    """Reads and writes of one transaction's session."""

    def __init__(
        self,
        database: AsyncDatabase[Document],
        images: ImageFiles,
        session: AsyncClientSession,
    ) -> None:
        self._database = database
        self._images = images
        self._session = session

    async def stream(self, stream_id: str) -> StreamState | None:
        return documents.stream_of(
            await self._database.streams.find_one({"_id": stream_id}, session=self._session)
        )

    async def replace_stream(self, state: StreamState) -> None:
        await self._database.streams.replace_one(
            {"_id": state.key.stream_id},
            documents.stream_document(state),
            upsert=True,
            session=self._session,
        )

    async def stored_sequences(self, state: StreamState, sequences: Sequence[int]) -> set[int]:
        """Those of the sequences that have an outcome."""
        found = self._database.outcomes.find(
            {**_run_of(state), "sequence": {"$in": list(sequences)}},
            {"sequence": 1},
            session=self._session,
        )
        return {document["sequence"] async for document in found}

    async def insert_outcomes(self, state: StreamState, outcomes: Sequence[Outcome]) -> None:
        if outcomes:
            await self._database.outcomes.bulk_write(
                [InsertOne(documents.outcome_document(state, found)) for found in outcomes],
                session=self._session,
            )

    async def run_on(self, state: StreamState) -> list[int]:
        """The stored sequences that follow the watermark without a gap."""
        following: list[int] = []
        async with self._database.outcomes.find(
            {**_run_of(state), "sequence": {"$gt": state.watermark}},
            {"sequence": 1, "_id": 0},
            sort={"sequence": 1},
            session=self._session,
        ) as cursor:
            async for found in cursor:
                if found["sequence"] != state.watermark + len(following) + 1:
                    break
                following.append(found["sequence"])
        return following

    async def state(self) -> tuple[int, Space | None]:
        """The index version and the space."""
        found = await self._database.state.find_one({"_id": INDEX}, session=self._session)
        if found is None:
            raise Unavailable(
                "Somebody emptied the database; start this service again.",
                reason="UPSTREAM_UNAVAILABLE",
            )
        return found["version"], documents.space_of(found)

    async def replace_state(self, version: int, space: Space | None) -> None:
        """Last in every transaction that writes products: followers take it for the end."""
        await self._database.state.replace_one(
            {"_id": INDEX}, documents.state_document(version, space), session=self._session
        )

    async def replace_products(self, products: Sequence[Product], version: int) -> None:
        moment = documents.now()
        ids = [product.product_id for product in products]
        older = self._database.products.find(
            {"_id": {"$in": ids}}, {"create_time": 1, "images.sha256": 1}, session=self._session
        )
        created, dropped = {}, set()
        async for document in older:
            created[document["_id"]] = document["create_time"]
            dropped |= {image["sha256"] for image in document["images"]}
        await self._replace(
            self._database.products,
            [
                documents.product_document(
                    product, version, created.get(product.product_id, moment), moment
                )
                for product in products
            ],
        )
        await self._replace(
            self._database.index_entries,
            [documents.entry_document(product, version) for product in products],
        )
        images = {image.sha256 for product in products for image in product.images}
        await self._images.claim(images, version, self._session)
        await self._images.release(dropped - images, moment, self._session)

    async def delete_products(self, ids: Sequence[str]) -> set[str]:
        """Returns those that were there."""
        chosen = {"_id": {"$in": list(ids)}}
        found = self._database.products.find(chosen, {"images.sha256": 1}, session=self._session)
        there, dropped = set(), set()
        async for document in found:
            there.add(document["_id"])
            dropped |= {image["sha256"] for image in document["images"]}
        if there:
            await self._database.products.delete_many(chosen, session=self._session)
            await self._database.index_entries.delete_many(chosen, session=self._session)
            await self._images.release(dropped, documents.now(), self._session)
        return there

    async def any_vectors(self) -> bool:
        found = await self._database.index_entries.find_one(
            {"own_garment": {"$ne": None}}, {"_id": 1}, session=self._session
        )
        return found is not None

    async def _replace(
        self, collection: AsyncCollection[Document], found: Sequence[Document]
    ) -> None:
        await collection.bulk_write(
            [ReplaceOne({"_id": document["_id"]}, document, upsert=True) for document in found],
            session=self._session,
        )


def _run_of(state: StreamState) -> Document:
    return {"stream_id": state.key.stream_id, "generation": state.generation}
