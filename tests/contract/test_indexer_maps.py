"""The map of the catalogue, over both stores: drawn, read, kept, dropped."""

import asyncio
import pickle
import subprocess
import sys
import time
import uuid
from collections.abc import Iterable
from typing import Any

import numpy as np
import psutil
import pytest

from lookalike.indexer.v1 import indexer_pb2, map_pb2, map_pb2_grpc, spaces_pb2, spaces_pb2_grpc
from lookalike.type.v1 import map_pb2 as type_pb2
from servicekit.errors import (
    FailedPrecondition,
    Internal,
    InvalidArgument,
    NotFound,
    Unavailable,
)
from services.indexer.drawing.process import Block, DrawingProcess
from services.indexer.drawing.values import Drawing, Label, Tell
from services.indexer.map_builds import CatalogueMaps
from services.indexer.maps import CatalogueMap, MapStage, ShownMap
from tests.contract.indexer_under_test import (
    SPACE,
    UNION,
    IndexerUnderTest,
    indexer_config,
    near,
    record,
    under_test,
    unit,
)
from tests.fixtures.mongod import mongodb_uri

__all__ = ["indexer_config", "mongodb_uri", "under_test"]

Point = tuple[tuple[float, float], int]


def stub_of(under_test: IndexerUnderTest) -> Any:
    return map_pb2_grpc.MapServiceStub(under_test.server.typed_channel)


async def build(under_test: IndexerUnderTest) -> list[map_pb2.BuildMapResponse]:
    return [told async for told in stub_of(under_test).BuildMap(map_pb2.BuildMapRequest())]


async def read(
    under_test: IndexerUnderTest, known_map_id: str = ""
) -> tuple[type_pb2.MapHeader, dict[str, Point]]:
    """The header, and place and neighbourhood of every product."""
    request = map_pb2.GetMapRequest(known_map_id=known_map_id)
    first, *others = [message async for message in stub_of(under_test).GetMap(request)]
    assert first.WhichOneof("message") == "header"
    points: dict[str, Point] = {}
    for message in others:
        xy = np.frombuffer(message.points.xy_u16, "<u2").reshape(-1, 2) / 65535
        for product_id, (x, y), cluster in zip(
            message.points.product_ids, xy.tolist(), message.points.clusters, strict=True
        ):
            points[product_id] = (x, y), cluster
    assert list(points) == sorted(points)
    return first.header, points


async def fill(under_test: IndexerUnderTest, count: int = 24) -> None:
    """Half shirts, half skirts, which lie in opposite directions."""
    wobble = np.random.default_rng(7).standard_normal((count, 8)) * 0.1
    version = await under_test.upsert(
        *(
            record(
                f"{number:03}",
                [{UNION: unit(*(wobble[number] + (0, 0, 0, 0, 0, 0, 0, (-1) ** number)))}],
                name=("Linen shirt", "Pleated skirt")[number % 2] + f" AB{number}",
                colour=("blue", "red")[number % 2],
            )
            for number in range(count)
        )
    )
    await under_test.indexer.gate.wait(version, None)


async def test_products_that_look_alike_lie_together_under_their_own_words(
    under_test: IndexerUnderTest,
) -> None:
    await fill(under_test)
    told = await build(under_test)
    header, points = await read(under_test)
    assert told[-1].header == header
    assert (header.product_count, header.missing_count) == (24, 0)
    assert header.embedding_version == SPACE
    assert header.method == "t-SNE, perplexity 7.67"
    places = np.array([place for place, _ in points.values()])
    assert places.min() >= 0
    assert places.max() <= 1
    shirts, skirts = places[::2].mean(axis=0), places[1::2].mean(axis=0)
    within = max(places[::2].std(), places[1::2].std())
    assert np.linalg.norm(shirts - skirts) > within
    sizes = [cluster.product_count for cluster in header.clusters]
    assert sizes == sorted(sizes, reverse=True)
    assert sum(sizes) == 24
    by_cluster = [[] for _ in sizes]  # type: list[list[int]]
    for number, (_, cluster) in enumerate(points.values()):
        by_cluster[cluster].append(number % 2)
    for kinds, cluster in zip(by_cluster, header.clusters, strict=True):
        assert len(set(kinds)) == 1
        expected = {"blue", "shirt", "Linen"} if kinds[0] == 0 else {"red", "skirt", "Pleated"}
        assert set(cluster.words) <= expected
        assert 1 <= len(cluster.words) <= 4
        assert 0 <= cluster.x <= 1
        assert 0 <= cluster.y <= 1
        assert 0 < cluster.radius < 1


async def test_progress_only_grows_and_ends_with_the_stored_map(
    under_test: IndexerUnderTest,
) -> None:
    await fill(under_test)
    told = await build(under_test)
    stages, fractions = [one.stage for one in told], [one.fraction for one in told]
    assert stages == sorted(stages)
    assert fractions == sorted(fractions)
    assert set(stages) == set(type_pb2.MapStage.values()) - {type_pb2.MAP_STAGE_UNSPECIFIED}
    assert (told[-1].stage, told[-1].fraction) == (type_pb2.MAP_STAGE_STORED, 1.0)
    assert [one.HasField("header") for one in told] == [False] * (len(told) - 1) + [True]


async def test_the_same_products_make_the_same_map_however_they_came(
    under_test: IndexerUnderTest,
) -> None:
    await fill(under_test)
    await build(under_test)
    first, points = await read(under_test)
    # Other rows of the matrix in memory, the same products.
    gone = ["000", "001"]
    await under_test.stub.DeleteProducts(indexer_pb2.DeleteProductsRequest(product_ids=gone))
    await fill(under_test)
    await build(under_test)
    second, same = await read(under_test)
    assert same == points
    assert second.clusters == first.clusters
    assert second.map_id != first.map_id


async def test_there_is_no_map_before_the_first_build(under_test: IndexerUnderTest) -> None:
    for _ in range(2):
        with pytest.raises(NotFound) as error:
            await read(under_test)
        assert error.value.reason == "MAP_NOT_FOUND"
        await fill(under_test)


async def test_four_products_are_too_few_and_five_are_enough(under_test: IndexerUnderTest) -> None:
    for count in (0, 4):
        await fill(under_test, count) if count else None
        with pytest.raises(FailedPrecondition) as error:
            await build(under_test)
        assert error.value.reason == "MAP_TOO_SMALL"
        assert error.value.metadata == {"product_count": str(count), "wanted": "5"}
    await fill(under_test, 5)
    await build(under_test)
    header, points = await read(under_test)
    assert header.product_count == len(points) == 5


async def test_deleted_products_leave_the_map_and_new_ones_are_missing(
    under_test: IndexerUnderTest,
) -> None:
    await fill(under_test)
    await build(under_test)
    before, points = await read(under_test)
    await under_test.upsert(record("new", unit(1)), record("bare", []))
    header, _ = await read(under_test)
    assert (header.map_id, header.product_count, header.missing_count) == (before.map_id, 24, 2)
    await under_test.stub.DeleteProducts(indexer_pb2.DeleteProductsRequest(product_ids=["003"]))
    await under_test.search(near(unit(1)))
    header, left = await read(under_test)
    assert header.map_id != before.map_id
    assert (header.product_count, header.missing_count) == (23, 2)
    assert left == {one: place for one, place in points.items() if one != "003"}


async def test_who_holds_the_map_is_sent_its_header_only(under_test: IndexerUnderTest) -> None:
    await fill(under_test)
    await build(under_test)
    header, points = await read(under_test)
    assert await read(under_test, header.map_id) == (header, {})
    assert await read(under_test, "another") == (header, points)
    with pytest.raises(InvalidArgument):
        await read(under_test, "x" * 257)


async def test_the_map_survives_a_restart(under_test: IndexerUnderTest) -> None:
    await fill(under_test)
    await build(under_test)
    before = await read(under_test)
    await under_test.restart()
    assert await read(under_test) == before


async def test_each_space_has_its_own_map_which_goes_with_it(
    under_test: IndexerUnderTest,
) -> None:
    await fill(under_test)
    await build(under_test)
    first = await read(under_test)
    spaces: Any = spaces_pb2_grpc.SpaceServiceStub(under_test.server.typed_channel)
    await spaces.BeginSpace(spaces_pb2.BeginSpaceRequest(embedding_version="other", dimension=3))
    switch = spaces_pb2.SwitchSpaceRequest(embedding_version="other", force=True)
    await spaces.SwitchSpace(switch)
    with pytest.raises(NotFound):
        await read(under_test)
    switch.embedding_version = SPACE
    await spaces.SwitchSpace(switch)
    assert await read(under_test) == first
    # The map of a space that is dropped is dropped, whatever its number was.
    number = under_test.indexer.mirror.active.number
    switch.embedding_version = "other"
    await spaces.SwitchSpace(switch)
    await spaces.DropSpace(spaces_pb2.DropSpaceRequest(embedding_version=SPACE))
    assert await under_test.indexer.store.read_map(number) is None


async def test_an_emptied_index_has_no_map(under_test: IndexerUnderTest) -> None:
    await fill(under_test, 5)
    await build(under_test)
    number = under_test.indexer.mirror.active.number
    ids = [f"{position:03}" for position in range(5)]
    await under_test.stub.DeleteProducts(indexer_pb2.DeleteProductsRequest(product_ids=ids))
    await under_test.stub.ListProducts(
        indexer_pb2.ListProductsRequest(min_index_version=await under_test.newest_version())
    )
    assert await under_test.indexer.store.read_map(number) is None
    with pytest.raises(NotFound):
        await read(under_test)


class Held:
    """Draws as the indexer does, but only once it is let."""

    def __init__(self) -> None:
        self.begun = asyncio.Event()
        self.let = asyncio.Event()
        self.drawings = 0

    async def draw(self, blocks: Iterable[Block], tell: Tell) -> Drawing:
        self.drawings += 1
        self.begun.set()
        await self.let.wait()
        return await DrawingProcess(1).draw(blocks, tell)


def held_maps(under_test: IndexerUnderTest, held: Held) -> CatalogueMaps:
    running = under_test.indexer
    return CatalogueMaps(running.store, running.mirror, running.gate, held.draw, running.metrics)


async def last_of(maps: CatalogueMaps) -> ShownMap:
    last = [told async for told in maps.follow()][-1]
    assert isinstance(last, ShownMap)
    return last


async def test_a_second_caller_follows_the_build_that_runs(under_test: IndexerUnderTest) -> None:
    await fill(under_test)
    held = Held()
    maps = held_maps(under_test, held)
    first, second = maps.follow(), maps.follow()
    assert await anext(first) == await anext(second)
    held.let.set()
    ends = [[told async for told in one][-1] for one in (first, second)]
    assert ends[0] is ends[1]
    assert held.drawings == 1


async def test_a_build_goes_on_when_its_caller_goes_away(under_test: IndexerUnderTest) -> None:
    await fill(under_test)
    held = Held()
    maps = held_maps(under_test, held)
    first = maps.follow()
    await anext(first)
    await first.aclose()
    following = asyncio.create_task(last_of(maps))
    held.let.set()
    assert len((await following).drawn.product_ids) == 24
    assert held.drawings == 1


async def test_who_stops_following_leaves_no_task_behind(under_test: IndexerUnderTest) -> None:
    await fill(under_test)
    maps = held_maps(under_test, Held())
    follower = maps.follow()
    await anext(follower)
    before = asyncio.all_tasks()
    waiting = asyncio.ensure_future(anext(follower))
    await asyncio.sleep(0)
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    assert asyncio.all_tasks() == before
    await maps.close()


async def test_products_that_go_while_a_build_begins_are_too_few(
    under_test: IndexerUnderTest,
) -> None:
    await fill(under_test, 5)
    held = Held()
    maps = held_maps(under_test, held)
    following = asyncio.create_task(last_of(maps))
    await held.begun.wait()
    delete = indexer_pb2.DeleteProductsRequest(product_ids=["000"])
    deleted = await under_test.stub.DeleteProducts(delete)
    await under_test.indexer.gate.wait(deleted.index_version, None)
    held.let.set()
    with pytest.raises(FailedPrecondition) as error:
        await following
    assert (error.value.reason, error.value.metadata["product_count"]) == ("MAP_TOO_SMALL", "4")


async def test_a_space_that_is_dropped_meanwhile_gets_no_map(under_test: IndexerUnderTest) -> None:
    await fill(under_test)
    held = Held()
    maps = held_maps(under_test, held)
    number = under_test.indexer.mirror.active.number
    following = asyncio.create_task(last_of(maps))
    spaces: Any = spaces_pb2_grpc.SpaceServiceStub(under_test.server.typed_channel)
    await held.begun.wait()
    await spaces.BeginSpace(spaces_pb2.BeginSpaceRequest(embedding_version="other", dimension=3))
    await spaces.SwitchSpace(spaces_pb2.SwitchSpaceRequest(embedding_version="other", force=True))
    await spaces.DropSpace(spaces_pb2.DropSpaceRequest(embedding_version=SPACE))
    held.let.set()
    with pytest.raises(FailedPrecondition) as error:
        await following
    assert error.value.reason == "SPACE_CONFLICT"
    assert await under_test.indexer.store.read_map(number) is None


async def drawing(under_test: IndexerUnderTest) -> tuple[Any, psutil.Process]:
    """A call that is being answered, and the process that draws for it."""
    vectors = np.random.default_rng(7).standard_normal((1000, 8))
    await under_test.upsert(*(record(f"{n}", unit(*one)) for n, one in enumerate(vectors)))
    call = aiter(stub_of(under_test).BuildMap(map_pb2.BuildMapRequest()))
    while (await anext(call)).stage != type_pb2.MAP_STAGE_LAYOUT:
        pass
    [process] = (
        child
        for child in psutil.Process().children()
        if "services.indexer.drawing" in child.cmdline()
    )
    return call, process


async def test_shutting_down_ends_the_drawing_process_of_the_lowest_priority(
    under_test: IndexerUnderTest,
) -> None:
    call, process = await drawing(under_test)
    assert process.nice() == 19
    await under_test.indexer.maps.close()
    assert not process.is_running()
    with pytest.raises(Unavailable) as error:
        _ = [told async for told in call]
    assert error.value.reason == "DRAINING"


def test_a_drawing_process_ends_with_the_indexer_whatever_it_computes() -> None:
    vectors = np.random.default_rng(7).standard_normal((3000, 8)).astype(np.float32)
    with subprocess.Popen(
        (sys.executable, "-m", "services.indexer.drawing"),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        for message in ((vectors, [Label("", {})] * len(vectors)), None):
            pickle.dump(message, process.stdin)
        process.stdin.flush()
        assert pickle.load(process.stdout) == (MapStage.NEIGHBOURS, 0.0)
        process.stdin.close()
        assert process.wait(timeout=60) == 1


async def test_a_drawing_process_that_dies_is_told_and_the_next_build_works(
    under_test: IndexerUnderTest,
) -> None:
    call, process = await drawing(under_test)
    process.kill()
    with pytest.raises(Internal):
        _ = [told async for told in call]
    with pytest.raises(NotFound):
        await read(under_test)
    await build(under_test)
    header, points = await read(under_test)
    assert header.product_count == len(points) == 1000


async def test_a_map_larger_than_a_document_is_replaced_whole(
    under_test: IndexerUnderTest,
) -> None:
    await fill(under_test, 5)
    space = under_test.indexer.mirror.active.space
    assert space is not None
    store = under_test.indexer.store
    for count in (40_000, 10):
        # Identifiers that do not compress: 19 MB of them.
        ids = sorted("".join(str(uuid.uuid4()) for _ in range(7)) for _ in range(count))
        xy = np.zeros((count, 2), np.uint16)
        clusters = np.full(count, -1, np.int32)
        drawn = CatalogueMap(str(count), time.time_ns(), "", (), tuple(ids), xy, clusters)
        await store.put_map(space, drawn)
        found = await store.read_map(space.number)
        assert found is not None
        assert (found.map_id, found.product_ids) == (str(count), tuple(ids))
        assert np.array_equal(found.cluster_of, clusters)
