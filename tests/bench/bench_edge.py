"""The edge: what gRPC-Web through Envoy adds to a call, and how fast a picture is there."""

import http.client
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import grpc

from lookalike.gateway.v1 import search_pb2, search_pb2_grpc
from tests.bench.row import Row
from tests.e2e import grpc_web
from tests.e2e.stack import Stack
from tests.fixtures.garments import write_catalogue

MOST_ADDED_MS = 1.0
PRODUCTS = 24
A_TURN = 10
_HEADERS = {"content-type": grpc_web.CONTENT_TYPE, "x-grpc-web": "1"}
_METHOD = "/lookalike.gateway.v1.SearchService/"


def run(quick: bool) -> list[Row]:
    """Rows of the edge."""
    with tempfile.TemporaryDirectory(prefix="lookalike-bench-") as folder:
        stack = Stack(Path(folder) / "edge", env={"LOOKALIKE_SEGMENTER_VARIANT": "u2netp"})
        try:
            stack.start()
            stack.json("ingest", str(write_catalogue(Path(folder), PRODUCTS)))
            return _rows(stack, turns=20 if quick else 100)
        finally:
            stack.close()


def _rows(stack: Stack, turns: int) -> list[Row]:
    product = search_pb2.GetProductRequest(product_id="p-000")
    search = search_pb2.SearchProductsRequest(
        parts=[search_pb2.SearchPart(text="a striped summer dress")], page_size=PRODUCTS
    )
    address = f"127.0.0.1:{stack.ports['edge']}"
    browser = http.client.HTTPConnection(address, timeout=30)
    options = [("grpc.enable_http_proxy", 0)]
    try:
        with grpc.insecure_channel(stack.server, options=options) as channel:
            stub = search_pb2_grpc.SearchServiceStub(channel)
            sha256 = stub.GetProduct(product).product.images[0].sha256
            url = f"/images/{sha256}?max_side_px=320"
            direct, through, found_direct, found_through, pictures = _in_turns(
                [
                    lambda: stub.GetProduct(product),
                    lambda: _call(browser, "GetProduct", grpc_web.frame(product)),
                    lambda: stub.SearchProducts(search),
                    lambda: _call(browser, "SearchProducts", grpc_web.frame(search)),
                    lambda: _get(browser, url),
                ],
                turns,
            )
    finally:
        browser.close()
    load = f"one product of {PRODUCTS}, one connection, in turns of {A_TURN} with direct gRPC"
    results = f"{PRODUCTS} results for the same words, one connection, in turns of {A_TURN}"
    return [
        Row("unary call, direct gRPC, p50", direct, "ms", load),
        Row("unary call, grpc-web through the edge, p50", through, "ms", load),
        Row(
            "grpc-web through the edge costs more by",
            through - direct,
            "ms",
            load,
            MOST_ADDED_MS,
            True,
        ),
        Row("search, direct gRPC, p50", found_direct, "ms", results),
        Row("search, grpc-web through the edge, p50", found_through, "ms", results),
        Row(
            "photograph of 320 px through the edge, p50",
            pictures,
            "ms",
            "a reduced one that is kept",
        ),
    ]


def _in_turns(calls: list[Callable[[], object]], turns: int) -> list[float]:
    """p50 in ms of each; in turns, so that a busy moment of the machine hits all of them."""
    seconds: list[list[float]] = [[] for _ in calls]
    for _ in range(turns + 1):
        for call, found in zip(calls, seconds, strict=True):
            for _ in range(A_TURN):
                began = time.perf_counter()
                call()
                found.append(time.perf_counter() - began)
    # The first turn warms everything up.
    return [statistics.median(found[A_TURN:]) * 1e3 for found in seconds]


def _call(browser: http.client.HTTPConnection, method: str, body: bytes) -> bytes:
    """A unary call as a browser makes it; the answer's frames."""
    browser.request("POST", _METHOD + method, body, _HEADERS)
    response = browser.getresponse()
    frames = response.read()
    assert response.status == 200
    assert b"grpc-status: 0" in frames or b"grpc-status:0" in frames
    return frames


def _get(browser: http.client.HTTPConnection, url: str) -> bytes:
    browser.request("GET", url)
    response = browser.getresponse()
    picture = response.read()
    assert response.status == 200
    return picture
