"""ReadImage: stored photographs as HTTP bodies, with headers that let caches keep them."""

import hashlib
import io
from typing import Any

import grpc
import pytest
from PIL import Image

from lookalike.gateway.v1 import search_pb2
from tests.contract.gateway.stack import Stack, ingest, product, refusal
from tests.fixtures.garments import Garment, jpeg

INVALID = grpc.StatusCode.INVALID_ARGUMENT
NOT_FOUND = grpc.StatusCode.NOT_FOUND
CACHE_HEADERS = {"cache-control", "etag", "expires", "last-modified"}

PHOTO = jpeg(Garment("skirt", "green", striped=False, seed=7))
SHA256 = hashlib.sha256(PHOTO).hexdigest()


@pytest.fixture
async def shop(stack: Stack) -> Stack:
    """A gateway over an index with one photograph."""
    await ingest(stack, product("green-skirt", PHOTO))
    return stack


async def headers_of(call: Any) -> dict[str, str]:
    """The initial metadata, which the edge sends as HTTP headers."""
    return {key: value for key, value in await call.initial_metadata() or () if key != "date"}


@pytest.mark.parametrize(("side", "shown_px"), [(0, 400), (64, 64)])
async def test_a_photograph_may_be_kept_forever(shop: Stack, side: int, shown_px: int) -> None:
    call = shop.search.ReadImage(search_pb2.ReadImageRequest(sha256=SHA256, max_side_px=side))
    body = await call
    assert body.content_type == "image/jpeg"
    with Image.open(io.BytesIO(body.data)) as opened:
        assert max(opened.size) == shown_px
    headers = await headers_of(call)
    assert headers["cache-control"] == "public, max-age=31536000, immutable"
    assert headers["etag"] == f'"{SHA256}-{side}"'


async def test_it_is_the_photograph_that_get_image_reads(shop: Stack) -> None:
    for side in (0, 160):
        body = await shop.search.ReadImage(
            search_pb2.ReadImageRequest(sha256=SHA256, max_side_px=side)
        )
        image = await shop.search.GetImage(
            search_pb2.GetImageRequest(sha256=SHA256, max_side_px=side)
        )
        assert (body.data, body.content_type) == (image.data, image.media_type)


@pytest.mark.parametrize(
    ("fields", "error"),
    [
        ({"sha256": "0" * 64}, (NOT_FOUND, "IMAGE_NOT_FOUND")),
        ({"sha256": "0" * 64, "max_side_px": 320}, (NOT_FOUND, "IMAGE_NOT_FOUND")),
        ({"sha256": "nonsense"}, (INVALID, "FIELD_INVALID")),
        ({"sha256": SHA256, "max_side_px": 15}, (INVALID, "FIELD_INVALID")),
        ({"sha256": SHA256, "max_side_px": 4_097}, (INVALID, "FIELD_INVALID")),
    ],
)
async def test_no_cache_may_keep_an_error(
    shop: Stack, fields: dict[str, Any], error: tuple[Any, str]
) -> None:
    call = shop.search.ReadImage(search_pb2.ReadImageRequest(**fields))
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call
    assert refusal(caught.value) == error
    assert not CACHE_HEADERS & set(await headers_of(call))
