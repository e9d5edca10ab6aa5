"""IngestService: what ingest.proto promises, over real services."""

import asyncio
import hashlib
from dataclasses import replace
from typing import Any

import grpc
import pytest

from lookalike.gateway.v1 import ingest_pb2, search_pb2
from lookalike.type.v1 import product_pb2
from tests.contract.gateway.stack import (
    Connection,
    Stack,
    Targets,
    failures,
    gateway_over,
    ingest,
    ingest_batch,
    product,
    reason,
    refusal,
    until,
)
from tests.fixtures.garments import garments, jpeg

STORED = ingest_pb2.INGEST_STATE_STORED
UNCHANGED = ingest_pb2.INGEST_STATE_UNCHANGED
REFUSED = ingest_pb2.INGEST_STATE_REFUSED
FETCH = product_pb2.INGEST_STAGE_FETCH
DECODE = product_pb2.INGEST_STAGE_DECODE
INVALID = grpc.StatusCode.INVALID_ARGUMENT

PHOTOS = [jpeg(garment) for garment in garments(8)]
HTML = b"<!DOCTYPE html><html><body>404</body></html>"


async def stored(stack: Stack, product_id: str) -> product_pb2.Product:
    request = search_pb2.GetProductRequest(product_id=product_id)
    response: search_pb2.GetProductResponse = await stack.search.GetProduct(request)
    return response.product


async def test_a_product_comes_out_as_it_went_in(stack: Stack) -> None:
    sent = product(
        "p1", *PHOTOS[:3], name="Rock", attributes={"colour": "blue", "price": 12, "x": None}
    )
    results = await ingest(stack, sent)
    assert (results[1].product_id, results[1].state) == ("p1", STORED)
    assert results[1].index_version > 0
    assert results[1].credit.products == 1
    assert results[1].credit.bytes == sum(map(len, PHOTOS[:3]))
    found = await stored(stack, "p1")
    assert (found.name, dict(found.attributes)) == ("Rock", {"colour": "blue", "price": 12})
    digests = [hashlib.sha256(photo).hexdigest() for photo in PHOTOS[:3]]
    assert [image.sha256 for image in found.images] == digests
    assert [image.label for image in found.images] == ["0.jpg", "1.jpg", "2.jpg"]
    assert all((image.width_px, image.height_px) == (320, 400) for image in found.images)
    assert all(image.garments for image in found.images)
    for part in ("u2netp", "bg-00ff00", "lookalike-mini-v1"):
        assert part in found.pipeline_version
    image = await stack.search.GetImage(search_pb2.GetImageRequest(sha256=digests[0]))
    assert (image.data, image.media_type) == (PHOTOS[0], "image/jpeg")


async def test_one_bad_image_fails_alone(stack: Stack) -> None:
    odd = [
        ingest_pb2.IngestImage(data=HTML, label="page.jpg"),
        ingest_pb2.IngestImage(data=b"", label="empty.jpg"),
        ingest_pb2.IngestImage(data=PHOTOS[0][: len(PHOTOS[0]) // 2], label="half.jpg"),
        ingest_pb2.IngestImage(uri="https://example.com/a.jpg"),
        ingest_pb2.IngestImage(uri="file:///etc/passwd", label="trick"),
        ingest_pb2.IngestImage(unreadable_reason="permission denied", label="locked.jpg"),
        ingest_pb2.IngestImage(label="nothing"),
    ]
    results = await ingest(
        stack,
        product("good", PHOTOS[1]),
        product("mixed", PHOTOS[2], *odd, PHOTOS[3]),
        product("also-good", PHOTOS[4]),
    )
    assert [results[n].state for n in (1, 2, 3)] == [STORED] * 3
    assert failures(results[2]) == [
        (1, DECODE, "IMAGE_UNDECODABLE", False),
        (2, DECODE, "IMAGE_EMPTY", False),
        (3, DECODE, "IMAGE_TRUNCATED", False),
        (4, FETCH, "IMAGE_URL_UNSUPPORTED", False),
        (5, FETCH, "IMAGE_URL_UNSUPPORTED", False),
        (6, FETCH, "IMAGE_UNREADABLE", False),
        (7, FETCH, "FIELD_INVALID", False),
    ]
    labels = [one.label for one in results[2].image_failures]
    assert labels[0] == "page.jpg"
    assert labels[3] == "https://example.com/a.jpg"
    found = await stored(stack, "mixed")
    assert [image.label for image in found.images] == ["0.jpg", "8.jpg"]
    assert len(found.image_failures) == 7


async def test_a_product_without_a_usable_image_is_refused_and_its_older_state_stays(
    stack: Stack,
) -> None:
    await ingest(stack, product("p", PHOTOS[0], name="old"), run_id="one")
    results = await ingest(
        stack, product("p", HTML, b"", name="new"), product("never", HTML), run_id="two"
    )
    for result in results.values():
        assert (result.state, reason(result.status)) == (REFUSED, "NO_USABLE_IMAGE")
    assert len(results[1].image_failures) == 2
    assert (await stored(stack, "p")).name == "old"
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await stored(stack, "never")
    assert refusal(caught.value) == (grpc.StatusCode.NOT_FOUND, "PRODUCT_NOT_FOUND")


async def test_faults_of_a_product_are_data(stack: Stack) -> None:
    nested = product("nested", PHOTOS[0])
    nested.attributes.update({"deep": {"a": {"b": [1]}}})
    results = await ingest(
        stack,
        product("", PHOTOS[0]),
        product("x" * 5_000, PHOTOS[0]),
        product("line\nbreak", PHOTOS[0]),
        product("long-name", PHOTOS[0], name="n" * 1_025),
        product("novel", PHOTOS[0], attributes={"text": "x" * 10_000_000}),
        product("crowd", *[PHOTOS[0]] * 33),
        product("nothing"),
        nested,
        product("key", PHOTOS[0], attributes={"bad\x07key": 1}),
        product("fine", PHOTOS[0]),
    )
    reasons = [reason(results[n].status) for n in range(1, 10)]
    assert reasons == ["FIELD_INVALID"] * 6 + ["PRODUCT_EMPTY"] + ["FIELD_INVALID"] * 2
    assert [results[n].state for n in range(1, 11)] == [REFUSED] * 9 + [STORED]


async def test_ten_megabytes_of_text_harm_nobody(stack: Stack) -> None:
    text = "word " * 2_000_000
    results = await ingest(
        stack, product("id", PHOTOS[0], name=text), product("neighbour", PHOTOS[1])
    )
    assert [results[1].state, results[2].state] == [REFUSED, STORED]


async def test_what_is_unchanged_is_told_without_work_and_with_its_failures(
    stack: Stack,
) -> None:
    sent = product("p", PHOTOS[0], HTML, name="Rock", attributes={"colour": "blue"})
    await ingest(stack, sent, run_id="one")
    computed = stack.metric("ingest_images_total", result="computed")
    results = await ingest(stack, sent, run_id="two")
    assert results[1].state == UNCHANGED
    assert not results[1].replayed
    assert failures(results[1]) == [(1, DECODE, "IMAGE_UNDECODABLE", False)]
    assert stack.metric("ingest_images_total", result="computed") == computed


async def test_changed_attributes_are_written_without_inference(stack: Stack) -> None:
    await ingest(stack, product("p", *PHOTOS[:2], attributes={"colour": "blue"}), run_id="one")
    computed = stack.metric("ingest_images_total", result="computed")
    changed = product("p", PHOTOS[1], PHOTOS[0], attributes={"colour": "navy"})
    results = await ingest(stack, changed, run_id="two")
    assert results[1].state == STORED
    assert stack.metric("ingest_images_total", result="computed") == computed
    found = await stored(stack, "p")
    assert found.attributes["colour"] == "navy"
    assert found.images[0].sha256 == hashlib.sha256(PHOTOS[1]).hexdigest()


async def test_the_same_photograph_in_many_products_is_computed_once(stack: Stack) -> None:
    await ingest(stack, *[product(f"p{n}", PHOTOS[0], PHOTOS[0]) for n in range(12)])
    assert stack.metric("ingest_images_total", result="failed") == 0
    segmented = stack.metric("ingest_stage_seconds_count", stage="segment")
    assert segmented == 1


async def test_of_a_repeated_identifier_the_last_wins(stack: Stack) -> None:
    # The first has most work, so it would come last if nothing held the others back.
    sent = [product("p", *PHOTOS[: 6 - n], name=f"state {n}") for n in range(6)]
    results = await ingest(stack, *sent, product("p", HTML, name="refused"))
    assert [results[n].state for n in range(1, 8)] == [STORED] * 6 + [REFUSED]
    found = await stored(stack, "p")
    assert (found.name, len(found.images)) == ("state 5", 1)


async def test_a_broken_stream_goes_on_where_it_stopped(stack: Stack) -> None:
    sent = [product(f"p{n}", PHOTOS[n % 8], *([HTML] if n == 2 else [])) for n in range(1, 7)]
    first = Connection(stack)
    assert (await first.open()).last_durable_sequence == 0
    for sequence in (1, 2, 3):
        await first.send(sequence, sent[sequence - 1])
    before = await first.results(3)
    first.cut()
    second = Connection(stack)
    opened = await second.open(confirmed=1)
    assert (opened.last_durable_sequence, opened.replay_count) == (3, 2)
    told = await second.results(2)
    assert sorted(told) == [2, 3]
    for sequence, result in told.items():
        assert result.replayed
        assert not result.HasField("credit")
        assert result.state == before[sequence].state
        assert failures(result) == failures(before[sequence])
    for sequence in (4, 5, 6):
        await second.send(sequence, sent[sequence - 1])
    results = await second.results(3)
    assert not any(result.replayed for result in results.values())
    await second.finish()
    assert await second.end() == (grpc.StatusCode.OK, "")


async def test_products_sent_again_get_the_outcome_that_stands(stack: Stack) -> None:
    sent = [product("p", PHOTOS[0], name="old"), product("p", PHOTOS[1], name="new")]
    first = Connection(stack)
    await first.open()
    for sequence, message in enumerate(sent, 1):
        await first.send(sequence, message)
    await first.results(2)
    first.cut()
    second = Connection(stack)
    assert (await second.open(confirmed=2)).replay_count == 0
    for sequence, message in enumerate(sent, 1):
        await second.send(sequence, message)
    again = await second.results(2)
    assert [(again[n].replayed, again[n].credit.products) for n in (1, 2)] == [(True, 1)] * 2
    await second.send(3, product("q", PHOTOS[2]))
    assert (await second.results(1))[3].state == STORED
    assert (await stored(stack, "p")).name == "new"
    await second.finish()
    assert await second.end() == (grpc.StatusCode.OK, "")


async def test_a_new_run_after_a_complete_one_begins_again_and_finds_all_unchanged(
    stack: Stack,
) -> None:
    sent = [product(f"p{n}", PHOTOS[n]) for n in range(3)]
    await ingest(stack, *sent, run_id="one")
    connection = Connection(stack)
    opened = await connection.open(run_id="two", confirmed=3)
    assert (opened.last_durable_sequence, opened.replay_count) == (0, 0)
    connection.cut()
    results = await ingest(stack, *sent, run_id="two")
    assert [result.state for result in results.values()] == [UNCHANGED] * 3


async def test_another_source_begins_at_zero(stack: Stack) -> None:
    first = Connection(stack)
    await first.open(fingerprint="old")
    await first.send(1, product("p", PHOTOS[0]))
    await first.results(1)
    first.cut()
    second = Connection(stack)
    opened = await second.open(fingerprint="new", confirmed=1)
    assert (opened.last_durable_sequence, opened.replay_count) == (0, 0)
    second.cut()


async def test_an_older_connection_is_fenced_off(stack: Stack) -> None:
    older, newer = Connection(stack), Connection(stack)
    first = await older.open()
    second = await newer.open()
    assert second.epoch > first.epoch
    await older.send(1, product("p", PHOTOS[0]))
    assert await older.end() == (grpc.StatusCode.ABORTED, "STREAM_FENCED")
    await newer.send(1, product("p", PHOTOS[1]))
    assert (await newer.results(1))[1].state == STORED
    await newer.finish()


async def test_the_watermark_covers_every_result_before_it(stack: Stack) -> None:
    connection = Connection(stack)
    await connection.open()
    for sequence in range(1, 7):
        await connection.send(sequence, product(f"p{sequence}", PHOTOS[sequence]))
    told: set[int] = set()
    watermark = 0
    for message in await connection.finish():
        if message.HasField("result"):
            told.add(message.result.sequence)
        else:
            assert message.durable.sequence > watermark
            watermark = message.durable.sequence
            assert told >= set(range(1, watermark + 1))
    assert watermark == 6


async def test_a_stream_without_products_is_complete(stack: Stack) -> None:
    connection = Connection(stack)
    await connection.open()
    assert await connection.finish() == []
    assert await connection.end() == (grpc.StatusCode.OK, "")


# --- Faults of the protocol ------------------------------------------------------------------


def without_segmenter(targets: Targets) -> Targets:
    """Nothing that is sent comes to an end, so it stays in flight."""
    return replace(targets, segmenter="127.0.0.1:1")


async def test_more_products_than_the_credit_end_the_stream(targets: Targets) -> None:
    async with gateway_over(without_segmenter(targets), credit_products=2) as stack:
        connection = Connection(stack)
        assert (await connection.open()).credit.products == 2
        for sequence in (1, 2, 3):
            await connection.send(sequence, product(f"p{sequence}", PHOTOS[sequence]))
        assert await connection.end() == (
            grpc.StatusCode.RESOURCE_EXHAUSTED,
            "CREDIT_EXCEEDED",
        )


async def test_more_bytes_than_the_credit_end_the_stream(targets: Targets) -> None:
    limit = len(PHOTOS[1]) + len(PHOTOS[2])
    async with gateway_over(without_segmenter(targets), credit_bytes=limit) as stack:
        connection = Connection(stack)
        assert (await connection.open()).credit.bytes == limit
        await connection.send(1, product("p1", PHOTOS[1]))
        await connection.send(2, product("p2", PHOTOS[2]))
        await until(lambda: stack.metric("ingest_held_bytes") > limit)
        await connection.send(3, product("p3", b"x"))
        assert await connection.end() == (
            grpc.StatusCode.RESOURCE_EXHAUSTED,
            "CREDIT_EXCEEDED",
        )


async def test_one_product_larger_than_all_credit_may_come_alone(targets: Targets) -> None:
    async with gateway_over(targets, credit_bytes=1) as stack:
        connection = Connection(stack)
        await connection.open()
        for sequence in (1, 2):
            await connection.send(sequence, product(f"p{sequence}", *PHOTOS[:2]))
            assert (await connection.results(1))[sequence].state == STORED
        await connection.finish()
        assert await connection.end() == (grpc.StatusCode.OK, "")


async def test_credit_comes_back_with_each_result(targets: Targets) -> None:
    async with gateway_over(targets, credit_products=1) as stack:
        connection = Connection(stack)
        await connection.open()
        for sequence in range(1, 5):
            await connection.send(sequence, product(f"p{sequence}", PHOTOS[sequence]))
            assert (await connection.results(1))[sequence].credit.products == 1
        await connection.finish()
        assert await connection.end() == (grpc.StatusCode.OK, "")


async def protocol_fault(stack: Stack, *messages: ingest_pb2.IngestRequest) -> tuple[object, str]:
    connection = Connection(stack)
    for message in messages:
        await connection.write(message)
    await connection.finish()
    return await connection.end()


def opening(**fields: Any) -> ingest_pb2.IngestRequest:
    values: dict[str, Any] = {"stream_id": "s", "source_fingerprint": "f", "run_id": "r", **fields}
    return ingest_pb2.IngestRequest(open=ingest_pb2.IngestOpen(**values))


def sequenced(sequence: int) -> ingest_pb2.IngestRequest:
    return ingest_pb2.IngestRequest(
        product=ingest_pb2.SequencedProduct(sequence=sequence, product=product("p", PHOTOS[0]))
    )


@pytest.mark.parametrize(
    "messages",
    [
        (),
        (sequenced(1),),
        (ingest_pb2.IngestRequest(),),
        (opening(), opening()),
        (opening(), ingest_pb2.IngestRequest()),
        (opening(), sequenced(0)),
        (opening(), sequenced(2)),
        (opening(), sequenced(-1)),
        (opening(), sequenced(1), sequenced(3)),
        (opening(), sequenced(1), sequenced(1)),
    ],
)
async def test_messages_in_a_wrong_order_end_the_stream(
    stack: Stack, messages: tuple[ingest_pb2.IngestRequest, ...]
) -> None:
    assert await protocol_fault(stack, *messages) == (
        grpc.StatusCode.FAILED_PRECONDITION,
        "STREAM_PROTOCOL_VIOLATION",
    )


@pytest.mark.parametrize(
    "fields",
    [
        {"stream_id": ""},
        {"stream_id": "x" * 257},
        {"source_fingerprint": ""},
        {"run_id": ""},
        {"confirmed_sequence": -1},
        {"client": "x" * 257},
    ],
)
async def test_an_opening_that_is_wrong_is_refused(stack: Stack, fields: dict[str, Any]) -> None:
    assert await protocol_fault(stack, opening(**fields)) == (INVALID, "FIELD_INVALID")


async def test_a_broken_connection_gives_back_all_memory(stack: Stack) -> None:
    connection = Connection(stack)
    await connection.open()
    for sequence in range(1, 30):
        await connection.send(sequence, product(f"p{sequence}", *PHOTOS))
    connection.cut()
    await until(lambda: not stack.metric("ingest_streams"))
    await until(lambda: not stack.metric("ingest_held_bytes"))


async def test_a_drain_finishes_what_is_in_flight(stack: Stack) -> None:
    connection = Connection(stack)
    await connection.open()
    for sequence in (1, 2):
        await connection.send(sequence, product(f"p{sequence}", PHOTOS[sequence]))
    await until(lambda: stack.metric("ingest_held_bytes"))
    await stack.gateway.drain()
    results = await connection.results(1)
    if 1 not in results:
        # The second was ready first: only products of one identifier keep their order.
        results |= await connection.results(1)
    assert results[1].state == STORED
    assert await connection.end() == (grpc.StatusCode.UNAVAILABLE, "DRAINING")
    again = Connection(stack)
    await again.write(opening())
    assert await again.end() == (grpc.StatusCode.UNAVAILABLE, "DRAINING")


# --- Batches and deletes ---------------------------------------------------------------------


async def test_a_batch_goes_the_same_way(stack: Stack) -> None:
    sent = [
        product("a", PHOTOS[0], HTML, name="first"),
        product("b", HTML),
        product("a", PHOTOS[1], name="last"),
        product("", PHOTOS[0]),
    ]
    results = await ingest_batch(stack, *sent)
    assert [results[n].state for n in (1, 2, 3, 4)] == [STORED, REFUSED, STORED, REFUSED]
    assert failures(results[1]) == [(1, DECODE, "IMAGE_UNDECODABLE", False)]
    assert results[3].index_version > results[1].index_version > 0
    assert (await stored(stack, "a")).name == "last"
    again = await ingest_batch(stack, sent[2])
    assert again[1].state == UNCHANGED
    assert again[1].index_version >= results[3].index_version


@pytest.mark.parametrize("count", [0, 501])
async def test_a_batch_has_one_to_five_hundred_products(stack: Stack, count: int) -> None:
    request = ingest_pb2.IngestBatchRequest(products=[product("p")] * count)
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        async for _ in stack.ingest.IngestBatch(request):
            pass
    assert refusal(caught.value) == (INVALID, "FIELD_INVALID")


async def test_a_batch_that_finds_no_room_is_refused_and_may_come_again(
    targets: Targets,
) -> None:
    async with gateway_over(targets, max_ingest_bytes=len(PHOTOS[0]) + 1_000) as stack:
        call = stack.ingest.IngestBatch(
            ingest_pb2.IngestBatchRequest(products=[product("a", PHOTOS[0])])
        )
        waiting = asyncio.create_task(call.read())
        await until(lambda: stack.metric("ingest_held_bytes"))
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await ingest_batch(stack, product("b", PHOTOS[1]))
        assert refusal(caught.value) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "QUEUE_FULL")
        assert (await waiting).result.state == STORED
        await call.read()
        assert (await ingest_batch(stack, product("b", PHOTOS[1])))[1].state == STORED


async def test_streams_wait_for_room_and_are_never_refused(targets: Targets) -> None:
    async with gateway_over(targets, max_ingest_bytes=1) as stack:
        results = await ingest(stack, *[product(f"p{n}", PHOTOS[n]) for n in range(5)])
        assert [result.state for result in results.values()] == [STORED] * 5


async def test_deletes_tell_what_was_there(stack: Stack) -> None:
    await ingest(stack, product("a", PHOTOS[0]), product("b", PHOTOS[1]))
    request = ingest_pb2.DeleteProductsRequest(product_ids=["b", "ghost"])
    response = await stack.ingest.DeleteProducts(request)
    assert list(response.deleted_product_ids) == ["b"]
    assert list(response.unknown_product_ids) == ["ghost"]
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await stack.search.GetProduct(
            search_pb2.GetProductRequest(product_id="b", min_index_version=response.index_version)
        )
    assert refusal(caught.value) == (grpc.StatusCode.NOT_FOUND, "PRODUCT_NOT_FOUND")
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await stack.ingest.DeleteProducts(ingest_pb2.DeleteProductsRequest())
    assert refusal(caught.value) == (INVALID, "FIELD_INVALID")
