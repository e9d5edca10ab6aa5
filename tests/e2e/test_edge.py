"""gRPC-Web through the real Envoy, as a browser would speak it."""

import io
import json
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import grpc
import httpx
import pytest
from PIL import Image

from deploy.local import edge, tools
from deploy.local.settings import EdgeConfig
from lookalike.gateway.v1 import ingest_pb2, ingest_pb2_grpc, map_pb2, model_pb2, search_pb2
from lookalike.type.v1 import map_pb2 as type_pb2
from servicekit.status import from_rpc_error
from servicekit.testing import free_port
from tests.e2e import grpc_web
from tests.e2e.stack import SERVICES, Stack, eventually
from tests.fixtures.garments import garments, jpeg

SEARCH = "lookalike.gateway.v1.SearchService"
INGEST = "lookalike.gateway.v1.IngestService"
MAPS = "lookalike.gateway.v1.MapService"
MODELS = "lookalike.gateway.v1.ModelService"

# The edge does not know which store there is.
pytestmark = pytest.mark.parametrize("store", ["sqlite"], indirect=True, scope="session")


@pytest.fixture
def browser(stack: Stack) -> Iterator[httpx.Client]:
    """What a page has."""
    with httpx.Client(base_url=stack.edge, trust_env=False, timeout=60) as client:
        yield client


SCRIPT = "\n".join(f"console.log({number})" for number in range(1_000))


def small_page(folder: Path) -> Path:
    """A page as the build leaves it."""
    (folder / "assets").mkdir(parents=True)
    (folder / "index.html").write_text("<!doctype html><title>Lookalike</title>")
    (folder / "assets/index-B2x.js").write_text(SCRIPT)
    (folder / "favicon.svg").write_text("<svg xmlns='http://www.w3.org/2000/svg'/>")
    return folder


@pytest.fixture(scope="module")
def writing_edge(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A second edge before the same gateway, with a page and with writing switched on; its URL."""
    folder = tmp_path_factory.mktemp("edge")
    config = EdgeConfig(
        port=free_port(),
        metrics_port=free_port(),
        allow_writes=True,
        allowed_origins=("https://shop.example",),
        image_origins=("https://cdn.example",),
        page_dir=small_page(folder / "page"),
    )
    rendered = folder / "envoy.yaml"
    target = edge.EdgeTarget("127.0.0.1", stack.ports["gateway"])
    rendered.write_text(edge.render(config, target))
    command = [str(tools.envoy_path()), "-c", str(rendered), "--disable-hot-restart"]
    process = subprocess.Popen([*command, "--concurrency", "1", "--log-level", "error"])
    url = f"http://127.0.0.1:{config.port}"

    def up() -> bool:
        try:
            return httpx.get(url, trust_env=False).status_code == 200
        except httpx.HTTPError:
            return False

    try:
        eventually(up, "the second edge answers")
        yield url
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait()


def test_a_unary_call_answers(browser: httpx.Client) -> None:
    answer = grpc_web.call(browser, f"{SEARCH}/GetStatus", search_pb2.GetStatusRequest())
    assert (answer.http_status, answer.code) == (200, 0)
    [message] = answer.messages
    status = search_pb2.GetStatusResponse.FromString(message)
    assert {service.name for service in status.services} == set(SERVICES)


def test_search_results_and_photographs_reach_a_browser(browser: httpx.Client) -> None:
    request = search_pb2.SearchProductsRequest(parts=[search_pb2.SearchPart(text="skirt")])
    answer = grpc_web.call(browser, f"{SEARCH}/SearchProducts", request)
    found = search_pb2.SearchProductsResponse.FromString(answer.messages[0])
    assert len(found.results) == 5
    image = search_pb2.GetImageRequest(
        sha256=found.results[0].product.images[0].sha256, max_side_px=64
    )
    picture = grpc_web.call(browser, f"{SEARCH}/GetImage", image)
    assert search_pb2.GetImageResponse.FromString(picture.messages[0]).media_type == "image/jpeg"


def test_error_details_reach_a_browser(browser: httpx.Client) -> None:
    request = search_pb2.GetProductRequest(product_id="nothing-like-it")
    answer = grpc_web.call(browser, f"{SEARCH}/GetProduct", request)
    assert answer.http_status == 200
    assert answer.code == grpc.StatusCode.NOT_FOUND.value[0]
    assert answer.reason == "PRODUCT_NOT_FOUND"


def test_a_message_above_the_limit_is_refused_by_its_name(browser: httpx.Client) -> None:
    request = search_pb2.SearchProductsRequest(
        parts=[search_pb2.SearchPart(text="x" * (65 * 1024 * 1024))]
    )
    answer = grpc_web.call(browser, f"{SEARCH}/SearchProducts", request)
    assert answer.code == grpc.StatusCode.RESOURCE_EXHAUSTED.value[0]


@pytest.mark.parametrize("method", ["IngestBatch", "DeleteProducts", "Ingest"])
def test_writing_is_refused_at_the_edge(browser: httpx.Client, method: str) -> None:
    answer = grpc_web.call(browser, f"{INGEST}/{method}", ingest_pb2.DeleteProductsRequest())
    assert answer.http_status == 200
    assert answer.code == grpc.StatusCode.PERMISSION_DENIED.value[0]
    assert answer.reason == "CALL_DISABLED"


@pytest.mark.parametrize("method", ["SwitchModel", "ListModels", "BuildSpace"])
def test_changing_models_is_refused_at_the_edge(browser: httpx.Client, method: str) -> None:
    answer = grpc_web.call(browser, f"{MODELS}/{method}", model_pb2.SwitchModelRequest())
    assert answer.http_status == 200
    assert answer.code == grpc.StatusCode.PERMISSION_DENIED.value[0]
    assert answer.reason == "CALL_DISABLED"


@pytest.mark.parametrize("method", ["BuildMap", "BuildMap/", "WhateverComes"])
def test_all_but_reading_the_map_is_refused_at_the_edge(browser: httpx.Client, method: str) -> None:
    answer = grpc_web.call(browser, f"{MAPS}/{method}", map_pb2.BuildMapRequest())
    assert answer.code == grpc.StatusCode.PERMISSION_DENIED.value[0]
    assert answer.reason == "CALL_DISABLED"


def test_the_map_is_built_where_writing_is_allowed_and_read_by_everybody(
    browser: httpx.Client, writing_edge: str
) -> None:
    with httpx.Client(base_url=writing_edge, trust_env=False, timeout=60) as client:
        answer = grpc_web.call(client, f"{MAPS}/BuildMap", map_pb2.BuildMapRequest())
    built = map_pb2.BuildMapResponse.FromString(answer.messages[-1])
    assert (answer.code, built.stage) == (0, type_pb2.MAP_STAGE_STORED)
    answer = grpc_web.call(browser, f"{MAPS}/GetMap", map_pb2.GetMapRequest())
    first, *others = map(map_pb2.GetMapResponse.FromString, answer.messages)
    assert first.header == built.header
    points = [product_id for one in others for product_id in one.points.product_ids]
    assert len(points) == built.header.product_count


def test_models_can_be_changed_through_an_edge_that_may_write(writing_edge: str) -> None:
    with httpx.Client(base_url=writing_edge, trust_env=False, timeout=60) as client:
        answer = grpc_web.call(client, f"{MODELS}/ListModels", model_pb2.ListModelsRequest())
    assert (answer.http_status, answer.code) == (200, 0)
    assert model_pb2.ListModelsResponse.FromString(answer.messages[0]).models


def test_native_grpc_cannot_write_through_the_edge_either(stack: Stack) -> None:
    with grpc.insecure_channel(f"127.0.0.1:{stack.ports['edge']}") as channel:
        stub = ingest_pb2_grpc.IngestServiceStub(channel)
        with pytest.raises(grpc.RpcError) as refused:
            stub.DeleteProducts(ingest_pb2.DeleteProductsRequest(product_ids=["p-000"]))
    assert from_rpc_error(refused.value).reason == "CALL_DISABLED"


def test_progress_streams_through_an_edge_that_may_write(stack: Stack, writing_edge: str) -> None:
    products = [
        ingest_pb2.IngestProduct(
            product_id=f"browser-{place}", images=[ingest_pb2.IngestImage(data=jpeg(garment))]
        )
        for place, garment in enumerate(garments(4, seed=77))
    ]
    broken = ingest_pb2.IngestImage(data=b"<html>no image</html>", label="page.jpg")
    products.append(ingest_pb2.IngestProduct(product_id="browser-4", images=[broken]))
    with httpx.Client(base_url=writing_edge, trust_env=False, timeout=60) as client:
        request = ingest_pb2.IngestBatchRequest(products=products)
        answer = grpc_web.call(client, f"{INGEST}/IngestBatch", request)
    assert answer.code == 0
    told = [ingest_pb2.IngestBatchResponse.FromString(message) for message in answer.messages]
    assert [progress.finished_count for progress in told] == [1, 2, 3, 4, 5]
    states = {progress.result.product_id: progress.result.state for progress in told}
    assert states.pop("browser-4") == ingest_pb2.INGEST_STATE_REFUSED
    assert set(states.values()) == {ingest_pb2.INGEST_STATE_STORED}
    stack.json("delete", *(f"browser-{place}" for place in range(4)))


def test_only_named_origins_may_call_from_other_sites(
    browser: httpx.Client, writing_edge: str
) -> None:
    asking = {
        "origin": "https://shop.example",
        "access-control-request-method": "POST",
        "access-control-request-headers": "content-type,x-grpc-web",
    }
    path = f"/{SEARCH}/GetStatus"
    assert "access-control-allow-origin" not in browser.options(path, headers=asking).headers
    with httpx.Client(base_url=writing_edge, trust_env=False) as other:
        allowed = other.options(path, headers=asking)
        assert allowed.headers["access-control-allow-origin"] == "https://shop.example"
        strange = other.options(path, headers=asking | {"origin": "https://evil.example"})
        assert "access-control-allow-origin" not in strange.headers


def test_the_edge_answers_for_its_own_names_only(browser: httpx.Client) -> None:
    assert browser.get("/", headers={"host": "evil.example"}).status_code == 421
    assert browser.get("/", headers={"host": "localhost:8080"}).status_code == 200


@pytest.mark.parametrize("origin", ["https://evil.example", "http://127.0.0.1:3000", "null"])
def test_calls_of_other_sites_pages_are_refused(browser: httpx.Client, origin: str) -> None:
    request = search_pb2.GetStatusRequest()
    answer = grpc_web.call(browser, f"{SEARCH}/GetStatus", request, {"origin": origin})
    assert answer.code == grpc.StatusCode.PERMISSION_DENIED.value[0]
    assert answer.messages == []
    assert "access-control-allow-origin" not in answer.headers


def test_the_pages_own_calls_and_those_of_named_origins_pass(
    browser: httpx.Client, stack: Stack, writing_edge: str
) -> None:
    request = search_pb2.GetStatusRequest()
    own = grpc_web.call(browser, f"{SEARCH}/GetStatus", request, {"origin": stack.edge})
    assert own.code == 0
    with httpx.Client(base_url=writing_edge, trust_env=False) as client:
        named = {"origin": "https://shop.example"}
        other = grpc_web.call(client, f"{SEARCH}/GetStatus", request, named)
    assert other.code == 0
    assert other.headers["access-control-allow-origin"] == "https://shop.example"


@pytest.mark.parametrize("view", ["/", "/?q=red", "/map", "/ingest", "/status", "/product/a%2Fb"])
def test_every_view_is_the_same_document_under_a_strict_policy(
    writing_edge: str, view: str
) -> None:
    page = httpx.get(writing_edge + view, trust_env=False)
    assert page.status_code == 200
    assert page.text == "<!doctype html><title>Lookalike</title>"
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert page.headers["cache-control"] == "no-cache"
    assert page.headers["content-security-policy"] == (
        "default-src 'none'; script-src 'self'; style-src 'self'; "
        "img-src 'self' blob: data: https://cdn.example; connect-src 'self'; manifest-src 'self'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
    assert "camera=()" in page.headers["permissions-policy"]
    assert page.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize("coding", ["br", "gzip", "identity"])
def test_scripts_are_compressed_and_kept(writing_edge: str, coding: str) -> None:
    url = f"{writing_edge}/assets/index-B2x.js"
    accepted = {"accept-encoding": coding}
    with (
        httpx.Client(trust_env=False) as client,
        client.stream("GET", url, headers=accepted) as answer,
    ):
        size_bytes = sum(map(len, answer.iter_raw()))
    assert answer.headers.get("content-encoding", "identity") == coding
    assert (size_bytes < len(SCRIPT) / 4) == (coding != "identity")
    assert answer.headers["vary"] == "Accept-Encoding"
    assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert answer.headers["content-type"] == "text/javascript; charset=utf-8"


@pytest.mark.parametrize(
    "path", ["/nothing", "/maps", "/product/", "/index.html", "/assets/", "/assets/..%2findex.html"]
)
def test_what_the_page_does_not_have_is_not_found(writing_edge: str, path: str) -> None:
    assert httpx.get(writing_edge + path, trust_env=False).status_code == 404


@pytest.fixture(scope="module")
def photograph(stack: Stack) -> str:
    """The sha256 of a stored one."""
    return str(stack.json("search", "skirt", "-k", "1")["results"][0]["images"][0]["sha256"])


def test_photographs_are_plain_pictures_that_may_be_kept_forever(
    browser: httpx.Client, photograph: str
) -> None:
    url = f"/images/{photograph}?max_side_px=64"
    picture = browser.get(url)
    assert picture.status_code == 200
    assert picture.headers["content-type"] == "image/jpeg"
    assert picture.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert picture.headers["etag"] == f'"{photograph}-64"'
    with Image.open(io.BytesIO(picture.content)) as opened:
        assert max(opened.size) == 64

    again = browser.get(url, headers={"if-none-match": picture.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    assert again.headers["etag"] == picture.headers["etag"]
    assert "location" not in again.headers


@pytest.mark.parametrize(
    ("path", "status"),
    [
        (f"{'0' * 64}?max_side_px=320", 404),
        ("nonsense", 400),
        (f"{'0' * 64}?max_side_px=15", 400),
        (f"{'0' * 64}?max_side_px=large", 400),
        (f"{'0' * 64}?colour=blue", 400),
        ("", 404),
        (f"{'0' * 64}/more", 404),
    ],
)
def test_an_error_instead_of_a_photograph_is_not_kept(
    browser: httpx.Client, path: str, status: int
) -> None:
    answer = browser.get(f"/images/{path}")
    assert answer.status_code == status
    assert answer.headers["cache-control"] == "no-store"
    assert "etag" not in answer.headers


@pytest.mark.parametrize("method", ["HEAD", "POST", "DELETE"])
def test_photographs_are_only_read(browser: httpx.Client, photograph: str, method: str) -> None:
    answer = browser.request(method, f"/images/{photograph}?max_side_px=64")
    assert (answer.status_code, answer.headers["allow"]) == (405, "GET")
    # The connection is in step: what comes next is the answer to what was asked next.
    assert browser.get(f"/images/{photograph}?max_side_px=64").status_code == 200
    assert browser.head("/").status_code == 200


def test_no_other_method_is_reachable_by_plain_http(browser: httpx.Client) -> None:
    assert browser.get(f"/{SEARCH}/GetStatus").status_code == 404
    assert browser.post(f"/{SEARCH}/GetStatus", json={}).status_code == 404


def test_health_is_asked_with_a_plain_request(browser: httpx.Client) -> None:
    assert browser.get("/healthz").status_code == 200


def test_the_admin_interface_is_not_reachable(stack: Stack) -> None:
    url = f"http://127.0.0.1:{stack.metrics_ports['edge']}"
    assert httpx.get(f"{url}/config_dump", trust_env=False).status_code == 404
    assert httpx.post(f"{url}/quitquitquit", trust_env=False).status_code == 404


def test_a_request_id_crosses_all_services(stack: Stack, browser: httpx.Client) -> None:
    request_id = "crosses-all-services.1"
    photograph = search_pb2.ImageQuery()
    photograph.image.encoded = jpeg(garments(1, seed=5)[0])
    request = search_pb2.SearchProductsRequest(parts=[search_pb2.SearchPart(image=photograph)])
    answer = grpc_web.call(
        browser, f"{SEARCH}/SearchProducts", request, {"x-request-id": request_id}
    )
    assert answer.code == 0
    for name in SERVICES:
        eventually(
            lambda name=name: any(  # type: ignore[misc]
                record.get("request_id") == request_id for record in stack.records(name)
            ),
            f"{name} logs the request",
        )


def test_logs_hold_no_query_text(stack: Stack) -> None:
    secret = "unmistakable words of a customer"
    stack.json("search", secret)
    for name in SERVICES:
        assert secret not in json.dumps(stack.records(name))
