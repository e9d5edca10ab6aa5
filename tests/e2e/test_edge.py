"""gRPC-Web through the real Envoy, as a browser would speak it."""

import json
import signal
import subprocess
from collections.abc import Iterator

import grpc
import httpx
import pytest

from deploy.local import edge, tools
from deploy.local.settings import EdgeConfig
from lookalike.gateway.v1 import ingest_pb2, ingest_pb2_grpc, model_pb2, search_pb2
from servicekit.status import from_rpc_error
from servicekit.testing import free_port
from tests.e2e import grpc_web
from tests.e2e.stack import SERVICES, Stack, eventually
from tests.fixtures.garments import garments, jpeg

SEARCH = "lookalike.gateway.v1.SearchService"
INGEST = "lookalike.gateway.v1.IngestService"
MODELS = "lookalike.gateway.v1.ModelService"

# The edge does not know which store there is.
pytestmark = pytest.mark.parametrize("store", ["sqlite"], indirect=True, scope="session")


@pytest.fixture
def browser(stack: Stack) -> Iterator[httpx.Client]:
    """What a page has."""
    with httpx.Client(base_url=stack.edge, trust_env=False, timeout=60) as client:
        yield client


@pytest.fixture(scope="module")
def writing_edge(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A second edge before the same gateway, with writing switched on; its URL."""
    config = EdgeConfig(
        port=free_port(),
        metrics_port=free_port(),
        allow_writes=True,
        allowed_origins=("https://shop.example",),
    )
    rendered = tmp_path_factory.mktemp("edge") / "envoy.yaml"
    target = edge.EdgeTarget("127.0.0.1", stack.ports["gateway"], edge.ENVOY_DIR / "page")
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


def test_the_page_runs_nothing(browser: httpx.Client) -> None:
    page = browser.get("/")
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    policy = page.headers["content-security-policy"]
    assert policy.startswith("default-src 'none'")
    assert "script-src" not in policy
    assert "<script" not in page.text
    assert browser.get("/style.css").headers["content-type"] == "text/css; charset=utf-8"
    assert browser.get("/nothing").status_code == 404


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
