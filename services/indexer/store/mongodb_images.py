"""Image files in MongoDB: GridFS for the bytes, `blobs` for who may still need them."""

import asyncio
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Final

import gridfs
from bson import ObjectId
from gridfs.errors import NoFile
from pymongo.asynchronous.client_session import AsyncClientSession
from pymongo.asynchronous.database import AsyncDatabase
from pymongo.errors import DuplicateKeyError

from services.indexer.domain import Blob
from services.indexer.store.mongodb_documents import Document, now

_UPLOADS_AT_ONCE: Final = 8
_SWEEP_AT_ONCE: Final = 500
_CHUNK_BYTES: Final = 1 << 20


class ImageFiles:
    """A blob is claimed while a product has the image, else released, and swept after a grace."""

    def __init__(self, database: AsyncDatabase[Document]) -> None:
        self._database = database
        self._blobs = database.blobs
        self._bucket = gridfs.AsyncGridFSBucket(database, "images", _CHUNK_BYTES)
        self._uploads = asyncio.Semaphore(_UPLOADS_AT_ONCE)

    async def prepare(self) -> None:
        await self._blobs.create_index(
            "touched", partialFilterExpression={"claimed": False}, name="unclaimed"
        )

    async def put(self, blobs: Sequence[Blob]) -> None:
        ids = [blob.sha256 for blob in blobs]
        # First, so that a sweep from now on leaves them alone.
        await self._blobs.update_many(
            {"_id": {"$in": ids}}, {"$set": {"touched": now(), "released": None}}
        )
        found = self._blobs.find({"_id": {"$in": ids}}, {"_id": 1})
        there = {document["_id"] async for document in found}
        async with asyncio.TaskGroup() as tasks:
            for blob in {blob.sha256: blob for blob in blobs}.values():
                if blob.sha256 not in there:
                    tasks.create_task(self._upload(blob))

    async def _upload(self, blob: Blob) -> None:
        async with self._uploads:
            file_id = ObjectId()
            await self._bucket.upload_from_stream_with_id(file_id, blob.sha256, blob.data)
            try:
                await self._blobs.insert_one(
                    {
                        "_id": blob.sha256,
                        "file_id": file_id,
                        "media_type": blob.media_type,
                        "touched": now(),
                        "released": None,
                        "claimed": False,
                    }
                )
            except DuplicateKeyError:
                # Another call stored the same bytes meanwhile: one copy is enough.
                await self._bucket.delete(file_id)

    async def get(self, sha256: str) -> Blob | None:
        row = await self._blobs.find_one({"_id": sha256, "released": None})
        if row is None:
            return None
        try:
            stream = await self._bucket.open_download_stream(row["file_id"])
            return Blob(sha256, await stream.read(), row["media_type"])
        except NoFile:
            return None

    async def claim(
        self, sha256s: Iterable[str], version: int, session: AsyncClientSession
    ) -> None:
        """Inside the transaction that stores products with these images."""
        # The version makes it a write in any case, so that it conflicts with a sweep's.
        await self._blobs.update_many(
            {"_id": {"$in": list(sha256s)}},
            {"$set": {"claimed": True, "released": None, "version": version}},
            session=session,
        )

    async def release(
        self, sha256s: Iterable[str], moment: datetime, session: AsyncClientSession
    ) -> None:
        """Inside the transaction that took these images from products; others may have them."""
        dropped = set(sha256s)
        if not dropped:
            return
        others = self._database.products.find(
            {"images.sha256": {"$in": list(dropped)}}, {"images.sha256": 1}, session=session
        )
        async for document in others:
            dropped -= {image["sha256"] for image in document["images"]}
        await self._blobs.update_many(
            {"_id": {"$in": list(dropped)}},
            {"$set": {"claimed": False, "released": moment}},
            session=session,
        )

    async def sweep(self, grace_s: float) -> int:
        before = now() - timedelta(seconds=grace_s)
        unneeded = {
            "claimed": False,
            "touched": {"$lt": before},
            "$or": [{"released": None}, {"released": {"$lt": before}}],
        }
        swept = 0
        async for row in self._blobs.find(unneeded).limit(_SWEEP_AT_ONCE):
            # The row goes first, and only if nobody has touched it since it was read; then nobody
            # else knows of this file: a new upload makes another.
            gone = await self._blobs.delete_one({"_id": row["_id"], **unneeded})
            if gone.deleted_count:
                await self._bucket.delete(row["file_id"])
                swept += 1
        await self._sweep_strays(before)
        return swept

    async def _sweep_strays(self, before: datetime) -> None:
        """Files of uploads that broke off before their row was written."""
        strays = await self._database["images.files"].aggregate(
            [
                {"$match": {"uploadDate": {"$lt": before}}},
                {
                    "$lookup": {
                        "from": "blobs",
                        "localField": "filename",
                        "foreignField": "_id",
                        "as": "row",
                    }
                },
                {"$match": {"$expr": {"$not": {"$in": ["$_id", "$row.file_id"]}}}},
                {"$limit": _SWEEP_AT_ONCE},
                {"$project": {"_id": 1}},
            ]
        )
        async for document in strays:
            await self._bucket.delete(document["_id"])
