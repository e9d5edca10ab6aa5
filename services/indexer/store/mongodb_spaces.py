"""The spaces of the MongoDB store: which there are, what lacks vectors, and what was forgotten."""

from collections.abc import Sequence
from typing import Final

from pymongo.asynchronous.database import AsyncDatabase

from services.indexer.domain import (
    IndexedSpace,
    Lacking,
    Space,
    Spaces,
    SpaceVectors,
    Switched,
)
from services.indexer.spaces import (
    begun,
    check_dimension,
    dropped,
    known_space,
    still_there,
    switched,
)
from services.indexer.store import mongodb_documents as documents
from services.indexer.store.mongodb_connection import translated
from services.indexer.store.mongodb_documents import INDEX, Document
from services.indexer.store.mongodb_writes import Writes

_SWEEP_AT_ONCE: Final = 200


class SpaceReads:
    """What is read outside transactions."""

    def __init__(self, database: AsyncDatabase[Document]) -> None:
        self._database = database

    async def prepare(self) -> None:
        await self._database.products.create_index(
            [("spaces.images.sha256", 1), ("spaces.pipeline_version", 1)], name="by_vectors"
        )
        for collection in (self._database.products, self._database.index_entries):
            await collection.create_index("spaces.number", name="in_space")

    async def version(self) -> int:
        async with translated():
            found = await self._database.state.find_one({"_id": INDEX}, {"version": 1})
        return 0 if found is None else int(found["version"])

    async def read(self) -> Spaces:
        async with translated():
            found = await self._database.state.find_one({"_id": INDEX})
        return Spaces() if found is None else documents.spaces_of(found)

    async def count_in(self, number: int) -> tuple[int, int]:
        numbers = [one.number for one in (await self.read()).all]
        products = self._database.products
        async with translated():
            having = await products.count_documents({"spaces.number": number})
            lacking = await products.count_documents(
                {"spaces.number": {"$in": numbers, "$ne": number}}
            )
        return having, lacking

    async def lacking(self, number: int, after: str, limit: int) -> list[Lacking]:
        numbers = [one.number for one in (await self.read()).all]
        async with translated():
            rows = self._database.products.find(
                {"_id": {"$gt": after}, "spaces.number": {"$in": numbers, "$ne": number}},
                {"version": 1, "images.sha256": 1},
                sort={"_id": 1},
                limit=limit,
            )
            return [
                Lacking(
                    row["_id"], row["version"], tuple(image["sha256"] for image in row["images"])
                )
                async for row in rows
            ]

    async def any_forgotten(self) -> bool:
        numbers = [one.number for one in (await self.read()).all]
        gone: Document = {"spaces": {"$elemMatch": {"number": {"$nin": numbers}}}}
        async with translated():
            for collection in (self._database.products, self._database.index_entries):
                if await collection.find_one(gone, {"_id": 1}) is not None:
                    return True
        return False


async def begin(writes: Writes, space: Space) -> Spaces:
    version, before = await writes.state()
    after = begun(before, space)
    if after != before:
        await writes.replace_state(version + 1, after)
    return after


async def put_vectors(
    writes: Writes, embedding_version: str, found: Sequence[tuple[str, int, SpaceVectors]]
) -> tuple[int, set[str]]:
    version, spaces = await writes.state()
    wanted = known_space(spaces, embedding_version)
    for _, _, vectors in found:
        check_dimension(wanted.space, vectors.space.dimension)
    written = await writes.put_vectors(wanted.number, found)
    if written:
        version += 1
        await writes.replace_state(version, spaces)
    return version, written


async def switch(writes: Writes, embedding_version: str, force: bool) -> Switched:
    version, before = await writes.state()
    wanted = known_space(before, embedding_version)
    after = switched(before, embedding_version, await writes.lacking_in(before, wanted), force)
    if after == before or before.active is None:
        return Switched(version, None)
    await writes.replace_state(version + 1, after)
    return Switched(version + 1, before.active.space)


async def drop(writes: Writes, embedding_version: str) -> bool:
    version, before = await writes.state()
    after = dropped(before, embedding_version)
    if after != before:
        await writes.forget_maps(after)
        await writes.replace_state(version + 1, after)
    return after != before


async def put_map(writes: Writes, space: IndexedSpace, data: bytes) -> None:
    version, spaces = await writes.state()
    still_there(spaces, space)
    await writes.replace_map(space.number, data)
    # Conflicts with a transaction that drops the space at the same time.
    await writes.replace_state(version + 1, spaces)


async def sweep(writes: Writes) -> int:
    """Removes the vectors of a few products from spaces that were dropped."""
    version, spaces = await writes.state()
    swept = await writes.forget(spaces, _SWEEP_AT_ONCE)
    if swept:
        # Closes the transaction for those who follow, as every other one.
        await writes.replace_state(version + 1, spaces)
    return swept
