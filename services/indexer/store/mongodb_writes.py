"""What the transactions of the MongoDB store are made of; each method runs inside one."""

from collections.abc import Sequence

from pymongo import DeleteMany, InsertOne, ReplaceOne, UpdateOne
from pymongo.asynchronous.client_session import AsyncClientSession
from pymongo.asynchronous.collection import AsyncCollection
from pymongo.asynchronous.database import AsyncDatabase

from servicekit.errors import Unavailable
from services.indexer.domain import IndexedSpace, Outcome, Product, Spaces, SpaceVectors
from services.indexer.spaces import Placed
from services.indexer.store import mongodb_documents as documents
from services.indexer.store.mongodb_documents import INDEX, Document
from services.indexer.store.mongodb_images import ImageFiles
from services.indexer.store.mongodb_maps import map_documents
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

    async def state(self) -> tuple[int, Spaces]:
        """The index version and the spaces."""
        found = await self._database.state.find_one({"_id": INDEX}, session=self._session)
        if found is None:
            raise Unavailable(
                "Somebody emptied the database; start this service again.",
                reason="UPSTREAM_UNAVAILABLE",
            )
        return found["version"], documents.spaces_of(found)

    async def replace_state(self, version: int, spaces: Spaces) -> None:
        """Last in every transaction that writes products: followers take it for the end."""
        await self._database.state.replace_one(
            {"_id": INDEX}, documents.state_document(version, spaces), session=self._session
        )

    async def replace_products(
        self, placed: Sequence[tuple[Product, Placed]], version: int
    ) -> None:
        moment, products = documents.now(), [product for product, _ in placed]
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
                    product, places, version, created.get(product.product_id, moment), moment
                )
                for product, places in placed
            ],
        )
        await self._replace(
            self._database.index_entries,
            [documents.entry_document(product, places, version) for product, places in placed],
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

    async def any_vectors(self, spaces: Spaces) -> bool:
        found = await self._database.products.find_one(
            {"spaces.number": {"$in": [one.number for one in spaces.all]}},
            {"_id": 1},
            session=self._session,
        )
        return found is not None

    async def lacking_in(self, spaces: Spaces, wanted: IndexedSpace) -> int:
        """Products that lack vectors in a space and have some in another."""
        numbers = [one.number for one in spaces.all]
        return await self._database.products.count_documents(
            {"spaces.number": {"$in": numbers, "$ne": wanted.number}}, session=self._session
        )

    async def put_vectors(
        self, number: int, found: Sequence[tuple[str, int, SpaceVectors]]
    ) -> set[str]:
        """Adds a space to those products that are of the version given; returns which."""
        vectors_of = {(product_id, version): vectors for product_id, version, vectors in found}
        ids = {"$in": [product_id for product_id, _ in vectors_of]}
        fields = {"version": 1, "images.sha256": 1}
        products, added = [], {}
        async for product in self._database.products.find(
            {"_id": ids}, fields, session=self._session
        ):
            vectors = vectors_of.get((product["_id"], product["version"]))
            if vectors is None or len(vectors.images) != len(product["images"]):
                continue
            sha256s = [image["sha256"] for image in product["images"]]
            space = documents.space_document(number, vectors, sha256s)
            others = {"$filter": {"input": "$spaces", "cond": {"$ne": ["$$this.number", number]}}}
            change = {"$set": {"spaces": {"$concatArrays": [others, {"$literal": [space]}]}}}
            products.append(UpdateOne({"_id": product["_id"]}, [change]))
            added[product["_id"]] = documents.entry_space_document(number, vectors)
        if not products:
            return set()
        await self._database.products.bulk_write(products, session=self._session)
        entries = self._database.index_entries.find(
            {"_id": {"$in": list(added)}}, session=self._session
        )
        # Replaced, not updated: a follower is sent what was replaced whole.
        await self._replace(
            self._database.index_entries,
            [
                {
                    **entry,
                    "spaces": [
                        *(one for one in entry["spaces"] if one["number"] != number),
                        added[entry["_id"]],
                    ],
                }
                async for entry in entries
            ],
        )
        return set(added)

    async def forget(self, spaces: Spaces, limit: int) -> int:
        """Removes the vectors of a few products from spaces that there are no more."""
        numbers = [one.number for one in spaces.all]
        gone: Document = {"spaces": {"$elemMatch": {"number": {"$nin": numbers}}}}
        for collection in (self._database.products, self._database.index_entries):
            rows = await collection.find(gone, session=self._session).limit(limit).to_list()
            for row in rows:
                row["spaces"] = [one for one in row["spaces"] if one["number"] in numbers]
            if rows:
                await self._replace(collection, rows)
                return len(rows)
        return 0

    async def replace_map(self, number: int, data: bytes) -> None:
        """In place of the space's map before."""
        await self._database.maps.bulk_write(
            [DeleteMany({"space": number}), *map(InsertOne, map_documents(number, data))],
            session=self._session,
        )

    async def forget_maps(self, spaces: Spaces) -> None:
        """Removes those of spaces that there are no more."""
        numbers = [one.number for one in spaces.all]
        await self._database.maps.delete_many({"space": {"$nin": numbers}}, session=self._session)

    async def _replace(
        self, collection: AsyncCollection[Document], found: Sequence[Document]
    ) -> None:
        await collection.bulk_write(
            [ReplaceOne({"_id": document["_id"]}, document, upsert=True) for document in found],
            session=self._session,
        )


def _run_of(state: StreamState) -> Document:
    return {"stream_id": state.key.stream_id, "generation": state.generation}
