"""Stores as the release before several spaces wrote them: their vectors become the first space."""

import sqlite3
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from bson.binary import Binary, BinaryVectorDtype
from pymongo import MongoClient

from lookalike.indexer.v1 import map_pb2, map_pb2_grpc, spaces_pb2, spaces_pb2_grpc
from servicekit.errors import FailedPrecondition
from services.indexer.config import IndexerConfig
from services.indexer.domain import ProductImage
from services.indexer.store import codec
from services.indexer.store.sqlite_schema import prepare
from tests.contract.indexer_under_test import (
    PIPELINE,
    SPACE,
    IndexerUnderTest,
    ids_of,
    indexer_config,
    like,
    near,
    record,
    sha,
    unit,
)
from tests.fixtures.mongod import mongodb_uri

__all__ = ["indexer_config", "mongodb_uri"]

_VERSION_1 = """
CREATE TABLE state (key TEXT PRIMARY KEY, value) WITHOUT ROWID;
CREATE TABLE products (
  product_id TEXT PRIMARY KEY, version INTEGER NOT NULL, name TEXT NOT NULL,
  attributes TEXT NOT NULL, images TEXT NOT NULL, failures TEXT NOT NULL,
  content_digest TEXT NOT NULL, pipeline_version TEXT NOT NULL, retryable INTEGER NOT NULL,
  own_garment INTEGER, image_count INTEGER NOT NULL, create_time_us INTEGER NOT NULL,
  update_time_us INTEGER NOT NULL, vectors BLOB NOT NULL
);
CREATE TABLE images (
  product_id TEXT NOT NULL, position INTEGER NOT NULL, sha256 TEXT NOT NULL,
  pipeline_version TEXT NOT NULL, vectors BLOB NOT NULL
);
CREATE UNIQUE INDEX images_of_product ON images (product_id, position);
CREATE INDEX images_by_content ON images (sha256, pipeline_version);
CREATE TABLE streams (
  stream_id TEXT PRIMARY KEY, source_fingerprint TEXT NOT NULL, run_id TEXT NOT NULL,
  client TEXT NOT NULL, generation INTEGER NOT NULL, epoch INTEGER NOT NULL,
  watermark INTEGER NOT NULL, greatest INTEGER NOT NULL, outcome_count INTEGER NOT NULL,
  complete INTEGER NOT NULL
);
CREATE TABLE outcomes (
  stream_id TEXT NOT NULL, generation INTEGER NOT NULL, sequence INTEGER NOT NULL,
  product_id TEXT NOT NULL, state INTEGER NOT NULL, status BLOB NOT NULL, failures TEXT NOT NULL,
  PRIMARY KEY (stream_id, generation, sequence)
) WITHOUT ROWID;
CREATE TABLE blobs (
  sha256 TEXT PRIMARY KEY, media_type TEXT NOT NULL, touched_us INTEGER NOT NULL,
  released_us INTEGER
) WITHOUT ROWID;
"""
_UNION = 4
_PRODUCTS = {"a": unit(1), "b": unit(0, 1), "bare": None}


def _image(product_id: str) -> ProductImage:
    return ProductImage(sha(f"{product_id} 0"), label="0.jpg", width_px=30, height_px=40)


def _write_sqlite(config: IndexerConfig) -> None:
    config.data_dir.mkdir()
    db = sqlite3.connect(config.data_dir / "index.sqlite")
    db.executescript(_VERSION_1)
    db.executemany(
        "INSERT INTO state VALUES (?, ?)",
        [("index_version", 7), ("embedding_version", SPACE), ("dimension", 8)],
    )
    for product_id, vector in _PRODUCTS.items():
        images = [] if vector is None else [codec.image_fields(_image(product_id))]
        packed = codec.pack_vectors({} if vector is None else {_UNION: vector})
        own = None if vector is None else _UNION
        row = (product_id, 7, "", "{}", codec.dump(images), "[]", "digest", PIPELINE, 0, own)
        db.execute(
            f"INSERT INTO products VALUES ({','.join('?' * 14)})",
            (*row, len(images), 1, 1, packed),
        )
        if images:
            values = (product_id, 0, sha(f"{product_id} 0"), PIPELINE, packed)
            db.execute("INSERT INTO images VALUES (?, ?, ?, ?, ?)", values)
    db.execute("PRAGMA user_version = 1")
    db.commit()
    db.close()


def _write_mongodb(config: IndexerConfig) -> None:
    def vectors(vector: Any, number: int) -> list[dict[str, Any]]:
        if vector is None:
            return []
        values = Binary.from_vector(vector, BinaryVectorDtype.FLOAT32)
        return [{"garment": number, "values": values}]

    now = datetime.now(UTC)
    with MongoClient[dict[str, Any]](config.store) as client:
        database = client.get_default_database()
        for product_id, vector in _PRODUCTS.items():
            fields = codec.image_fields(_image(product_id))
            images = [] if vector is None else [{**fields, "vectors": vectors(vector, _UNION)}]
            own = None if vector is None else _UNION
            shared = {"_id": product_id, "version": 7, "name": "", "attributes": []}
            database.products.insert_one(
                {
                    **shared,
                    "images": images,
                    "failures": [],
                    "content_digest": "digest",
                    "pipeline_version": PIPELINE,
                    "retryable": False,
                    "own_garment": own,
                    "create_time": now,
                    "update_time": now,
                    "vectors": vectors(vector, 0),
                }
            )
            database.index_entries.insert_one(
                {
                    **shared,
                    "own_garment": own,
                    "image_count": len(images),
                    "vectors": vectors(vector, _UNION),
                }
            )
        state = {"_id": "index", "schema": 1, "version": 7}
        database.state.insert_one({**state, "embedding_version": SPACE, "dimension": 8})


@pytest.fixture
def older(indexer_config: IndexerConfig) -> IndexerConfig:
    """A store of the older release, of either kind."""
    write: Callable[[IndexerConfig], None] = (
        _write_sqlite if indexer_config.store == "sqlite" else _write_mongodb
    )
    write(indexer_config)
    return indexer_config


async def test_an_older_store_becomes_the_first_space(older: IndexerConfig) -> None:
    tested = IndexerUnderTest(older)
    await tested.start()
    for _ in range(2):
        assert ids_of(await tested.search(near(unit(1)))) == ["a", "b"]
        assert ids_of(await tested.search(like("a"), embedding_version="")) == ["b"]
        found = await tested.indexer.store.known_images([sha("b 0")], PIPELINE)
        assert [len(image.embeddings) for image in found] == [1]
        keys = [(product_id, "digest") for product_id in _PRODUCTS]
        assert set(await tested.indexer.store.unchanged(keys, PIPELINE)) == set(_PRODUCTS)
        await tested.restart()
    await tested.upsert(record("c", unit(1, 1)))
    assert ids_of(await tested.search(near(unit(1, 1)), top_k=1)) == ["c"]
    stub: Any = spaces_pb2_grpc.SpaceServiceStub(tested.server.typed_channel)
    [space] = (await stub.ListSpaces(spaces_pb2.ListSpacesRequest(count_products=True))).spaces
    assert (space.embedding_version, space.dimension, space.product_count) == (SPACE, 8, 3)
    await stub.BeginSpace(spaces_pb2.BeginSpaceRequest(embedding_version="space/2", dimension=3))
    lacking = await stub.ListLacking(spaces_pb2.ListLackingRequest(embedding_version="space/2"))
    assert [one.product_id for one in lacking.products] == ["a", "b", "c"]
    assert [*lacking.products[0].image_sha256s] == [sha("a 0")]
    await tested.stop()


async def test_a_store_of_the_release_before_maps_opens_and_takes_one(
    indexer_config: IndexerConfig,
) -> None:
    tested = IndexerUnderTest(indexer_config)
    await tested.start()
    await tested.upsert(*(record(f"{number}", unit(1, number)) for number in range(5)))
    await tested.stop()
    if indexer_config.store == "sqlite":
        db = sqlite3.connect(indexer_config.data_dir / "index.sqlite")
        db.execute("DROP TABLE maps")
        db.execute("PRAGMA user_version = 2")
        db.close()
    else:
        with MongoClient[dict[str, Any]](indexer_config.store) as client:
            client.get_default_database().maps.drop()
    await tested.start()
    assert ids_of(await tested.search(near(unit(1)), top_k=1)) == ["0"]
    stub: Any = map_pb2_grpc.MapServiceStub(tested.server.typed_channel)
    *_, last = [told async for told in stub.BuildMap(map_pb2.BuildMapRequest())]
    assert last.header.product_count == 5
    await tested.stop()


def test_a_store_of_a_newer_release_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "index.sqlite"
    db = sqlite3.connect(path)
    db.execute("PRAGMA user_version = 99")
    db.close()
    with pytest.raises(FailedPrecondition, match="schema version 99"):
        prepare(path)
