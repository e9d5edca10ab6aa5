"""The parts of an ingest: inputs, sums, windows, feeds."""

import asyncio
from collections.abc import Iterator
from itertools import islice

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lookalike_client import ImageInput, IngestSettings, ProductInput, ProductOutcome
from lookalike_client.ingest.feeds import IterableFeed
from lookalike_client.ingest.results import OutcomeState, Tally
from lookalike_client.ingest.window import Credit, ReadAhead
from lookalike_client.models import ImageFailure, Stage


def failure(image: str) -> ImageFailure:
    return ImageFailure(0, image, Stage.DECODE, "IMAGE_TRUNCATED", "It ends early.", False)


@given(st.lists(st.tuples(st.sampled_from(OutcomeState), st.integers(0, 3), st.integers(0, 5))))
def test_indexed_unchanged_and_failed_add_up(
    outcomes: list[tuple[OutcomeState, int, int]],
) -> None:
    tally = Tally()
    for n, (state, failures, images) in enumerate(outcomes, 1):
        failed = tuple(failure(f"{n}-{place}") for place in range(failures))
        tally.add(ProductOutcome(n, f"p{n}", state, image_failures=failed), images=images)
    summary = tally.summary(seconds=2.0)
    assert summary.finished == len(outcomes)
    assert summary.failed == len(summary.products_failed)
    assert len(summary.images_failed) == sum(failures for _, failures, _ in outcomes)
    assert summary.images_per_second == sum(images for _, _, images in outcomes) / 2
    assert summary.nothing_failed == (not summary.failed and not summary.images_failed)


def test_the_document_of_an_ingest_has_the_promised_keys() -> None:
    tally = Tally()
    outcome = ProductOutcome(1, "p1", OutcomeState.INDEXED, image_failures=(failure("a.jpg"),))
    tally.add(outcome, images=3)
    document = tally.summary(seconds=1.5).to_dict()
    assert document["indexed"] == 1
    assert document["images_per_second"] == 2.0
    assert document["images_failed"] == [
        {
            "product_id": "p1",
            "image": "a.jpg",
            "index": 0,
            "stage": "decode",
            "reason": "IMAGE_TRUNCATED",
            "message": "It ends early.",
            "retryable": False,
        }
    ]


def test_a_product_is_checked_when_it_is_made() -> None:
    product = ProductInput(
        "p", attributes={"a": 1, "b": None, "c": [], "d": ["x", None, ""], "e": False, "f": ""}
    )
    assert dict(product.attributes) == {"a": 1, "d": ["x"], "e": False}
    with pytest.raises(ValueError, match="empty"):
        ProductInput("")
    with pytest.raises(ValueError, match="not a string"):
        ProductInput(5)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="at most 32"):
        ProductInput("p", tuple(ImageInput.from_bytes(b"") for _ in range(33)))
    with pytest.raises(ValueError, match="'a' holds an object"):
        ProductInput("p", attributes={"a": {}})
    with pytest.raises(ValueError, match="out of range"):
        ProductInput("p", attributes={"a": 10**400})
    with pytest.raises(ValueError, match="surrogate"):
        ProductInput("p", attributes={"a": "\ud800"})
    with pytest.raises(ValueError, match="exactly one source"):
        ImageInput("label")


@given(st.text())
def test_a_label_always_fits(label: str) -> None:
    assert len(ImageInput.from_bytes(b"", label=label * 50).label.encode()) <= 1_024


def test_a_setting_of_zero_is_refused() -> None:
    with pytest.raises(ValueError, match="give_up_s"):
        IngestSettings(give_up_s=0)


async def test_credit_lets_one_large_product_pass_alone() -> None:
    credit = Credit(products=2, size_bytes=100)
    await credit.take(1, 60)
    waiting = asyncio.create_task(credit.take(2, 500))
    await asyncio.sleep(0)
    assert not waiting.done()
    credit.give(1, products=1, size_bytes=60)
    await waiting
    following = asyncio.create_task(credit.take(3, 1))
    await asyncio.sleep(0)
    assert not following.done()
    credit.give(2, products=1, size_bytes=500)
    await following


async def test_what_is_durable_is_not_in_flight() -> None:
    credit = Credit(products=5, size_bytes=100)
    await credit.take(1, 100)
    waiting = asyncio.create_task(credit.take(2, 200))
    await asyncio.sleep(0)
    assert not waiting.done()
    credit.settle(1)
    await waiting


async def test_reading_ahead_is_bounded_in_products_and_bytes() -> None:
    room = ReadAhead(products=2, size_bytes=100)
    await room.take(500)
    blocked = asyncio.create_task(room.take(1))
    await asyncio.sleep(0)
    assert not blocked.done()
    room.give(500)
    await blocked
    await room.take(1)
    third = asyncio.create_task(room.take(1))
    await asyncio.sleep(0)
    assert not third.done()
    room.give(1)
    await third


def endless() -> Iterator[ProductInput]:
    n = 0
    while True:
        n += 1
        yield ProductInput(f"p{n}", (ImageInput.from_bytes(b"x" * 100),))


async def test_an_iterable_is_kept_only_as_long_as_it_may_be_asked_for() -> None:
    feed = IterableFeed(endless(), max_kept_bytes=250)
    for sequence in range(1, 4):
        product = await feed.get(sequence)
        assert product is not None
        assert product.product_id == f"p{sequence}"
    fourth = asyncio.create_task(feed.get(4))
    for _ in range(5):
        await asyncio.sleep(0)
    assert not fourth.done()
    assert (again := await feed.get(2)) is not None
    assert again.product_id == "p2"
    feed.forget(2)
    assert (await fourth) is not None
    with pytest.raises(AssertionError, match="forgotten"):
        await feed.get(1)
    await feed.aclose()


async def test_an_iterable_ends() -> None:
    feed = IterableFeed(islice(endless(), 2))
    assert await feed.get(3) is None
    assert await feed.get(2) is not None
    assert await feed.get(3) is None
