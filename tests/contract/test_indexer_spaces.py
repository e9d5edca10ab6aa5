"""Several vector spaces in one index, over both stores: built, switched, left, dropped."""

import asyncio
from typing import Any

import grpc
import numpy as np
import pytest

from lookalike.indexer.v1 import indexer_pb2, spaces_pb2, spaces_pb2_grpc
from lookalike.type.v1 import embedding_pb2, product_pb2
from servicekit.errors import FailedPrecondition, NotFound
from tests.contract.indexer_under_test import (
    PIPELINE,
    SPACE,
    UNION,
    UPPER,
    IndexerUnderTest,
    embedding,
    ids_of,
    indexer_config,
    like,
    near,
    record,
    sha,
    stored,
    under_test,
    unit,
)
from tests.fixtures.mongod import mongodb_uri

__all__ = ["indexer_config", "mongodb_uri", "under_test"]

OTHER = "space/2"
OTHER_PIPELINE = "pipeline/2"


def stub_of(under_test: IndexerUnderTest) -> Any:
    return spaces_pb2_grpc.SpaceServiceStub(under_test.server.typed_channel)


def turned(*values: float) -> Any:
    """A vector of the other space: three numbers."""
    vector = np.zeros(3, np.float32)
    vector[: len(values)] = values
    return (vector / np.linalg.norm(vector)).astype(np.float32)


def in_other(*views: Any) -> spaces_pb2.SpaceVectors:
    """A product in the other space, a union for each photograph."""
    return spaces_pb2.SpaceVectors(
        embedding_version=OTHER,
        dimension=3,
        model="other-model",
        pipeline_version=OTHER_PIPELINE,
        images=[
            spaces_pb2.ImageVectors(
                embeddings=[
                    embedding_pb2.GarmentEmbedding(garment=UNION, embedding=embedding(view))
                ]
            )
            for view in views
        ],
    )


def both(product_id: str, vector: Any, other: Any, **fields: Any) -> indexer_pb2.ProductRecord:
    """A product that comes with vectors of both spaces."""
    made = record(product_id, vector, **fields)
    made.other_spaces.append(in_other(other))
    return made


async def begin(under_test: IndexerUnderTest, version: str = OTHER, dimension: int = 3) -> None:
    await stub_of(under_test).BeginSpace(
        spaces_pb2.BeginSpaceRequest(
            embedding_version=version, dimension=dimension, model="other-model"
        )
    )


async def lacking(under_test: IndexerUnderTest, version: str = OTHER) -> dict[str, Any]:
    page = await stub_of(under_test).ListLacking(
        spaces_pb2.ListLackingRequest(embedding_version=version)
    )
    assert page.lacking_count == len(page.products)
    return {one.product_id: one for one in page.products}


async def put(under_test: IndexerUnderTest, found: Any, *views: Any) -> list[str]:
    """Brings a lacking product into the other space; what was written."""
    response = await stub_of(under_test).PutVectors(
        spaces_pb2.PutVectorsRequest(
            embedding_version=OTHER,
            products=[
                spaces_pb2.ProductVectors(
                    product_id=found.product_id, version=found.version, vectors=in_other(*views)
                )
            ],
        )
    )
    assert [status.code for status in response.statuses] == [0]
    return list(response.written_product_ids)


async def switch(under_test: IndexerUnderTest, version: str, force: bool = False) -> Any:
    return await stub_of(under_test).SwitchSpace(
        spaces_pb2.SwitchSpaceRequest(embedding_version=version, force=force)
    )


async def roles(under_test: IndexerUnderTest) -> dict[str, tuple[int, int, int]]:
    """Role, products and lacking products of each space."""
    response = await stub_of(under_test).ListSpaces(
        spaces_pb2.ListSpacesRequest(count_products=True)
    )
    return {
        one.embedding_version: (one.role, one.product_count, one.lacking_count)
        for one in response.spaces
    }


ACTIVE = spaces_pb2.SPACE_ROLE_ACTIVE
PREVIOUS = spaces_pb2.SPACE_ROLE_PREVIOUS
BUILDING = spaces_pb2.SPACE_ROLE_BUILDING


async def test_a_space_is_built_beside_the_active_one_and_switched_to(
    under_test: IndexerUnderTest,
) -> None:
    await under_test.upsert(record("a", unit(1)), record("b", unit(0, 1)), record("bare", []))
    await begin(under_test)
    assert await roles(under_test) == {SPACE: (ACTIVE, 2, 0), OTHER: (BUILDING, 0, 2)}
    found = await lacking(under_test)
    assert list(found) == ["a", "b"]  # a product without vectors lacks none
    assert list(found["a"].image_sha256s) == [sha("a 0")]
    # In the other space they lie the other way round.
    assert await put(under_test, found["a"], turned(0, 1)) == ["a"]
    with pytest.raises(FailedPrecondition) as refused:
        await switch(under_test, OTHER)
    assert refused.value.reason == "SPACE_INCOMPLETE"
    assert refused.value.metadata["lacking_count"] == "1"
    assert await put(under_test, found["b"], turned(1)) == ["b"]

    assert ids_of(await under_test.search(near(unit(1)), top_k=1)) == ["a"]
    done = await switch(under_test, OTHER)
    assert done.previous_embedding_version == SPACE
    response = await under_test.search(near(turned(1)), top_k=1, embedding_version=OTHER)
    assert (ids_of(response), response.embedding_version) == (["b"], OTHER)
    response = await under_test.search(like("a"), embedding_version="")
    assert (ids_of(response), response.embedding_version) == (["b"], OTHER)
    # The other answers still: a question may be on its way.
    response = await under_test.search(near(unit(1)), top_k=1)
    assert (ids_of(response), response.embedding_version) == (["a"], SPACE)
    assert await roles(under_test) == {OTHER: (ACTIVE, 2, 0), SPACE: (PREVIOUS, 2, 0)}
    listed = await under_test.stub.ListProducts(indexer_pb2.ListProductsRequest())
    assert [one.product_id for one in listed.products] == ["a", "b", "bare"]


async def test_a_restart_in_the_middle_of_a_build_loses_nothing(
    under_test: IndexerUnderTest,
) -> None:
    await under_test.upsert(record("a", unit(1)), record("b", unit(0, 1)))
    await begin(under_test)
    found = await lacking(under_test)
    await put(under_test, found["a"], turned(0, 1))
    await under_test.restart()
    assert list(await lacking(under_test)) == ["b"]
    response = await under_test.search(near(turned(0, 1)), embedding_version=OTHER)
    assert ids_of(response) == ["a"]
    await put(under_test, found["b"], turned(1))
    await switch(under_test, OTHER)
    await under_test.restart()
    assert await roles(under_test) == {OTHER: (ACTIVE, 2, 0), SPACE: (PREVIOUS, 2, 0)}
    response = await under_test.search(near(turned(1)), embedding_version=OTHER)
    assert ids_of(response) == ["b", "a"]
    info = await under_test.stub.GetIndexInfo(indexer_pb2.GetIndexInfoRequest())
    assert (info.embedding_version, info.dimension) == (OTHER, 3)


async def test_writes_go_into_both_spaces_and_a_way_back_is_complete(
    under_test: IndexerUnderTest,
) -> None:
    await under_test.upsert(record("a", unit(1)))
    await begin(under_test)
    await put(under_test, (await lacking(under_test))["a"], turned(1))
    await under_test.upsert(both("b", unit(0, 1), turned(0, 1)))
    await switch(under_test, OTHER)
    # Now the other one comes first; what matters is that the active one is there.
    await under_test.upsert(both("c", unit(0, 0, 1), turned(0, 0, 1)))
    assert await lacking(under_test, SPACE) == {}
    await switch(under_test, SPACE)
    response = await under_test.search(near(unit(0, 0, 1)), embedding_version=SPACE, top_k=1)
    assert ids_of(response) == ["c"]
    assert await roles(under_test) == {SPACE: (ACTIVE, 3, 0), OTHER: (PREVIOUS, 3, 0)}


async def test_a_write_without_the_other_space_makes_the_product_lack_it(
    under_test: IndexerUnderTest,
) -> None:
    await under_test.upsert(record("a", unit(1)), record("b", unit(0, 1)))
    await begin(under_test)
    for name, one in (await lacking(under_test)).items():
        await put(under_test, one, turned(1) if name == "a" else turned(0, 1))
    # Twice, in versions that follow each other.
    for digest in ("new", "newer"):
        await under_test.upsert(record("a", unit(0, 0, 1), digest=digest))
        response = await under_test.search(near(turned(1)), embedding_version=OTHER)
        assert ids_of(response) == ["b"]
    found = await lacking(under_test)
    assert list(found) == ["a"]
    await put(under_test, found["a"], turned(0, 0, 1))
    response = await under_test.search(near(turned(0, 0, 1)), embedding_version=OTHER)
    assert ids_of(response)[0] == "a"


async def test_vectors_of_an_older_write_are_left_out(under_test: IndexerUnderTest) -> None:
    await under_test.upsert(record("a", unit(1)), record("gone", unit(0, 1)))
    await begin(under_test)
    found = await lacking(under_test)
    await under_test.upsert(record("a", unit(0, 1), digest="new"))
    await under_test.stub.DeleteProducts(indexer_pb2.DeleteProductsRequest(product_ids=["gone"]))
    assert await put(under_test, found["a"], turned(1)) == []
    assert await put(under_test, found["gone"], turned(1)) == []
    assert list(await lacking(under_test)) == ["a"]


async def test_a_forced_switch_still_lists_what_it_does_not_find(
    under_test: IndexerUnderTest,
) -> None:
    await under_test.upsert(record("a", unit(1)), record("b", unit(0, 1)))
    await begin(under_test)
    found = await lacking(under_test)
    await put(under_test, found["a"], turned(1))
    await switch(under_test, OTHER, force=True)
    response = await under_test.search(near(turned(1)), embedding_version=OTHER)
    assert ids_of(response) == ["a"]
    listed = await under_test.stub.ListProducts(indexer_pb2.ListProductsRequest())
    assert [one.product_id for one in listed.products] == ["a", "b"]
    # It can be brought in afterwards, too.
    await put(under_test, found["b"], turned(0, 1))
    response = await under_test.search(near(turned(0, 1)), embedding_version=OTHER)
    assert ids_of(response) == ["b", "a"]


async def test_a_dropped_space_is_refused_and_its_vectors_go(under_test: IndexerUnderTest) -> None:
    await under_test.upsert(record("a", unit(1)))
    await begin(under_test)
    await put(under_test, (await lacking(under_test))["a"], turned(1))
    await switch(under_test, OTHER)
    stub = stub_of(under_test)
    with pytest.raises(FailedPrecondition) as refused:
        await stub.DropSpace(spaces_pb2.DropSpaceRequest(embedding_version=OTHER))
    assert refused.value.reason == "SPACE_CONFLICT"
    with pytest.raises(FailedPrecondition) as refused:
        await begin(under_test, "space/3", 5)
    assert refused.value.reason == "SPACE_CONFLICT"
    answer = await stub.DropSpace(spaces_pb2.DropSpaceRequest(embedding_version=SPACE))
    assert answer.dropped
    version = await under_test.newest_version()
    with pytest.raises(FailedPrecondition) as refused:
        await under_test.search(near(unit(1)), min_index_version=version)
    assert refused.value.reason == "EMBEDDING_VERSION_MISMATCH"
    assert await under_test.indexer.store.sweep_vectors() >= 1
    assert await under_test.indexer.store.sweep_vectors() == 0
    await under_test.restart()
    response = await under_test.search(near(turned(1)), embedding_version=OTHER)
    assert ids_of(response) == ["a"]
    # Room for the next one, under a number of its own.
    await begin(under_test, "space/3", 5)
    assert list(await lacking(under_test, "space/3")) == ["a"]
    again = spaces_pb2.DropSpaceRequest(embedding_version=SPACE)
    assert not (await stub_of(under_test).DropSpace(again)).dropped


async def test_nothing_is_computed_twice_in_either_space(under_test: IndexerUnderTest) -> None:
    await under_test.upsert(record("a", unit(1)))
    await begin(under_test)
    await put(under_test, (await lacking(under_test))["a"], turned(1))
    for pipeline, length in ((PIPELINE, 8), (OTHER_PIPELINE, 3)):
        known = await under_test.stub.LookUpKnown(
            indexer_pb2.LookUpKnownRequest(
                products=[indexer_pb2.KnownProductKey(product_id="a", content_digest="digest")],
                image_sha256s=[sha("a 0")],
                pipeline_version=pipeline,
            )
        )
        assert [one.product_id for one in known.unchanged_products] == ["a"]
        [image] = known.images
        [found] = image.embeddings
        assert (found.garment, len(found.embedding.values_f32)) == (UNION, 4 * length)
        assert (image.width_px, len(image.garments)) == (30, 1)


async def test_a_product_is_shown_as_the_active_space_has_it(under_test: IndexerUnderTest) -> None:
    await under_test.upsert(both("a", [{UPPER: unit(1), UNION: unit(0, 1)}], turned(1)))
    await begin(under_test)
    await under_test.upsert(both("a", [{UPPER: unit(1), UNION: unit(0, 1)}], turned(1)))
    request = indexer_pb2.GetProductRequest(product_id="a", view=product_pb2.PRODUCT_VIEW_VECTORS)
    before = (await under_test.stub.GetProduct(request)).product
    assert (before.own_garment, before.pipeline_version) == (UPPER, PIPELINE)
    await switch(under_test, OTHER)
    after = (await under_test.stub.GetProduct(request)).product
    assert (after.own_garment, after.pipeline_version) == (UNION, OTHER_PIPELINE)
    assert len(after.embedding.values_f32) == 12
    assert [one.garment for one in after.images[0].embeddings] == [UNION]


async def test_a_space_that_the_index_left_is_dropped_from_a_write(
    under_test: IndexerUnderTest,
) -> None:
    await under_test.upsert(both("a", unit(1), turned(1)))  # nobody knows the other space
    assert await roles(under_test) == {SPACE: (ACTIVE, 1, 0)}
    with pytest.raises(NotFound) as refused:
        await lacking(under_test)
    assert refused.value.reason == "SPACE_NOT_FOUND"
    await begin(under_test)
    with pytest.raises(FailedPrecondition) as wrong:
        await begin(under_test, OTHER, 4)
    assert wrong.value.reason == "DIMENSION_MISMATCH"


async def test_products_of_the_other_space_alone_are_refused(under_test: IndexerUnderTest) -> None:
    await under_test.upsert(record("a", unit(1)))
    await begin(under_test)
    alone = record("b", turned(1), space=OTHER, pipeline=OTHER_PIPELINE)
    response = await under_test.stub.UpsertProducts(
        indexer_pb2.UpsertProductsRequest(products=[alone])
    )
    assert response.statuses[0].code == grpc.StatusCode.FAILED_PRECONDITION.value[0]


async def test_an_empty_index_takes_a_space_as_its_own(under_test: IndexerUnderTest) -> None:
    await begin(under_test)
    assert await roles(under_test) == {OTHER: (ACTIVE, 0, 0)}
    await under_test.upsert(record("a", turned(1), space=OTHER))
    await under_test.stub.DeleteProducts(indexer_pb2.DeleteProductsRequest(product_ids=["a"]))
    assert await roles(under_test) == {}
    await under_test.upsert(record("a", unit(1)))
    assert ids_of(await under_test.search(near(unit(1)))) == ["a"]


async def test_searches_during_switches_are_answered_in_one_space_each(
    under_test: IndexerUnderTest,
) -> None:
    names = [f"p{n}" for n in range(6)]
    await under_test.upsert(*(record(name, unit(1, n)) for n, name in enumerate(names)))
    await begin(under_test)
    for n, one in enumerate((await lacking(under_test)).values()):
        await put(under_test, one, turned(6 - n, 1))
    expected = {SPACE: names, OTHER: names[:]}
    expected[OTHER] = ids_of(
        await under_test.search(near(turned(1)), embedding_version=OTHER, top_k=6)
    )
    expected[SPACE] = ids_of(await under_test.search(near(unit(1)), top_k=6))
    ended = asyncio.Event()
    answered = {SPACE: 0, OTHER: 0}

    async def ask(version: str, vector: Any) -> None:
        while not ended.is_set():
            response = await under_test.search(
                near(vector), embedding_version=version, top_k=6, min_index_version=0
            )
            assert response.embedding_version == version
            assert ids_of(response) == expected[version]
            answered[version] += 1

    async def ask_whichever() -> None:
        while not ended.is_set():
            response = await under_test.search(
                like("p0"), embedding_version="", top_k=6, min_index_version=0
            )
            assert response.embedding_version in expected
            assert len(response.results) == 5

    async with asyncio.TaskGroup() as group:
        for _ in range(3):
            group.create_task(ask(SPACE, unit(1)))
            group.create_task(ask(OTHER, turned(1)))
            group.create_task(ask_whichever())
        for _ in range(5):
            await switch(under_test, OTHER)
            await switch(under_test, SPACE)
        ended.set()
    assert min(answered.values()) > 0


async def test_an_ingest_stream_writes_both_spaces(under_test: IndexerUnderTest) -> None:
    await under_test.upsert(record("a", unit(1)))
    await begin(under_test)
    stub = under_test.stub
    opened = await stub.OpenStream(
        indexer_pb2.OpenStreamRequest(stream_id="s", source_fingerprint="f", run_id="r")
    )
    await stub.CommitOutcomes(
        indexer_pb2.CommitOutcomesRequest(
            stream_id="s",
            epoch=opened.epoch,
            outcomes=[stored(1, both("b", unit(0, 1), turned(0, 1)))],
        )
    )
    assert list(await lacking(under_test)) == ["a"]
