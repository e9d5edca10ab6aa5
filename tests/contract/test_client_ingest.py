"""The client's ingest against a gateway that keeps the contract's promises."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import grpc
import pytest

from lookalike_client import (
    AsyncLookalike,
    Broken,
    Catalogue,
    ImageInput,
    IngestSettings,
    InvalidArgument,
    Lookalike,
    OutcomeState,
    ProductInput,
    ProductOutcome,
    StreamFenced,
    StreamRefused,
    StreamUnavailable,
)
from tests.contract.client_gateway_twin import Fault, GatewayTwin, server, serving, twin

__all__ = ["server", "twin"]

QUICK = IngestSettings(first_backoff_s=0.01, max_backoff_s=0.05, give_up_s=2, first_contact_s=0.3)


def photo(text: str, size: int = 100) -> ImageInput:
    return ImageInput.from_bytes(text.encode().ljust(size, b"."), label=f"{text}.jpg")


def products(count: int) -> list[ProductInput]:
    return [ProductInput(f"p{n:03}", (photo(f"{n}-a"), photo(f"{n}-b"))) for n in range(count)]


def write_folder(root: Path, count: int) -> Path:
    for n in range(count):
        (root / f"p{n:03}").mkdir(parents=True)
        (root / f"p{n:03}" / "1.jpg").write_bytes(f"photo {n}".encode())
    return root


async def test_every_product_has_one_outcome_and_is_stored(twin: GatewayTwin, server: str) -> None:
    outcomes: list[ProductOutcome] = []
    async with AsyncLookalike(server) as client:
        summary = await client.ingest(products(50), settings=QUICK, on_outcome=outcomes.append)
    assert (summary.indexed, summary.unchanged, summary.failed) == (50, 0, 0)
    assert summary.images == 100
    assert summary.images_per_second > 0
    assert sorted(outcome.sequence for outcome in outcomes) == list(range(1, 51))
    assert sorted(twin.products) == [f"p{n:03}" for n in range(50)]
    assert next(iter(twin.streams.values())).complete


async def test_the_window_of_the_server_is_never_exceeded(twin: GatewayTwin, server: str) -> None:
    sizes = [10, 3_900, 200, 5_000, 10, 10, 9_000, 1, 1, 1, 1, 1, 1]
    given = [ProductInput(f"p{n}", (photo(str(n), size),)) for n, size in enumerate(sizes)]
    async with AsyncLookalike(server) as client:
        summary = await client.ingest(given, settings=QUICK)
    assert summary.indexed == len(sizes)
    assert twin.most_in_flight <= twin.window_products


@pytest.mark.parametrize("lose", [False, True])
async def test_after_broken_lines_nothing_is_missing_and_nothing_told_twice(
    twin: GatewayTwin, server: str, lose: bool
) -> None:
    twin.faults = [
        Fault(after_products=7, lose=lose),
        Fault(refuse_open=True, reason="WARMING_UP"),
        Fault(after_products=1, lose=lose),
        Fault(after_products=20, lose=lose, code=grpc.StatusCode.INTERNAL),
    ]
    outcomes: list[ProductOutcome] = []
    broken: list[object] = []
    async with AsyncLookalike(server) as client:
        summary = await client.ingest(
            products(60), settings=QUICK, on_outcome=outcomes.append, on_event=broken.append
        )
    assert sum(isinstance(event, Broken) for event in broken) == 4
    assert (summary.indexed, summary.unchanged, summary.failed) == (60, 0, 0)
    assert sorted(outcome.sequence for outcome in outcomes) == list(range(1, 61))
    assert len({request.run_id for request in twin.opens}) == 1
    confirmed = [request.confirmed_sequence for request in twin.opens]
    assert confirmed == sorted(confirmed)


async def test_a_restarted_server_is_found_again(twin: GatewayTwin) -> None:
    started = asyncio.Event()
    settings = IngestSettings(first_backoff_s=0.01, max_backoff_s=0.05, give_up_s=60)
    async with contextlib.AsyncExitStack() as first:
        address = await first.enter_async_context(serving(twin))
        async with AsyncLookalike(address) as client:
            work = asyncio.create_task(
                client.ingest(
                    slowly(products(200)), settings=settings, on_outcome=lambda _: started.set()
                )
            )
            await started.wait()
            await first.aclose()
            async with serving(twin, port=int(address.rpartition(":")[2])):
                summary = await work
    assert (summary.indexed, summary.unchanged, summary.failed) == (200, 0, 0)
    assert len(twin.opens) >= 2


async def test_a_new_run_goes_on_where_a_broken_one_stopped_and_counts_that_as_unchanged(
    twin: GatewayTwin, server: str, tmp_path: Path
) -> None:
    folder = write_folder(tmp_path, 30)
    (folder / "p002" / "1.jpg").write_bytes(b"bad")
    (folder / "p003" / "2.jpg").write_bytes(b"bad")
    twin.faults = [Fault(after_products=20)] + [Fault(refuse_open=True)] * 1_000
    async with AsyncLookalike(server) as client:
        with Catalogue.scan(folder) as catalogue:
            hasty = IngestSettings(give_up_s=0.2, first_backoff_s=0.01, max_backoff_s=0.05)
            with pytest.raises(StreamUnavailable) as caught:
                await client.ingest(catalogue, settings=hasty)
        assert 0 < caught.value.summary.finished <= 20
        twin.faults.clear()
        with Catalogue.scan(folder) as catalogue:
            summary = await client.ingest(catalogue, settings=QUICK)
        assert (summary.indexed, summary.unchanged, summary.failed) == (10, 19, 1)
        told = [(failure.product_id, failure.image) for failure in summary.images_failed]
        assert sorted(told) == [("p002", "1.jpg"), ("p003", "2.jpg")]
        # After a complete run everything is offered again.
        with Catalogue.scan(folder) as catalogue:
            again = await client.ingest(catalogue, settings=QUICK)
        assert (again.indexed, again.unchanged, again.failed) == (0, 29, 1)
        # A changed source starts at the beginning.
        (folder / "p004" / "1.jpg").write_bytes(b"another photograph")
        with Catalogue.scan(folder) as catalogue:
            changed = await client.ingest(catalogue, settings=QUICK)
        assert (changed.indexed, changed.unchanged, changed.failed) == (1, 28, 1)


async def test_a_fenced_stream_does_not_fight_back(twin: GatewayTwin, server: str) -> None:
    twin.faults = [Fault(after_products=5, code=grpc.StatusCode.ABORTED, reason="STREAM_FENCED")]
    async with AsyncLookalike(server) as client:
        with pytest.raises(StreamFenced) as caught:
            await client.ingest(products(50), settings=QUICK)
    assert len(twin.opens) == 1
    assert caught.value.summary.finished <= 5


async def test_the_true_status_is_known_even_while_a_message_is_being_sent(
    twin: GatewayTwin, server: str
) -> None:
    twin.window_products, twin.window_bytes = 10_000, 1 << 40
    given = [ProductInput(f"p{n}", (photo(str(n), 400_000),)) for n in range(12)]
    async with AsyncLookalike(server) as client:
        for _ in range(20):
            twin.faults = [
                Fault(after_products=4, code=grpc.StatusCode.ABORTED, reason="STREAM_FENCED")
            ]
            with pytest.raises(StreamFenced):
                await client.ingest(given, settings=QUICK)


async def test_a_protocol_fault_is_told_and_not_tried_again(twin: GatewayTwin, server: str) -> None:
    twin.faults = [
        Fault(refuse_open=True, code=grpc.StatusCode.INVALID_ARGUMENT, reason="FIELD_INVALID")
    ]
    async with AsyncLookalike(server) as client:
        with pytest.raises(StreamRefused) as caught:
            await client.ingest(products(5), settings=QUICK)
    assert isinstance(caught.value.cause, InvalidArgument)
    assert caught.value.cause.reason == "FIELD_INVALID"
    assert len(twin.opens) == 1


async def test_where_nobody_answers_the_ingest_ends_soon_with_one_sentence() -> None:
    async with AsyncLookalike("127.0.0.1:1") as client:
        with pytest.raises(StreamUnavailable, match=r"No connection to 127\.0\.0\.1:1: .*refused"):
            await client.ingest(products(5), settings=QUICK)


async def test_images_that_cannot_be_read_are_told_and_the_rest_goes_in(
    twin: GatewayTwin, server: str, tmp_path: Path
) -> None:
    good = tmp_path / "good.jpg"
    good.write_bytes(b"good")
    given = [
        ProductInput(
            "some",
            (
                ImageInput.from_file(good),
                ImageInput.from_file(tmp_path / "missing.jpg"),
                ImageInput.from_file(tmp_path, label="folder"),
                ImageInput.from_url("https://shop.example/a.jpg"),
                ImageInput.from_bytes(b"", label="empty"),
            ),
        ),
        ProductInput("none", (ImageInput.from_file("/dev/zero"), ImageInput.from_file("\0"))),
        ProductInput("empty"),
    ]
    async with AsyncLookalike(server) as client:
        summary = await client.ingest(given, settings=QUICK)
    assert (summary.indexed, summary.unchanged, summary.failed) == (1, 0, 2)
    told = {
        (failure.product_id, failure.image): (failure.stage, failure.reason)
        for failure in summary.images_failed
    }
    assert told == {
        ("some", "missing.jpg"): ("fetch", "IMAGE_UNREADABLE"),
        ("some", "folder"): ("fetch", "IMAGE_UNREADABLE"),
        ("some", "https://shop.example/a.jpg"): ("fetch", "IMAGE_URL_UNSUPPORTED"),
        ("some", "empty"): ("decode", "IMAGE_EMPTY"),
        ("none", "zero"): ("fetch", "IMAGE_UNREADABLE"),
        ("none", "\0"): ("fetch", "IMAGE_UNREADABLE"),
    }
    assert {failure.reason for failure in summary.products_failed} == {
        "NO_USABLE_IMAGE",
        "PRODUCT_EMPTY",
    }


async def test_a_product_above_the_servers_message_limit_loses_images_and_not_the_stream(
    twin: GatewayTwin,
) -> None:
    twin.window_bytes = 1 << 40
    huge = ProductInput("huge", (photo("small", 1_000), photo("large", 900_000)))
    options = {"grpc.max_receive_message_length": 500_000}
    async with serving(twin, **options) as address, AsyncLookalike(address) as client:
        summary = await client.ingest([*products(5), huge, *products(9)[5:]], settings=QUICK)
    assert (summary.indexed, summary.unchanged, summary.failed) == (10, 0, 0)
    assert [(failure.product_id, failure.image) for failure in summary.images_failed] == [
        ("huge", "large.jpg")
    ]


async def test_a_feed_that_fails_ends_the_ingest_with_its_own_error(server: str) -> None:
    def broken() -> Iterator[ProductInput]:
        yield from products(10)
        raise RuntimeError("the database went away")

    async with AsyncLookalike(server) as client:
        with pytest.raises(RuntimeError, match="went away"):
            await client.ingest(broken(), settings=QUICK)
        with pytest.raises(TypeError, match="ProductInput"):
            await client.ingest(["p1"], settings=QUICK)  # type: ignore[list-item]


async def test_what_a_callback_raises_ends_the_ingest(server: str) -> None:
    def full(_: ProductOutcome) -> None:
        raise OSError("disk full")

    async with AsyncLookalike(server) as client:
        with pytest.raises(OSError, match="disk full"):
            await client.ingest(products(10), settings=QUICK, on_outcome=full)


async def test_a_cancelled_ingest_leaves_no_task_behind(server: str) -> None:
    async with AsyncLookalike(server) as client:
        started = asyncio.Event()
        work = asyncio.create_task(
            client.ingest(
                slowly(products(1_000)), settings=QUICK, on_outcome=lambda _: started.set()
            )
        )
        await started.wait()
        work.cancel()
        with pytest.raises(asyncio.CancelledError):
            await work
        assert not [task for task in asyncio.all_tasks() if "lookalike_client" in repr(task)]


async def test_an_asynchronous_source_is_awaited(twin: GatewayTwin, server: str) -> None:
    async with AsyncLookalike(server) as client:
        summary = await client.ingest(slowly(products(10)), settings=QUICK)
    assert summary.indexed == 10


async def test_an_empty_source_is_an_ingest_of_nothing(server: str) -> None:
    async with AsyncLookalike(server) as client:
        summary = await client.ingest([], settings=QUICK)
    assert summary.finished == 0
    assert summary.images_per_second == 0


async def test_rejected_products_of_a_catalogue_are_counted_as_failed(
    twin: GatewayTwin, server: str, tmp_path: Path
) -> None:
    (tmp_path / "a.jpg").write_bytes(b"good")
    manifest = tmp_path / "catalogue.jsonl"
    manifest.write_text(
        '{"product_id": "a", "images": ["a.jpg"], "name": "A"}\n'
        "no json\n"
        '{"product_id": "b", "images": "a.jpg"}\n'
        '{"product_id": "a", "images": ["a.jpg"]}\n'
        '{"product_id": "c", "images": ["a.jpg", 5, "missing.jpg"], "colour": "blue"}\n'
    )
    async with AsyncLookalike(server) as client:
        with Catalogue.scan(manifest) as catalogue:
            assert catalogue.product_count == 5
            summary = await client.ingest(catalogue, settings=QUICK)
    assert (summary.indexed, summary.unchanged, summary.failed) == (3, 0, 2)
    assert [failure.reason for failure in summary.products_failed] == [
        "SOURCE_INVALID",
        "FIELD_INVALID",
    ]
    assert [failure.image for failure in summary.images_failed] == ["5", "missing.jpg"]
    assert twin.products["c"].attributes["colour"] == "blue"


async def test_the_synchronous_client_ingests_the_same_way(twin: GatewayTwin, server: str) -> None:
    twin.faults = [Fault(after_products=7)]
    outcomes: list[ProductOutcome] = []

    def work() -> None:
        with Lookalike(server) as client:
            summary = client.ingest(products(30), settings=QUICK, on_outcome=outcomes.append)
        assert summary.indexed == 30

    await asyncio.to_thread(work)
    assert {outcome.state for outcome in outcomes} == {OutcomeState.INDEXED}


async def slowly(given: list[ProductInput]) -> AsyncIterator[ProductInput]:
    for product in given:
        await asyncio.sleep(0.001)
        yield product
