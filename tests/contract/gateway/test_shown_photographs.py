"""A photograph that somebody plays with: segmented once for all that is asked about it."""

import asyncio
import io

import grpc
import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from lookalike.gateway.v1 import search_pb2
from lookalike.type.v1 import garment_pb2, image_pb2
from tests.contract.gateway.stack import Stack, Targets, gateway_over, ingest, product, refusal
from tests.fixtures.garments import Garment, jpeg

PHOTO = jpeg(Garment("dress", "red", striped=False, seed=11))
OTHER = jpeg(Garment("skirt", "blue", striped=True, seed=12))


@pytest.fixture
async def shop(stack: Stack) -> Stack:
    """A gateway over an index with two products."""
    await ingest(stack, product("dress", PHOTO), product("skirt", OTHER))
    return stack


def asked_network(stack: Stack) -> int:
    return int(stack.metric("search_photographs_total", result="segmented"))


def showing(
    output: search_pb2.SegmentOutput.ValueType = search_pb2.SEGMENT_OUTPUT_MASK,
    data: bytes = PHOTO,
) -> search_pb2.SegmentImageRequest:
    return search_pb2.SegmentImageRequest(image=image_pb2.Image(encoded=data), output=output)


def searching(
    garment: garment_pb2.Garment.ValueType = garment_pb2.GARMENT_UNSPECIFIED, data: bytes = PHOTO
) -> search_pb2.SearchProductsRequest:
    query = search_pb2.ImageQuery(image=image_pb2.Image(encoded=data), garment=garment)
    return search_pb2.SearchProductsRequest(parts=[search_pb2.SearchPart(image=query)])


def scores(page: search_pb2.SearchProductsResponse) -> dict[str, float]:
    return {result.product.product_id: result.score for result in page.results}


def garments(page: search_pb2.SearchProductsResponse) -> list[int]:
    return [found.garment for report in page.part_reports for found in report.garments]


def mask(response: search_pb2.SegmentImageResponse) -> npt.NDArray[np.uint8]:
    with Image.open(io.BytesIO(response.picture.encoded)) as opened:
        return np.asarray(opened)


async def test_showing_and_searching_ask_the_network_once(shop: Stack) -> None:
    shown = await shop.search.SegmentImage(showing())
    found = await shop.search.SearchProducts(searching())
    await shop.search.SearchProducts(searching(garment_pb2.GARMENT_UNION))
    await shop.search.SegmentImage(showing(search_pb2.SEGMENT_OUTPUT_UNSPECIFIED))
    assert asked_network(shop) == 1
    assert shop.metric("search_photographs_total", result="known") == 3
    assert shown.picture.encoded.startswith(b"\x89PNG")
    assert found.part_reports[0].garments == shown.garments
    assert found.results[0].product.product_id == "dress"


async def test_what_is_known_is_answered_as_what_is_not(shop: Stack, targets: Targets) -> None:
    async with gateway_over(targets, photograph_cache_bytes=0) as forgetful:
        for _ in range(2):
            fresh = await forgetful.search.SearchProducts(searching())
            known = await shop.search.SearchProducts(searching())
            # The networks' threads add up in whichever order, so the last digits may differ.
            assert scores(known) == pytest.approx(scores(fresh), abs=1e-4)
            assert garments(known) == garments(fresh)
            drawn = await shop.search.SegmentImage(showing())
            anew = await forgetful.search.SegmentImage(showing())
            assert [one.garment for one in drawn.garments] == garments(known)
            assert np.mean(mask(drawn) != mask(anew)) < 0.01
        assert asked_network(forgetful) == 4
    assert asked_network(shop) == 1


async def test_questions_at_the_same_time_share_one_answer(shop: Stack) -> None:
    async with asyncio.TaskGroup() as group:
        for _ in range(4):
            group.create_task(_wait_for(shop.search.SegmentImage(showing())))
            group.create_task(_wait_for(shop.search.SearchProducts(searching())))
    assert asked_network(shop) == 1


async def test_another_photograph_is_another_question(shop: Stack) -> None:
    first = await shop.search.SearchProducts(searching())
    second = await shop.search.SearchProducts(searching(data=OTHER))
    assert asked_network(shop) == 2
    assert first.results[0].product.product_id == "dress"
    assert second.results[0].product.product_id == "skirt"


async def test_a_green_screen_asked_for_again_is_known(shop: Stack) -> None:
    composite = showing(search_pb2.SEGMENT_OUTPUT_COMPOSITE)
    first = await shop.search.SegmentImage(composite)
    assert await shop.search.SegmentImage(composite) == first
    composite.background.red = 255
    assert await shop.search.SegmentImage(composite) != first
    assert asked_network(shop) == 2


async def test_an_error_is_not_kept(shop: Stack) -> None:
    for _ in range(2):
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await shop.search.SearchProducts(searching(data=PHOTO[:9_000]))
        assert refusal(caught.value)[1] == "IMAGE_TRUNCATED"
    assert shop.metric("search_photographs_total", result="known") == 0


async def test_who_leaves_early_takes_the_answer_from_nobody(shop: Stack) -> None:
    hasty = shop.search.SegmentImage(showing())
    patient = shop.search.SearchProducts(searching())
    await hasty.wait_for_connection()
    hasty.cancel()
    assert (await patient).results[0].product.product_id == "dress"


async def _wait_for(call: grpc.aio.UnaryUnaryCall) -> None:
    await call
