"""SearchService: what search.proto promises, over real services."""

import asyncio
import hashlib
import io
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from PIL import Image

from lookalike.gateway.v1 import search_pb2
from lookalike.type.v1 import filter_pb2, garment_pb2, image_pb2, product_pb2
from tests.contract.gateway.stack import (
    ServiceProcess,
    Stack,
    Targets,
    gateway_over,
    ingest,
    product,
    refusal,
    running,
)
from tests.fixtures.garments import COLOURS, SHAPES, Garment, jpeg

INVALID = grpc.StatusCode.INVALID_ARGUMENT
NOT_FOUND = grpc.StatusCode.NOT_FOUND

PHOTOS = {
    (shape, colour): jpeg(Garment(shape, colour, striped=False, seed=7))
    for shape in SHAPES
    for colour in list(COLOURS)[:3]
}
EVERY_ID = sorted(f"{colour}-{shape}" for shape, colour in PHOTOS)


@pytest.fixture(scope="module")
def filled(
    model_services: tuple[ServiceProcess, ServiceProcess],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Targets]:
    """An index of drawn garments, which tests only read."""
    folder: Path = tmp_path_factory.mktemp("filled")
    segmenter, embedder = model_services
    indexer = ServiceProcess("indexer", folder / "log", data_dir=str(folder / "index"))
    targets = Targets(segmenter.target, embedder.target, indexer.target)
    products = [
        product(
            f"{colour}-{shape}",
            photo,
            name=f"{colour} {shape}",
            attributes={"colour": colour, "type": shape, "price": len(shape)},
        )
        for (shape, colour), photo in PHOTOS.items()
    ]

    async def fill() -> None:
        async with gateway_over(targets) as stack:
            await ingest(stack, *products)

    with running(indexer):
        asyncio.run(fill())
        yield targets


@pytest.fixture
async def catalogue(filled: Targets) -> AsyncIterator[Stack]:
    """A gateway over that index."""
    async with gateway_over(filled) as stack:
        yield stack


def text(words: str, weight: float | None = None) -> search_pb2.SearchPart:
    return search_pb2.SearchPart(text=words, weight=weight)


def photograph(
    data: bytes, garment: garment_pb2.Garment.ValueType = garment_pb2.GARMENT_UNSPECIFIED
) -> search_pb2.SearchPart:
    query = search_pb2.ImageQuery(image=image_pb2.Image(encoded=data), garment=garment)
    return search_pb2.SearchPart(image=query)


def like(product_id: str, weight: float | None = None) -> search_pb2.SearchPart:
    return search_pb2.SearchPart(product_id=product_id, weight=weight)


def where(**equal: str) -> filter_pb2.Filter:
    message = filter_pb2.Filter()
    for field, value in equal.items():
        message.conditions.add(field=field).any_of.values.add(string_value=value)
    return message


async def search(
    stack: Stack, *parts: search_pb2.SearchPart, **fields: Any
) -> search_pb2.SearchProductsResponse:
    request = search_pb2.SearchProductsRequest(parts=parts, **fields)
    response: search_pb2.SearchProductsResponse = await stack.search.SearchProducts(request)
    return response


def ids(response: Any) -> list[str]:
    return [result.product.product_id for result in response.results]


async def refused(stack: Stack, *parts: search_pb2.SearchPart, **fields: Any) -> tuple[Any, str]:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await search(stack, *parts, **fields)
    return refusal(caught.value)


# --- Ranking ---------------------------------------------------------------------------------


async def test_words_rank_the_whole_catalogue(catalogue: Stack) -> None:
    response = await search(catalogue, text("a red dress"), page_size=1_000)
    assert sorted(ids(response)) == EVERY_ID
    scores = [result.score for result in response.results]
    assert scores == sorted(scores, reverse=True)
    assert all(-1 <= score <= 1 for score in scores)
    assert response.candidate_count == len(EVERY_ID)
    assert response.index_version > 0
    assert not response.next_page_token
    best = response.results[0]
    assert best.product.images[best.best_image_index].garments
    assert best.best_garment != garment_pb2.GARMENT_UNSPECIFIED


async def test_five_results_are_the_default(catalogue: Stack) -> None:
    response = await search(catalogue, text("skirt"))
    assert len(response.results) == 5
    assert response.next_page_token


async def test_a_photograph_finds_its_own_product(catalogue: Stack) -> None:
    response = await search(catalogue, photograph(PHOTOS["shirt", "red"]))
    assert ids(response)[0] == "red-shirt"
    assert response.results[0].score > 0.99
    assert not response.results[0].weak
    [report] = response.part_reports
    assert report.garments
    assert not report.whole_image_fallback


async def test_raw_pixels_are_a_photograph_too(catalogue: Stack) -> None:
    with Image.open(io.BytesIO(PHOTOS["dress", "blue"])) as opened:
        raw = image_pb2.RawImage(
            rgb=opened.tobytes(), width_px=opened.width, height_px=opened.height
        )
    query = search_pb2.ImageQuery(image=image_pb2.Image(raw=raw))
    response = await search(catalogue, search_pb2.SearchPart(image=query))
    assert ids(response)[0] == "blue-dress"


async def test_a_mix_of_all_kinds_is_reported_part_by_part(catalogue: Stack) -> None:
    features = search_pb2.Features(colour="blue", type="skirt", person="women")
    response = await search(
        catalogue,
        like("blue-shirt"),
        text("long " * 300),
        photograph(PHOTOS["skirt", "blue"]),
        search_pb2.SearchPart(features=features, weight=0.5),
        text("red", -0.3),
    )
    reports = response.part_reports
    assert [report.words for report in reports] == ["", "", "", "blue skirt for women", ""]
    assert [report.text_truncated for report in reports] == [False, True, False, False, False]
    assert [bool(report.garments) for report in reports] == [False, False, True, False, False]
    assert "blue-shirt" not in ids(response)


async def test_a_negative_weight_leads_away(catalogue: Stack) -> None:
    towards = await search(catalogue, like("red-dress"), page_size=1_000)
    away = await search(catalogue, like("red-dress", -1), page_size=1_000)
    assert "red-dress" not in ids(towards)
    assert ids(away) == [*reversed(ids(towards)), "red-dress"]


async def test_filters_are_applied_before_ranking(catalogue: Stack) -> None:
    response = await search(
        catalogue, text("red dress"), filter=where(colour="blue"), page_size=1_000
    )
    assert set(ids(response)) == {f"blue-{shape}" for shape in SHAPES}
    assert response.candidate_count == len(SHAPES)


async def test_features_filter_together_with_the_filter(catalogue: Stack) -> None:
    response = await search(
        catalogue,
        text("anything"),
        filter=where(colour="blue"),
        features=search_pb2.Features(type="Skirt"),
    )
    assert ids(response) == ["blue-skirt"]
    nothing = await search(
        catalogue, text("anything"), features=search_pb2.Features(season="winter")
    )
    assert (ids(nothing), nothing.candidate_count) == ([], 0)


async def test_a_garment_that_is_not_in_the_photograph_is_told(catalogue: Stack) -> None:
    # The light network knows one class, so no upper garment is ever found.
    error = await refused(catalogue, photograph(PHOTOS["shirt", "red"], garment_pb2.GARMENT_UPPER))
    assert error == (NOT_FOUND, "GARMENT_NOT_FOUND")


async def test_neighbours_in_time_do_not_change_each_others_answers(catalogue: Stack) -> None:
    words = [f"{colour} {shape}" for shape in SHAPES for colour in COLOURS]
    alone = [await search(catalogue, text(one)) for one in words]
    together = await asyncio.gather(*[search(catalogue, text(one)) for one in words])
    for one, other in zip(alone, together, strict=True):
        assert ids(one) == ids(other)
        assert [r.score for r in one.results] == pytest.approx(
            [r.score for r in other.results], abs=1e-5
        )


# --- Pages -----------------------------------------------------------------------------------


async def pages(
    stack: Stack, *parts: search_pb2.SearchPart, page_size: int, **fields: Any
) -> list[str]:
    found: list[str] = []
    token = ""
    while True:
        page = await search(stack, *parts, page_size=page_size, page_token=token, **fields)
        assert 1 <= len(page.results) <= page_size
        found += ids(page)
        token = page.next_page_token
        if not token:
            return found


@pytest.mark.parametrize("page_size", [1, 5, 6, 12, 13])
async def test_pages_make_up_the_whole(catalogue: Stack, page_size: int) -> None:
    whole = await search(catalogue, text("blue"), page_size=1_000)
    assert await pages(catalogue, text("blue"), page_size=page_size) == ids(whole)
    parts = (text("blue"), like("red-dress"))
    rest = await search(catalogue, *parts, page_size=1_000)
    assert len(rest.results) == len(EVERY_ID) - 1
    assert await pages(catalogue, *parts, page_size=page_size) == ids(rest)
    filtered = where(colour="red")
    assert len(await pages(catalogue, *parts, page_size=page_size, filter=filtered)) == 3


async def test_without_a_part_that_ranks_the_catalogue_is_listed(catalogue: Stack) -> None:
    assert await pages(catalogue, page_size=5) == EVERY_ID
    blue = search_pb2.Features(colour="blue")
    assert await pages(catalogue, page_size=3, features=blue) == [
        one for one in EVERY_ID if one.startswith("blue")
    ]
    page = await search(catalogue, filter=where(type="skirt"))
    assert page.candidate_count == 3
    assert page.index_version > 0
    assert not any(result.HasField("score") or result.weak for result in page.results)


async def test_foreign_tokens_are_refused(catalogue: Stack) -> None:
    ranked = (await search(catalogue, text("blue"))).next_page_token
    listed = (await search(catalogue)).next_page_token
    wrong = (INVALID, "PAGE_TOKEN_INVALID")
    for token in ("x", "ä", "a" * 10_000, ranked[:-4], ranked + "aaaa", ranked.swapcase()):
        assert await refused(catalogue, text("blue"), page_token=token) == wrong
    assert await refused(catalogue, text("red"), page_token=ranked) == wrong
    assert await refused(catalogue, text("blue", 2), page_token=ranked) == wrong
    filtered = where(colour="blue")
    assert await refused(catalogue, text("blue"), filter=filtered, page_token=ranked) == wrong
    assert await refused(catalogue, text("blue"), page_token=listed) == wrong
    assert await refused(catalogue, page_token=ranked) == wrong


# --- Bad questions ---------------------------------------------------------------------------


@pytest.mark.parametrize("size", [0, -1, 1_001, -(2**31)])
async def test_page_sizes_out_of_range_are_refused(catalogue: Stack, size: int) -> None:
    assert await refused(catalogue, text("blue"), page_size=size) == (INVALID, "FIELD_INVALID")
    request = search_pb2.FindSimilarProductsRequest(product_id="red-dress", k=size)
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await catalogue.search.FindSimilarProducts(request)
    assert refusal(caught.value) == (INVALID, "FIELD_INVALID")


@pytest.mark.parametrize(
    ("part", "error"),
    [
        (text(""), (INVALID, "TEXT_EMPTY")),
        (text(" \n "), (INVALID, "TEXT_EMPTY")),
        (text("x" * 65_537), (INVALID, "TEXT_TOO_LONG")),
        (text("ä" * 40_000), (INVALID, "TEXT_TOO_LONG")),
        (text("word " * 2_000_000), (INVALID, "TEXT_TOO_LONG")),
        (text("blue", 0), (INVALID, "FIELD_INVALID")),
        (text("blue", 10.5), (INVALID, "FIELD_INVALID")),
        (text("blue", -11), (INVALID, "FIELD_INVALID")),
        (text("blue", float("nan")), (INVALID, "FIELD_INVALID")),
        (text("blue", float("inf")), (INVALID, "FIELD_INVALID")),
        (search_pb2.SearchPart(), (INVALID, "FIELD_INVALID")),
        (search_pb2.SearchPart(features=search_pb2.Features()), (INVALID, "FIELD_INVALID")),
        (search_pb2.SearchPart(image=search_pb2.ImageQuery()), (INVALID, "FIELD_INVALID")),
        (like(""), (INVALID, "FIELD_INVALID")),
        (like("x" * 257), (INVALID, "FIELD_INVALID")),
        (like("ghost"), (NOT_FOUND, "PRODUCT_NOT_FOUND")),
        (photograph(b""), (INVALID, "IMAGE_EMPTY")),
        (photograph(b"<html></html>"), (INVALID, "IMAGE_UNDECODABLE")),
        (photograph(PHOTOS["dress", "red"][:9_000]), (INVALID, "IMAGE_TRUNCATED")),
    ],
)
async def test_a_part_that_is_wrong_is_refused(
    catalogue: Stack, part: search_pb2.SearchPart, error: tuple[Any, str]
) -> None:
    assert await refused(catalogue, part) == error
    # And whoever asks next is answered.
    assert ids(await search(catalogue, text("blue")))


async def test_other_fields_that_are_wrong_are_refused(catalogue: Stack) -> None:
    wrong = (INVALID, "FIELD_INVALID")
    assert await refused(catalogue, *[text("blue")] * 17) == wrong
    assert await refused(catalogue, text("blue"), garment=77) == wrong
    assert await refused(catalogue, text("blue"), min_index_version=-1) == wrong
    bad = filter_pb2.Filter(conditions=[filter_pb2.Condition(field="colour")])
    assert await refused(catalogue, text("blue"), filter=bad) == (INVALID, "FILTER_INVALID")
    both = (text("blue"), text("blue", -1))
    assert await refused(catalogue, *both) == wrong


async def test_a_deadline_that_has_passed_is_told(catalogue: Stack) -> None:
    request = search_pb2.SearchProductsRequest(parts=[text("blue")])
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await catalogue.search.SearchProducts(request, timeout=0.001)
    assert caught.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED


# --- Similar, products, facets ---------------------------------------------------------------


async def test_similar_products_never_hold_the_product_itself(catalogue: Stack) -> None:
    for product_id in EVERY_ID:
        request = search_pb2.FindSimilarProductsRequest(product_id=product_id)
        response = await catalogue.search.FindSimilarProducts(request)
        assert len(response.results) == 5
        assert product_id not in ids(response)
        request.k = 1_000
        response = await catalogue.search.FindSimilarProducts(request)
        assert sorted([*ids(response), product_id]) == EVERY_ID


async def test_similar_products_can_be_filtered(catalogue: Stack) -> None:
    request = search_pb2.FindSimilarProductsRequest(
        product_id="red-dress", filter=where(colour="red"), k=10
    )
    response = await catalogue.search.FindSimilarProducts(request)
    assert sorted(ids(response)) == ["red-shirt", "red-skirt", "red-trousers"]


@pytest.mark.parametrize(
    ("product_id", "error"),
    [("ghost", (NOT_FOUND, "PRODUCT_NOT_FOUND")), ("", (INVALID, "FIELD_INVALID"))],
)
async def test_similar_to_nothing_is_refused(
    catalogue: Stack, product_id: str, error: tuple[Any, str]
) -> None:
    request = search_pb2.FindSimilarProductsRequest(product_id=product_id)
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await catalogue.search.FindSimilarProducts(request)
    assert refusal(caught.value) == error


async def test_a_product_comes_with_vectors_if_asked(catalogue: Stack) -> None:
    for view, there in (
        (product_pb2.PRODUCT_VIEW_UNSPECIFIED, False),
        (product_pb2.PRODUCT_VIEW_BASIC, False),
        (product_pb2.PRODUCT_VIEW_VECTORS, True),
    ):
        request = search_pb2.GetProductRequest(product_id="red-dress", view=view)
        found = (await catalogue.search.GetProduct(request)).product
        assert found.name == "red dress"
        assert found.HasField("embedding") is there
        assert bool(found.images[0].embeddings) is there


async def test_products_are_listed_page_by_page(catalogue: Stack) -> None:
    found: list[str] = []
    request = search_pb2.ListProductsRequest(page_size=5)
    while True:
        page = await catalogue.search.ListProducts(request)
        assert page.total_size == len(EVERY_ID)
        found += [one.product_id for one in page.products]
        if not page.next_page_token:
            break
        request.page_token = page.next_page_token
    assert found == EVERY_ID
    for bad, reason in (
        ({"page_size": -1}, "FIELD_INVALID"),
        ({"page_token": "x"}, "PAGE_TOKEN_INVALID"),
        ({"view": 9}, "FIELD_INVALID"),
    ):
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await catalogue.search.ListProducts(search_pb2.ListProductsRequest(**bad))
        assert refusal(caught.value) == (INVALID, reason)


async def test_facets_count_what_passes(catalogue: Stack) -> None:
    request = search_pb2.ListFacetsRequest(fields=["type"], filter=where(colour="red"))
    response = await catalogue.search.ListFacets(request)
    [facet] = response.facets
    counts = {one.value.string_value: one.product_count for one in facet.values}
    assert counts == dict.fromkeys(SHAPES, 1)
    assert response.product_count == len(SHAPES)


# --- Photographs -----------------------------------------------------------------------------


def size(image: image_pb2.Image) -> tuple[int, int]:
    with Image.open(io.BytesIO(image.encoded)) as opened:
        return opened.size


async def test_garments_of_a_photograph_are_shown(catalogue: Stack) -> None:
    image = image_pb2.Image(encoded=PHOTOS["dress", "red"])

    async def ask(**fields: Any) -> search_pb2.SegmentImageResponse:
        request = search_pb2.SegmentImageRequest(image=image, **fields)
        response: search_pb2.SegmentImageResponse = await catalogue.search.SegmentImage(request)
        return response

    plain = await ask()
    assert (plain.width_px, plain.height_px) == (320, 400)
    assert plain.garments[-1].garment == garment_pb2.GARMENT_UNION
    assert not plain.HasField("picture")
    composite = await ask(output=search_pb2.SEGMENT_OUTPUT_COMPOSITE)
    assert size(composite.picture) == (320, 400)
    with Image.open(io.BytesIO(composite.picture.encoded)) as opened:
        assert opened.convert("RGB").getpixel((2, 2)) == (0, 255, 0)
    black = image_pb2.Colour(red=0, green=0, blue=0)
    dark = await ask(output=search_pb2.SEGMENT_OUTPUT_COMPOSITE, background=black, max_side_px=100)
    assert size(dark.picture) == (80, 100)
    with Image.open(io.BytesIO(dark.picture.encoded)) as opened:
        assert opened.convert("RGB").getpixel((1, 1)) == (0, 0, 0)
    mask = await ask(output=search_pb2.SEGMENT_OUTPUT_MASK)
    with Image.open(io.BytesIO(mask.picture.encoded)) as opened:
        assert (opened.mode, opened.size) == ("L", (320, 400))
    crop = await ask(output=search_pb2.SEGMENT_OUTPUT_CROP, encoding=image_pb2.IMAGE_ENCODING_JPEG)
    assert crop.picture.encoded.startswith(b"\xff\xd8\xff")
    for fields, error in (
        ({"max_side_px": -1}, (INVALID, "FIELD_INVALID")),
        ({"output": 9}, (INVALID, "FIELD_INVALID")),
        ({"encoding": 9}, (INVALID, "FIELD_INVALID")),
        ({"background": image_pb2.Colour(red=256)}, (INVALID, "FIELD_INVALID")),
        (
            {
                "output": search_pb2.SEGMENT_OUTPUT_CROP,
                "garment": garment_pb2.GARMENT_LOWER,
            },
            (NOT_FOUND, "GARMENT_NOT_FOUND"),
        ),
    ):
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await ask(**fields)
        assert refusal(caught.value) == error


async def test_a_stored_photograph_comes_whole_or_small(catalogue: Stack) -> None:
    photo = PHOTOS["skirt", "green"]
    sha256 = hashlib.sha256(photo).hexdigest()
    whole = await catalogue.search.GetImage(search_pb2.GetImageRequest(sha256=sha256))
    assert (whole.data, whole.media_type) == (photo, "image/jpeg")
    for _ in range(2):  # the second from the cache
        small = await catalogue.search.GetImage(
            search_pb2.GetImageRequest(sha256=sha256, max_side_px=64)
        )
        assert small.media_type == "image/jpeg"
        with Image.open(io.BytesIO(small.data)) as opened:
            assert max(opened.size) == 64
    large = await catalogue.search.GetImage(
        search_pb2.GetImageRequest(sha256=sha256, max_side_px=4_096)
    )
    assert large.data == photo


@pytest.mark.parametrize(
    ("fields", "error"),
    [
        ({"sha256": "0" * 64}, (NOT_FOUND, "IMAGE_NOT_FOUND")),
        ({"sha256": "0" * 64, "max_side_px": 64}, (NOT_FOUND, "IMAGE_NOT_FOUND")),
        ({"sha256": "../../etc/passwd"}, (INVALID, "FIELD_INVALID")),
        ({"sha256": ""}, (INVALID, "FIELD_INVALID")),
        ({"sha256": "A" * 64}, (INVALID, "FIELD_INVALID")),
        ({"sha256": "0" * 64, "max_side_px": 15}, (INVALID, "FIELD_INVALID")),
        ({"sha256": "0" * 64, "max_side_px": -1}, (INVALID, "FIELD_INVALID")),
        ({"sha256": "0" * 64, "max_side_px": 4_097}, (INVALID, "FIELD_INVALID")),
    ],
)
async def test_a_photograph_that_is_not_there_is_told(
    catalogue: Stack, fields: dict[str, Any], error: tuple[Any, str]
) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await catalogue.search.GetImage(search_pb2.GetImageRequest(**fields))
    assert refusal(caught.value) == error


# --- Status ----------------------------------------------------------------------------------


async def test_the_status_names_every_service(catalogue: Stack) -> None:
    status = await catalogue.search.GetStatus(search_pb2.GetStatusRequest())
    assert [one.name for one in status.services] == [
        "gateway",
        "segmenter",
        "embedder",
        "indexer",
    ]
    assert (status.product_count, status.image_count) == (len(EVERY_ID), len(EVERY_ID))
    assert status.store == "sqlite"
    assert status.index_version > 0
    stored = await catalogue.search.GetProduct(search_pb2.GetProductRequest(product_id="red-dress"))
    assert status.pipeline_version == stored.product.pipeline_version
    for one in status.services[1:]:
        assert one.state == search_pb2.SERVING_STATE_SERVING
        assert one.detail
        assert one.latency_ms > 0
    assert status.services[1].execution_provider == "CPUExecutionProvider"
