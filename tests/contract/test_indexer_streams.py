"""The durable state of ingest streams, over both stores."""

import asyncio
from typing import Any

import pytest

from lookalike.indexer.v1 import indexer_pb2
from servicekit.errors import Aborted, FailedPrecondition, InvalidArgument, NotFound
from tests.contract.indexer_under_test import (
    IndexerUnderTest,
    indexer_config,
    near,
    record,
    refused,
    stored,
    under_test,
    unit,
)
from tests.fixtures.mongod import mongodb_uri

__all__ = ["indexer_config", "mongodb_uri", "under_test"]


async def open_stream(
    tested: IndexerUnderTest, *, fingerprint: str = "f", run: str = "r"
) -> indexer_pb2.OpenStreamResponse:
    return await tested.stub.OpenStream(
        indexer_pb2.OpenStreamRequest(
            stream_id="s", source_fingerprint=fingerprint, run_id=run, client="test"
        )
    )


async def commit(
    tested: IndexerUnderTest, epoch: int, *outcomes: Any, complete: bool = False
) -> Any:
    return await tested.stub.CommitOutcomes(
        indexer_pb2.CommitOutcomesRequest(
            stream_id="s", epoch=epoch, outcomes=outcomes, complete=complete
        )
    )


async def outcomes(tested: IndexerUnderTest, after: int = 0, page_size: int = 0) -> Any:
    response = await tested.stub.ListOutcomes(
        indexer_pb2.ListOutcomesRequest(stream_id="s", after_sequence=after, page_size=page_size)
    )
    return list(response.outcomes)


async def listed(tested: IndexerUnderTest) -> list[str]:
    version = await tested.newest_version()
    response = await tested.stub.ListProducts(
        indexer_pb2.ListProductsRequest(min_index_version=version)
    )
    return [product.product_id for product in response.products]


async def test_a_commit_writes_products_outcomes_and_watermark(
    under_test: IndexerUnderTest,
) -> None:
    opened = await open_stream(under_test)
    assert (opened.epoch, opened.last_durable_sequence, opened.outcome_count) == (1, 0, 0)
    given = [stored(1, record("a", unit(1))), refused(2, "", "no identifier")]
    response = await commit(under_test, opened.epoch, *given)
    assert response.last_durable_sequence == 2
    assert await outcomes(under_test) == [entry.outcome for entry in given]
    found = await under_test.search(near(unit(1)), min_index_version=response.index_version)
    assert [result.product.product_id for result in found.results] == ["a"]


async def test_the_watermark_waits_at_a_gap(under_test: IndexerUnderTest) -> None:
    epoch = (await open_stream(under_test)).epoch
    answers = []
    for sequence in (2, 4, 1, 3):
        response = await commit(
            under_test, epoch, stored(sequence, record(f"p{sequence}", unit(1)))
        )
        answers.append(response.last_durable_sequence)
    assert answers == [0, 0, 2, 4]
    again = await open_stream(under_test)
    assert (again.last_durable_sequence, again.outcome_count) == (4, 4)


async def test_a_commit_that_is_repeated_changes_nothing(under_test: IndexerUnderTest) -> None:
    epoch = (await open_stream(under_test)).epoch
    first = await commit(under_test, epoch, stored(1, record("a", unit(1), name="first")))
    again = await commit(
        under_test,
        epoch,
        stored(1, record("a", unit(0, 1), name="again")),
        stored(2, record("b", unit(1))),
    )
    assert again.last_durable_sequence == 2
    assert again.index_version == first.index_version + 1
    response = await under_test.stub.GetProduct(indexer_pb2.GetProductRequest(product_id="a"))
    assert response.product.name == "first"
    assert len(await outcomes(under_test)) == 2
    assert (await commit(under_test, epoch, refused(2, "b", "late"))).last_durable_sequence == 2
    assert await listed(under_test) == ["a", "b"]


async def test_of_one_product_the_last_sequence_wins(under_test: IndexerUnderTest) -> None:
    epoch = (await open_stream(under_test)).epoch
    await commit(
        under_test,
        epoch,
        stored(2, record("a", unit(1), name="second")),
        stored(1, record("a", unit(1), name="first")),
    )
    response = await under_test.stub.GetProduct(indexer_pb2.GetProductRequest(product_id="a"))
    assert response.product.name == "second"


async def test_an_older_epoch_is_fenced_off(under_test: IndexerUnderTest) -> None:
    old = await open_stream(under_test)
    new = await open_stream(under_test)
    assert new.epoch > old.epoch
    with pytest.raises(Aborted) as error:
        await commit(under_test, old.epoch, stored(1, record("a", unit(1))))
    assert error.value.reason == "STREAM_FENCED"
    with pytest.raises(InvalidArgument):
        await commit(under_test, new.epoch + 1, stored(1, record("a", unit(1))))
    assert await outcomes(under_test) == []
    assert await listed(under_test) == []


async def test_epochs_of_openings_at_once_differ(under_test: IndexerUnderTest) -> None:
    opened = await asyncio.gather(*(open_stream(under_test) for _ in range(8)))
    assert sorted(one.epoch for one in opened) == list(range(1, 9))


async def test_the_same_run_and_one_after_a_break_go_on(under_test: IndexerUnderTest) -> None:
    epoch = (await open_stream(under_test, run="r1")).epoch
    await commit(under_test, epoch, *(stored(n, record(f"p{n}", unit(1))) for n in (1, 2, 4)))
    for run in ("r1", "r2"):
        again = await open_stream(under_test, run=run)
        assert (again.last_durable_sequence, again.outcome_count) == (2, 3)
    assert [outcome.sequence for outcome in await outcomes(under_test, after=2)] == [4]


async def test_a_new_run_after_a_complete_one_starts_again(under_test: IndexerUnderTest) -> None:
    epoch = (await open_stream(under_test, run="r1")).epoch
    await commit(under_test, epoch, stored(1, record("a", unit(1))))
    await commit(under_test, epoch, complete=True)
    # The answer to the opening may have been lost: the same run is told that it is done.
    assert (await open_stream(under_test, run="r1")).last_durable_sequence == 1
    again = await open_stream(under_test, run="r2")
    assert (again.last_durable_sequence, again.outcome_count) == (0, 0)
    assert again.epoch == 3
    assert await outcomes(under_test) == []
    await commit(under_test, again.epoch, refused(1, "a", "now it is refused"))
    assert await listed(under_test) == ["a"]


async def test_a_run_is_complete_only_once_the_watermark_is_at_its_end(
    under_test: IndexerUnderTest,
) -> None:
    epoch = (await open_stream(under_test, run="r1")).epoch
    await commit(under_test, epoch, stored(2, record("b", unit(1))), complete=True)
    again = await open_stream(under_test, run="r2")
    assert (again.last_durable_sequence, again.outcome_count) == (0, 1)


async def test_another_source_starts_again(under_test: IndexerUnderTest) -> None:
    epoch = (await open_stream(under_test)).epoch
    await commit(under_test, epoch, *(stored(n, record(f"p{n}", unit(1))) for n in (1, 2, 3)))
    again = await open_stream(under_test, fingerprint="another")
    assert (again.last_durable_sequence, again.outcome_count) == (0, 0)
    assert again.epoch == epoch + 1
    with pytest.raises(Aborted):
        await commit(under_test, epoch, stored(4, record("p4", unit(1))))


async def test_outcomes_come_in_pages(under_test: IndexerUnderTest) -> None:
    epoch = (await open_stream(under_test)).epoch
    await commit(under_test, epoch, *(refused(n, f"p{n}", "no") for n in range(10, 0, -1)))
    assert [outcome.sequence for outcome in await outcomes(under_test, 3, 4)] == [4, 5, 6, 7]
    assert [outcome.sequence for outcome in await outcomes(under_test, 8, 4)] == [9, 10]
    with pytest.raises(InvalidArgument):
        await outcomes(under_test, page_size=-1)


async def test_a_commit_with_one_bad_outcome_writes_nothing(under_test: IndexerUnderTest) -> None:
    epoch = (await open_stream(under_test)).epoch
    good = stored(1, record("a", unit(1)))
    no_product, with_product = stored(2, record("b", unit(1))), refused(2, "b", "no")
    no_product.ClearField("product")
    with_product.product.CopyFrom(good.product)
    unstated = refused(2, "b", "no")
    unstated.outcome.state = 0  # type: ignore[assignment]
    another = stored(2, record("b", unit(1)))
    another.outcome.product_id = "c"
    bad = [no_product, with_product, unstated, another, refused(0, "b", "no"), good]
    bad.append(stored(2, record("", unit(1))))
    for outcome in bad:
        with pytest.raises(InvalidArgument) as error:
            await commit(under_test, epoch, good, outcome)
        assert error.value.reason == "FIELD_INVALID"
    with pytest.raises(InvalidArgument):
        await commit(under_test, epoch)
    await commit(under_test, epoch, good)
    for foreign in (record("b", unit(1), space="space/2"), record("b", unit(1)[:4] + 0)):
        with pytest.raises(FailedPrecondition):
            await commit(under_test, epoch, stored(2, record("x", unit(1))), stored(3, foreign))
    assert await listed(under_test) == ["a"]
    assert len(await outcomes(under_test)) == 1


async def test_unknown_streams_are_not_found(under_test: IndexerUnderTest) -> None:
    for call in (
        commit(under_test, 1, stored(1, record("a", unit(1)))),
        outcomes(under_test),
    ):
        with pytest.raises(NotFound) as error:
            await call
        assert error.value.reason == "STREAM_NOT_FOUND"


async def test_streams_survive_a_restart(under_test: IndexerUnderTest) -> None:
    epoch = (await open_stream(under_test)).epoch
    await commit(under_test, epoch, stored(1, record("a", unit(1))), refused(2, "b", "no"))
    before = await outcomes(under_test)
    await under_test.restart()
    assert await outcomes(under_test) == before
    await commit(under_test, epoch, stored(3, record("c", unit(1))))
    again = await open_stream(under_test)
    assert (again.epoch, again.last_durable_sequence) == (epoch + 1, 3)


async def test_names_of_streams_are_checked(under_test: IndexerUnderTest) -> None:
    for fields in ({"stream_id": ""}, {"source_fingerprint": ""}, {"run_id": "x" * 257}):
        request = {"stream_id": "s", "source_fingerprint": "f", "run_id": "r", **fields}
        with pytest.raises(InvalidArgument) as error:
            await under_test.stub.OpenStream(indexer_pb2.OpenStreamRequest(**request))
        assert error.value.reason == "FIELD_INVALID"
