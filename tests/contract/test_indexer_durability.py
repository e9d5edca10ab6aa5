"""What an indexer acknowledged survives its sudden death, and that of the database."""

import asyncio
import hashlib
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from pymongo import MongoClient
from pymongo.errors import OperationFailure

from lookalike.indexer.v1 import indexer_pb2, indexer_pb2_grpc
from servicekit.channels import open_channel
from servicekit.errors import FailedPrecondition, LookalikeError, Unavailable
from servicekit.testing import free_port
from services.indexer.config import IndexerConfig
from services.indexer.store.mongodb_connection import APP_NAME
from tests.contract.indexer_under_test import (
    IndexerUnderTest,
    indexer_config,
    near,
    record,
    stored,
    unit,
)
from tests.fixtures import mongod
from tests.fixtures.mongod import mongodb_uri

__all__ = ["indexer_config", "mongodb_uri"]


class IndexerProcess:
    """`python -m services.indexer`, as it runs in production."""

    def __init__(self, config: IndexerConfig) -> None:
        self.port = free_port()
        self._env = {
            **os.environ,
            "LOOKALIKE_INDEXER_STORE": config.store,
            "LOOKALIKE_INDEXER_DATA_DIR": str(config.data_dir),
            "LOOKALIKE_INDEXER_PORT": str(self.port),
            "LOOKALIKE_INDEXER_METRICS_PORT": "0",
        }
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        command = [sys.executable, "-m", "services.indexer"]
        self._process = subprocess.Popen(
            command, env=self._env, cwd=Path(__file__).parents[2], stderr=subprocess.DEVNULL
        )

    def end(self, how: signal.Signals) -> int:
        assert self._process is not None
        self._process.send_signal(how)
        status, self._process = self._process.wait(timeout=30), None
        return status


@asynccontextmanager
async def stub_of(
    process: IndexerProcess,
) -> AsyncIterator[Any]:
    async with open_channel(f"127.0.0.1:{process.port}") as channel:
        stub = indexer_pb2_grpc.IndexerServiceStub(channel)
        for _ in range(300):
            try:
                await stub.GetIndexInfo(indexer_pb2.GetIndexInfoRequest(), timeout=5)
                break
            except Unavailable:
                await asyncio.sleep(0.1)
        yield stub


async def test_a_killed_indexer_has_lost_nothing_it_acknowledged(
    indexer_config: IndexerConfig,
) -> None:
    process = IndexerProcess(indexer_config)
    process.start()
    acknowledged: set[int] = set()
    images: dict[int, bytes] = {}
    enough = asyncio.Event()
    async with stub_of(process) as stub:
        opened = await stub.OpenStream(
            indexer_pb2.OpenStreamRequest(stream_id="s", source_fingerprint="f", run_id="r")
        )
        sequences = iter(range(1, 100_000))

        async def write() -> None:
            while True:
                sequence = next(sequences)
                data = f"photograph {sequence}".encode()
                digest = hashlib.sha256(data).hexdigest()
                product = record(f"p{sequence:05}", unit(1, sequence / 100))
                product.product.images[0].sha256 = digest
                try:
                    await stub.PutImages(
                        indexer_pb2.PutImagesRequest(
                            images=[indexer_pb2.Blob(sha256=digest, data=data)]
                        )
                    )
                    await stub.CommitOutcomes(
                        indexer_pb2.CommitOutcomesRequest(
                            stream_id="s",
                            epoch=opened.epoch,
                            outcomes=[stored(sequence, product)],
                        )
                    )
                except LookalikeError:
                    return
                acknowledged.add(sequence)
                images[sequence] = data
                if len(acknowledged) == 60:
                    enough.set()

        async with asyncio.TaskGroup() as tasks:
            for _ in range(6):
                tasks.create_task(write())
            await enough.wait()
            process.end(signal.SIGKILL)
    process.start()
    async with stub_of(process) as stub:
        response = await stub.ListOutcomes(
            indexer_pb2.ListOutcomesRequest(stream_id="s", page_size=10_000)
        )
        kept = {outcome.sequence for outcome in response.outcomes}
        assert acknowledged <= kept
        listing = await stub.ListProducts(indexer_pb2.ListProductsRequest(page_size=1000))
        # Products and outcomes go together, also those that were written and not acknowledged.
        assert [product.product_id for product in listing.products] == [
            f"p{sequence:05}" for sequence in sorted(kept)
        ]
        for sequence, data in images.items():
            digest = hashlib.sha256(data).hexdigest()
            image = await stub.GetImage(indexer_pb2.GetImageRequest(sha256=digest))
            assert image.image.data == data, sequence
        again = await stub.OpenStream(
            indexer_pb2.OpenStreamRequest(stream_id="s", source_fingerprint="f", run_id="r")
        )
        assert again.last_durable_sequence == max(
            length for length in range(len(kept) + 1) if set(range(1, length + 1)) <= kept
        )
        assert again.outcome_count == len(kept)
    assert process.end(signal.SIGTERM) == 0


async def test_a_second_process_is_kept_out_of_a_data_folder(tmp_path: Path) -> None:
    config = IndexerConfig(data_dir=tmp_path / "data")
    first = IndexerUnderTest(config)
    await first.start()
    second = IndexerUnderTest(config)
    with pytest.raises(FailedPrecondition) as error:
        await second.start()
    await second.stop()
    assert error.value.reason == "STORE_UNSUITABLE"
    assert "belongs to one process" in error.value.message
    await first.upsert(record("a", unit(1)))
    await first.stop()
    await second.start()
    await second.stop()


async def test_a_standalone_mongod_is_refused_with_a_way_out(tmp_path: Path) -> None:
    with mongod.running(replica_set=False) as server:
        for uri in (server.uri, server.uri + "?replicaSet=rs0"):
            tested = IndexerUnderTest(IndexerConfig(store=uri, data_dir=tmp_path))
            with pytest.raises(FailedPrecondition) as error:
                await tested.start()
            await tested.stop()
            assert error.value.reason == "STORE_UNSUITABLE"
            assert "--replSet" in error.value.message


async def test_replicas_over_one_database_follow_each_other(mongodb_uri: str) -> None:
    config = IndexerConfig(store=mongod.database_uri(mongodb_uri))
    one, other = IndexerUnderTest(config), IndexerUnderTest(config)
    await one.start()
    await other.start()
    for number in range(10):
        await one.upsert(record("a", unit(1, number)), record(f"b{number}", unit(1)))
        response = await other.search(near(unit(1, number)), top_k=1)
        assert response.results[0].score == pytest.approx(1.0, abs=1e-6)
        assert response.candidate_count == number + 2
    # Both write at once: nothing is lost, and no version is given twice.
    versions = await asyncio.gather(
        *(
            tested.upsert(record(f"{name}{number}", unit(0, 1)))
            for number in range(10)
            for name, tested in (("one", one), ("other", other))
        )
    )
    assert len(set(versions)) == 20
    for tested in (one, other):
        response = await tested.search(near(unit(0, 1)), top_k=100)
        assert response.candidate_count == 31
    await one.stop()
    await other.stop()


async def test_an_indexer_outlives_its_database(tmp_path: Path) -> None:
    server = mongod.Mongod(tmp_path / "db")
    server.start()
    tested = IndexerUnderTest(IndexerConfig(store=server.uri, data_dir=tmp_path))
    try:
        await tested.start()
        await tested.upsert(record("a", unit(1)))
        server.kill()
        with pytest.raises(LookalikeError) as error:
            await tested.stub.GetProduct(indexer_pb2.GetProductRequest(product_id="a"), timeout=30)
        assert error.value.reason == "UPSTREAM_UNAVAILABLE"
        server.start()
        for _ in range(100):
            try:
                await tested.upsert(record("b", unit(1)))
                break
            except Unavailable:
                await asyncio.sleep(0.1)
        response = await tested.search(near(unit(1)))
        assert response.candidate_count == 2
    finally:
        await tested.stop()
        server.stop()


async def test_a_lost_history_means_a_new_scan(mongodb_uri: str) -> None:
    config = IndexerConfig(store=mongod.database_uri(mongodb_uri))
    tested = IndexerUnderTest(config)
    await tested.start()
    await tested.upsert(record("a", unit(1)), record("b", unit(1)))
    await tested.search(near(unit(1)))
    # Edited by hand, past every transaction of ours: the stream says so, and is no longer enough.
    database = tested.indexer.store._database  # type: ignore[attr-defined]
    for collection in (database.products, database.index_entries):
        await collection.delete_one({"_id": "a"})
        await collection.update_one({"_id": "b"}, {"$set": {"name": "edited"}})
    for _ in range(100):
        try:
            response = await tested.search(near(unit(1)))
            if response.candidate_count == 1:
                break
        except Unavailable:
            pass  # it loads
        await asyncio.sleep(0.05)
    assert [result.product.name for result in response.results] == ["edited"]
    await tested.upsert(record("c", unit(1)))
    assert (await tested.search(near(unit(1)))).candidate_count == 2
    await tested.stop()


async def test_a_transaction_that_a_dead_indexer_left_open_holds_nobody_up(
    mongodb_uri: str,
) -> None:
    config = IndexerConfig(store=mongod.database_uri(mongodb_uri))
    tested = IndexerUnderTest(config)
    await tested.start()
    await tested.upsert(record("a", unit(1)))
    with MongoClient[dict[str, Any]](config.store, appname=APP_NAME) as dead:
        session = dead.start_session()
        session.start_transaction()
        products = dead.get_default_database().products
        products.update_one({"_id": "a"}, {"$set": {"name": "half written"}}, session=session)
        # The server itself would wait for a minute; the test's own call for 20 s.
        request = indexer_pb2.UpsertProductsRequest(products=[record("a", unit(0, 1), name="new")])
        response = await tested.stub.UpsertProducts(request, timeout=20)
        assert response.statuses[0].code == 0
        with pytest.raises(OperationFailure):
            session.commit_transaction()
    await tested.stop()
