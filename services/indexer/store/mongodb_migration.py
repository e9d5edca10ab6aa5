"""Brings the documents of an older release up to date, in place.

Version 1 had one space, whose vectors were fields of the documents themselves. It becomes the space
of number 1. Some documents go in each transaction, which conflicts with every other writer's: a
migration that is broken off goes on at the next start, and two at once do no harm. Indexers of
the older release must have ended: they do not know the new documents.
"""

import logging
from typing import Final

from pymongo import ReplaceOne
from pymongo.asynchronous.client_session import AsyncClientSession
from pymongo.asynchronous.database import AsyncDatabase

from servicekit.errors import FailedPrecondition
from services.indexer.domain import IndexedSpace, Space, SpaceRole, Spaces
from services.indexer.store.mongodb_connection import MongoConnection
from services.indexer.store.mongodb_documents import INDEX, SCHEMA, Document, state_document

_log = logging.getLogger(__name__)

_AT_ONCE: Final = 200
_FIRST: Final = 1


async def migrate(connection: MongoConnection, database: AsyncDatabase[Document]) -> None:
    """Returns when every document is of this release.

    Raises:
      FailedPrecondition: STORE_UNSUITABLE, a newer release wrote the database.
    """
    state = await database.state.find_one({"_id": INDEX})
    assert state is not None  # the store makes it before
    if state["schema"] > SCHEMA:
        raise FailedPrecondition(
            f"The database has schema version {state['schema']}; this release reads {SCHEMA}.",
            reason="STORE_UNSUITABLE",
        )

    async def some(session: AsyncClientSession) -> int:
        return await _migrate_some(database, session)

    total = 0
    while moved := await connection.transact(some):
        total += moved
    if total:
        _log.info("documents of an older release were brought up to date", extra={"count": total})


async def _migrate_some(database: AsyncDatabase[Document], session: AsyncClientSession) -> int:
    state = await database.state.find_one({"_id": INDEX}, session=session)
    assert state is not None
    moved = 0
    for collection, change in (
        (database.products, _product),
        (database.index_entries, _entry),
    ):
        older = collection.find({"spaces": {"$exists": False}}, session=session).limit(_AT_ONCE)
        rows = await older.to_list()
        if rows:
            changes = [ReplaceOne({"_id": row["_id"]}, change(row)) for row in rows]
            await collection.bulk_write(changes, session=session)
        moved += len(rows)
    if moved or state["schema"] < SCHEMA:
        spaces = _spaces(state) if state["schema"] < SCHEMA else None
        changed = (
            {**state, "version": state["version"] + 1}
            if spaces is None
            else state_document(state["version"] + 1, spaces)
        )
        await database.state.replace_one({"_id": INDEX}, changed, session=session)
    return moved


def _spaces(state: Document) -> Spaces:
    if state["embedding_version"] is None:
        return Spaces(next_number=_FIRST + 1)
    space = Space(state["embedding_version"], state["dimension"])
    return Spaces(IndexedSpace(_FIRST, space, SpaceRole.ACTIVE), None, _FIRST + 1)


def _product(document: Document) -> Document:
    own, vectors = document.pop("own_garment"), document.pop("vectors")
    images = [
        {"sha256": image["sha256"], "vectors": image.pop("vectors")} for image in document["images"]
    ]
    space = {
        "number": _FIRST,
        "pipeline_version": document["pipeline_version"],
        "own_garment": own,
        "vectors": vectors,
        "images": images,
    }
    return {**document, "spaces": [] if own is None else [space]}


def _entry(document: Document) -> Document:
    own, vectors = document.pop("own_garment"), document.pop("vectors")
    space = {"number": _FIRST, "own_garment": own, "vectors": vectors}
    return {**document, "spaces": [] if own is None else [space]}
