"""The client's unary calls: what is sent, what comes back, how they fail."""

import asyncio
from collections.abc import AsyncIterator

import grpc
import pytest
from google.protobuf.struct_pb2 import Struct

from lookalike.gateway.v1 import search_pb2
from lookalike.type.v1 import embedding_pb2, product_pb2
from lookalike_client import (
    AnyOf,
    AsyncLookalike,
    Between,
    ConnectError,
    DeadlineExceeded,
    Exists,
    Features,
    FeatureWords,
    InternalError,
    InvalidArgument,
    Like,
    Lookalike,
    NoneOf,
    NotFound,
    Photo,
    ResourceExhausted,
    Text,
    Unavailable,
    Unimplemented,
)
from tests.contract.client_gateway_twin import GatewayTwin, server

__all__ = ["server"]


@pytest.fixture
def twin() -> GatewayTwin:
    twin = GatewayTwin()
    for n in range(12):
        attributes = Struct()
        attributes.update({"colour": "red" if n % 3 else "blue", "price": n + 0.5, "count": n})
        product = product_pb2.Product(
            product_id=f"p{n:02}", name=f"Shirt {n}", attributes=attributes, own_garment=1
        )
        product.images.add(sha256=f"{n:064}", label="front.jpg", width_px=3, height_px=4)
        product.images[0].garments.add(garment=4, area_fraction=0.5, confidence=0.75)
        product.create_time.FromSeconds(1_700_000_000)
        twin.products[product.product_id] = product
    return twin


@pytest.fixture
async def client(server: str) -> AsyncIterator[AsyncLookalike]:
    async with AsyncLookalike(server) as client:
        yield client


async def test_a_search_sends_every_kind_of_part_and_condition(
    twin: GatewayTwin, client: AsyncLookalike
) -> None:
    results = await client.search(
        "light blue skirt",
        Text("red", -0.5),
        Photo(b"bytes", garment="upper", weight=2),
        Like("p01"),
        FeatureWords(Features(colour="blue", type="dress")),
        k=3,
        garment="lower",
        where=[
            AnyOf("colour", ("red", 4, True)),
            NoneOf("colour", ("green",)),
            Between("price", minimum=1),
            Exists("brand", exists=False),
        ],
        features=Features(season="summer"),
        min_index_version=9,
    )
    [request] = twin.requests
    assert [part.WhichOneof("part") for part in request.parts] == [
        "text",
        "text",
        "image",
        "product_id",
        "features",
    ]
    assert not request.parts[0].HasField("weight")
    assert request.parts[1].weight == -0.5
    assert request.parts[2].image.image.encoded == b"bytes"
    assert request.parts[2].image.garment == 1
    assert request.parts[4].features.type == "dress"
    assert request.garment == 2
    assert request.features.season == "summer"
    assert request.page_size == 3
    assert request.min_index_version == 9
    tests = [condition.WhichOneof("test") for condition in request.filter.conditions]
    assert tests == ["any_of", "none_of", "range", "exists"]
    kinds = [value.WhichOneof("kind") for value in request.filter.conditions[0].any_of.values]
    assert kinds == ["string_value", "number_value", "bool_value"]
    assert not request.filter.conditions[2].range.HasField("maximum")
    assert len(results.parts) == 5


async def test_results_carry_score_images_and_best_garment(client: AsyncLookalike) -> None:
    results = await client.search("shirt", k=3, where=[AnyOf("colour", ("red",))])
    assert [result.product.product_id for result in results.results] == ["p01", "p02", "p04"]
    assert [result.weak for result in results.results] == [False, False, True]
    first = results.to_dict()["results"][0]
    assert first["product_id"] == "p01"
    assert first["score"] == 1.0
    assert first["best_garment"] == "upper"
    assert first["best_image"] == f"{1:064}"
    assert first["attributes"] == {"colour": "red", "count": 1, "price": 1.5}
    assert first["images"][0]["garments"][0]["garment"] == "union"
    assert first["own_garment"] == "upper"
    assert first["create_time"] == "2023-11-14T22:13:20Z"
    assert "embedding" not in first


async def test_more_than_a_page_is_fetched_page_by_page(
    twin: GatewayTwin, client: AsyncLookalike, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lookalike_client.aio._LARGEST_PAGE", 5)
    results = await client.search("shirt", k=11)
    assert [result.product.product_id for result in results.results] == [
        f"p{n:02}" for n in range(11)
    ]
    assert [request.page_token for request in twin.requests] == ["", "5", "10"]
    assert {request.page_size for request in twin.requests} == {5}


async def test_without_parts_a_search_lists_without_scores(client: AsyncLookalike) -> None:
    results = await client.search(where=[AnyOf("colour", ("blue",))], k=2)
    assert [result.score for result in results.results] == [None, None]
    assert results.candidate_count == 4
    further = await client.search(
        where=[AnyOf("colour", ("blue",))], k=2, page_token=results.next_page_token
    )
    assert [result.product.product_id for result in further.results] == ["p06", "p09"]
    assert further.next_page_token == ""


async def test_listing_crosses_pages(client: AsyncLookalike) -> None:
    found = [product.product_id async for product in client.list(page_size=5)]
    assert found == [f"p{n:02}" for n in range(12)]


async def test_vectors_come_only_if_asked_for(twin: GatewayTwin, client: AsyncLookalike) -> None:
    vector = embedding_pb2.Embedding(values_f32=b"\0\0\x80\x3f\0\0\0\0")
    twin.products["p00"].embedding.CopyFrom(vector)
    twin.products["p00"].images[0].embeddings.add(garment=4, embedding=vector)
    product = await client.get("p00", vectors=True)
    assert twin.requests[0].view == product_pb2.PRODUCT_VIEW_VECTORS
    assert product.embedding == (1.0, 0.0)
    assert product.images[0].to_dict()["embeddings"] == {"union": [1.0, 0.0]}


async def test_deleting_tells_what_was_unknown(client: AsyncLookalike) -> None:
    deletion = await client.delete("p00", "nothing")
    assert deletion.deleted == ("p00",)
    assert deletion.unknown == ("nothing",)


async def test_the_other_calls_answer(twin: GatewayTwin, client: AsyncLookalike) -> None:
    facets = await client.facets("colour")
    assert [(value.value, value.count) for value in facets.facets[0].values] == [
        ("blue", 4),
        ("red", 8),
    ]
    segmentation = await client.segment(
        b"photo", output="crop", garment="upper", background=(1, 2, 3), encoding="webp"
    )
    assert segmentation.picture == b"picture"
    assert "picture" not in segmentation.to_dict()
    assert twin.requests[-1].output == search_pb2.SEGMENT_OUTPUT_CROP
    assert twin.requests[-1].background.blue == 3
    assert (await client.image("0" * 64)).media_type == "image/jpeg"
    assert (await client.similar("p00", k=2)).results[0].product.product_id == "p01"
    twin.unserving.add("embedder")
    status = await client.status()
    assert not status.serving
    assert [service.reason for service in status.services] == ["", "", "WARMING_UP", ""]


@pytest.mark.parametrize(
    ("code", "reason", "expected"),
    [
        (grpc.StatusCode.INVALID_ARGUMENT, "FIELD_INVALID", InvalidArgument),
        (grpc.StatusCode.INTERNAL, "INTERNAL", InternalError),
        (grpc.StatusCode.UNIMPLEMENTED, "", Unimplemented),
        (grpc.StatusCode.RESOURCE_EXHAUSTED, "MESSAGE_TOO_LARGE", ResourceExhausted),
        (grpc.StatusCode.DATA_LOSS, "", InternalError),
    ],
)
async def test_a_failure_has_its_class_and_is_not_tried_again(
    twin: GatewayTwin,
    client: AsyncLookalike,
    code: grpc.StatusCode,
    reason: str,
    expected: type[Exception],
) -> None:
    twin.call_faults = [(code, reason)]
    with pytest.raises(expected) as caught:
        await client.status()
    assert caught.value.code is code  # type: ignore[attr-defined]
    assert caught.value.reason == reason  # type: ignore[attr-defined]
    assert caught.value.request_id == ("r-1" if reason else "")  # type: ignore[attr-defined]
    assert len(twin.requests) == 1


async def test_an_unknown_product_is_not_found(client: AsyncLookalike) -> None:
    with pytest.raises(NotFound, match="no such product"):
        await client.get("nothing")


async def test_what_may_pass_is_tried_three_times(
    twin: GatewayTwin, client: AsyncLookalike
) -> None:
    twin.call_faults = [(grpc.StatusCode.UNAVAILABLE, "WARMING_UP")] * 2
    assert (await client.status()).serving
    twin.requests.clear()
    twin.call_faults = [(grpc.StatusCode.UNAVAILABLE, "DRAINING")] * 9
    with pytest.raises(Unavailable) as caught:
        await client.status()
    assert caught.value.reason == "DRAINING"
    assert caught.value.retry_after_s == 0.001
    assert len(twin.requests) == 3


async def test_where_nobody_answers_it_is_a_connect_error() -> None:
    async with AsyncLookalike("127.0.0.1:1") as client:
        with pytest.raises(ConnectError, match=r"No connection to 127\.0\.0\.1:1: .*refused"):
            await client.status()


async def test_a_call_has_a_deadline(twin: GatewayTwin, server: str) -> None:
    async def hang(*_: object) -> None:
        await asyncio.Event().wait()

    twin._note = hang  # type: ignore[method-assign]
    async with AsyncLookalike(server, timeout_s=0.2) as client:
        with pytest.raises(DeadlineExceeded):
            await client.status()


async def test_the_server_comes_from_the_environment(
    server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LOOKALIKE_SERVER", server)
    async with AsyncLookalike() as client:
        assert (await client.status()).serving


async def test_a_proxy_of_the_environment_is_not_asked_for_this_machine(
    server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("http_proxy", "https_proxy", "grpc_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    for address in (server, f"http://{server}/"):
        async with AsyncLookalike(address) as client:
            assert (await client.status()).serving


async def test_the_synchronous_client_is_the_same_client(server: str) -> None:
    def work() -> None:
        with Lookalike(server) as client:
            assert len(client.search("shirt", k=3).results) == 3
            assert len(client.similar("p00", k=2).results) == 2
            assert client.get("p01").name == "Shirt 1"
            assert len(list(client.list(page_size=5))) == 12
            assert client.list_page(page_size=5).total_size == 12
            assert client.facets().product_count == 12
            assert client.segment(b"photo").width_px == 40
            assert client.image("0" * 64).data == b"bytes"
            assert client.delete("p11").deleted == ("p11",)
            assert client.status().serving
            with pytest.raises(NotFound):
                client.get("nothing")
        client.close()

    await asyncio.to_thread(work)


def test_both_clients_have_the_same_methods() -> None:
    def methods(kind: type) -> set[str]:
        return {name for name in vars(kind) if not name.startswith("_")}

    assert methods(Lookalike) - {"server", "close"} == methods(AsyncLookalike) - {"aclose"}
