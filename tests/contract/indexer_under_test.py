"""A real indexer behind a real server, over either store, and records to put in."""

import hashlib
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from google.rpc import status_pb2
from pymongo import MongoClient

from lookalike.indexer.v1 import indexer_pb2, indexer_pb2_grpc
from lookalike.type.v1 import embedding_pb2, filter_pb2, garment_pb2, product_pb2
from servicekit.testing import InProcess, in_process
from services.indexer.__main__ import Indexer, open_indexer
from services.indexer.config import IndexerConfig
from services.indexer.servicer import FULL_SERVICE_NAME
from tests.fixtures.mongod import database_uri

DIMENSION = 8
SPACE = "space/1"
PIPELINE = "pipeline/1"
UPPER, LOWER = garment_pb2.GARMENT_UPPER, garment_pb2.GARMENT_LOWER
FULL, UNION = garment_pb2.GARMENT_FULL, garment_pb2.GARMENT_UNION


class IndexerUnderTest:
    """Can be stopped and started again over the same data."""

    def __init__(self, config: IndexerConfig) -> None:
        self.config = config
        self._open = AsyncExitStack()
        self.indexer: Indexer
        self.server: InProcess
        self.stub: Any

    async def start(self) -> None:
        self.indexer = await self._open.enter_async_context(open_indexer(self.config))
        self.server = await self._open.enter_async_context(
            in_process(
                self.indexer.add_services,
                full_service_names=[FULL_SERVICE_NAME],
                health=self.indexer.health,
                metrics=self.indexer.service_metrics,
                ready=False,
            )
        )
        await self.indexer.load()
        self.indexer.health.ready()
        self.stub = indexer_pb2_grpc.IndexerServiceStub(self.server.typed_channel)

    async def stop(self) -> None:
        await self._open.aclose()

    async def restart(self) -> None:
        await self.stop()
        await self.start()

    async def upsert(self, *records: indexer_pb2.ProductRecord) -> int:
        """Stores products that must be accepted; returns the index version."""
        response = await self.stub.UpsertProducts(
            indexer_pb2.UpsertProductsRequest(products=records)
        )
        assert [status.code for status in response.statuses] == [0] * len(records), response
        return int(response.index_version)

    async def search(self, *parts: indexer_pb2.QueryPart, **fields: Any) -> Any:
        """Sees all writes so far."""
        fields = {"top_k": 10, "embedding_version": SPACE, **fields}
        fields.setdefault("min_index_version", await self.newest_version())
        return await self.stub.SearchProducts(
            indexer_pb2.SearchProductsRequest(parts=parts, **fields), timeout=20
        )

    async def newest_version(self) -> int:
        """Of the store, not of this replica: what deleting nothing returns."""
        response = await self.stub.DeleteProducts(
            indexer_pb2.DeleteProductsRequest(product_ids=["no such product"])
        )
        return int(response.index_version)


@pytest.fixture(params=["sqlite", "mongodb"])
def indexer_config(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[IndexerConfig]:
    """An empty store of either kind."""
    store = "sqlite"
    if request.param == "mongodb":
        store = database_uri(request.getfixturevalue("mongodb_uri"))
    yield IndexerConfig(store=store, data_dir=tmp_path / "data")
    if request.param == "mongodb":
        with MongoClient[dict[str, Any]](store) as client:
            # A transaction that a killed indexer left open would hold up the drop for a minute.
            client.admin.command({"killAllSessions": []})
            client.drop_database(client.get_default_database().name)


@pytest.fixture
async def under_test(indexer_config: IndexerConfig) -> AsyncIterator[IndexerUnderTest]:
    """A running indexer."""
    running = IndexerUnderTest(indexer_config)
    await running.start()
    yield running
    await running.stop()


def unit(*values: float) -> np.ndarray[Any, np.dtype[np.float32]]:
    """A vector of length 1 in the tests' space, zeros after the values given."""
    vector = np.zeros(DIMENSION, np.float32)
    vector[: len(values)] = values
    return (vector / np.linalg.norm(vector)).astype(np.float32)


def embedding(vector: Any) -> embedding_pb2.Embedding:
    return embedding_pb2.Embedding(values_f32=np.asarray(vector, "<f4").tobytes())


def near(vector: Any, weight: float = 1.0) -> indexer_pb2.QueryPart:
    return indexer_pb2.QueryPart(embedding=embedding(vector), weight=weight)


def like(product_id: str, weight: float = 1.0) -> indexer_pb2.QueryPart:
    return indexer_pb2.QueryPart(product_id=product_id, weight=weight)


def sha(name: str) -> str:
    return hashlib.sha256(name.encode()).hexdigest()


def record(
    product_id: str,
    views: Sequence[Mapping[int, Any]] | Any,
    *,
    name: str = "",
    digest: str = "digest",
    pipeline: str = PIPELINE,
    space: str = SPACE,
    failures: Sequence[product_pb2.ImageFailure] = (),
    **attributes: Any,
) -> indexer_pb2.ProductRecord:
    """A product.

    Args:
      views: garment to vector, for each photograph; or one vector, which stands for one
        photograph with a union only.
    """
    if isinstance(views, np.ndarray):
        views = [{UNION: views}]
    product = product_pb2.Product(product_id=product_id, name=name, image_failures=failures)
    product.attributes.update(attributes)
    dimension = 0
    for position, view in enumerate(views):
        image = product.images.add(
            sha256=sha(f"{product_id} {position}"),
            label=f"{position}.jpg",
            width_px=30,
            height_px=40,
            size_bytes=1000,
        )
        for garment, vector in view.items():
            dimension = len(vector)
            found = image.garments.add(
                garment=garment_pb2.Garment.ValueType(garment), area_fraction=0.5, confidence=0.75
            )
            found.bounding_box.width_px, found.bounding_box.height_px = 10, 20
            image.embeddings.add(
                garment=garment_pb2.Garment.ValueType(garment), embedding=embedding(vector)
            )
    return indexer_pb2.ProductRecord(
        product=product,
        content_digest=digest,
        pipeline_version=pipeline,
        embedding_version=space,
        dimension=dimension,
    )


def where(field: str, *values: Any, none_of: bool = False) -> filter_pb2.Condition:
    """A condition on the values of a field."""
    condition = filter_pb2.Condition(field=field)
    chosen = condition.none_of if none_of else condition.any_of
    for value in values:
        added = chosen.values.add()
        if isinstance(value, bool):
            added.bool_value = value
        elif isinstance(value, str):
            added.string_value = value
        else:
            added.number_value = value
    return condition


def only(*conditions: filter_pb2.Condition) -> filter_pb2.Filter:
    return filter_pb2.Filter(conditions=conditions)


def stored(sequence: int, product: indexer_pb2.ProductRecord) -> indexer_pb2.CommittedOutcome:
    return indexer_pb2.CommittedOutcome(
        outcome=indexer_pb2.Outcome(
            sequence=sequence,
            product_id=product.product.product_id,
            state=indexer_pb2.OUTCOME_STATE_STORED,
            image_failures=product.product.image_failures,
        ),
        product=product,
    )


def refused(sequence: int, product_id: str, message: str) -> indexer_pb2.CommittedOutcome:
    return indexer_pb2.CommittedOutcome(
        outcome=indexer_pb2.Outcome(
            sequence=sequence,
            product_id=product_id,
            state=indexer_pb2.OUTCOME_STATE_REFUSED,
            status=status_pb2.Status(code=3, message=message),
        )
    )


def ids_of(response: Any) -> list[str]:
    return [result.product.product_id for result in response.results]
