"""The maps of the MongoDB store: the collection `maps`, each map in parts.

A document may have 16 MiB, which the map of a great catalogue with long identifiers exceeds. All
parts of a map are written in one transaction and read on one snapshot: nobody sees half of one.
"""

from collections.abc import Iterator
from typing import Final

from bson.binary import Binary
from pymongo import AsyncMongoClient
from pymongo.asynchronous.database import AsyncDatabase

from services.indexer.store.mongodb_connection import translated
from services.indexer.store.mongodb_documents import Document

_PART_BYTES: Final = 8 * 1024 * 1024


def map_documents(number: int, data: bytes) -> Iterator[Document]:
    """The map of a space in parts."""
    for part, start in enumerate(range(0, len(data), _PART_BYTES)):
        piece = Binary(data[start : start + _PART_BYTES])
        yield {"space": number, "part": part, "data": piece}


class MapReads:
    """What is read outside transactions."""

    def __init__(
        self, client: AsyncMongoClient[Document], database: AsyncDatabase[Document]
    ) -> None:
        self._client = client
        self._maps = database.maps

    async def prepare(self) -> None:
        await self._maps.create_index([("space", 1), ("part", 1)], name="in_order", unique=True)

    async def read(self, number: int) -> bytes | None:
        async with translated(), self._client.start_session(snapshot=True) as session:
            rows = self._maps.find({"space": number}, sort={"part": 1}, session=session)
            parts = [row["data"] async for row in rows]
        return b"".join(parts) or None
