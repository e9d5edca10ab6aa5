"""Metrics: zeros from the start, closed label sets, a page of their own."""

import asyncio
import contextlib

import httpx
import pytest

from lookalike.embedder.v1 import embedder_pb2  # noqa: F401 - registers the descriptors
from servicekit.batching import Lane, MicroBatcher
from servicekit.metrics import ServiceMetrics, describe, methods_of

SERVICE = "lookalike.embedder.v1.EmbedderService"


def test_every_method_and_code_is_zero_from_the_start() -> None:
    metrics = ServiceMetrics("embedder", [SERVICE])
    methods = methods_of([SERVICE])
    assert f"{SERVICE}/EmbedTexts" in methods
    for method in [*methods, "unknown"]:
        for code in ("OK", "INTERNAL", "RESOURCE_EXHAUSTED"):
            assert (
                metrics.registry.get_sample_value(
                    "lookalike_embedder_rpc_handled_total", {"method": method, "code": code}
                )
                == 0
            )


def test_a_call_is_counted_while_it_runs_and_once_it_ends() -> None:
    metrics = ServiceMetrics("embedder", [SERVICE])
    method = f"{SERVICE}/EmbedTexts"
    in_flight = ("lookalike_embedder_rpc_in_flight", {"method": method})
    metrics.rpc_began(method)
    assert metrics.registry.get_sample_value(*in_flight) == 1
    metrics.rpc_ended(method, "OK", 0.2)
    assert metrics.registry.get_sample_value(*in_flight) == 0
    assert (
        metrics.registry.get_sample_value(
            "lookalike_embedder_rpc_latency_seconds_sum", {"method": method}
        )
        == 0.2
    )


def test_names_invented_by_clients_make_no_new_series() -> None:
    metrics = ServiceMetrics("embedder", [SERVICE])
    before = sum(len(list(family.samples)) for family in metrics.registry.collect())
    for index in range(50):
        metrics.rpc_began(f"x.Y/Z{index}")
        metrics.rpc_ended(f"x.Y/Z{index}", "UNIMPLEMENTED", 0.0)
    after = sum(len(list(family.samples)) for family in metrics.registry.collect())
    assert before == after
    assert (
        metrics.registry.get_sample_value(
            "lookalike_embedder_rpc_handled_total", {"method": "unknown", "code": "UNIMPLEMENTED"}
        )
        == 50
    )


async def test_a_batcher_measures_itself() -> None:
    metrics = ServiceMetrics("embedder")
    value = metrics.registry.get_sample_value
    batcher: MicroBatcher[int, int] = MicroBatcher(
        list,
        name="images",
        max_batch_size=4,
        max_queue_items=2,
        max_queue_bytes=100,
        metrics=metrics.batcher("images"),
    )
    texts = metrics.batcher("texts")
    assert texts is not metrics.batcher("images")
    released = {"batcher": "images", "reason": "ready"}
    assert value("lookalike_embedder_batch_released_total", released) == 0
    outcomes = await asyncio.gather(
        *(batcher.submit(n, size_bytes=1, lane=Lane.INGEST) for n in range(2)),
        return_exceptions=True,
    )
    assert sum(isinstance(outcome, Exception) for outcome in outcomes) == 1
    assert value("lookalike_embedder_batch_released_total", released) == 1
    lane = {"batcher": "images", "lane": "ingest"}
    assert value("lookalike_embedder_batch_dropped_total", {**lane, "cause": "refused"}) == 1
    assert value("lookalike_embedder_batch_queue_wait_seconds_count", lane) == 1
    assert value("lookalike_embedder_batch_queue_items", lane) == 0
    assert value("lookalike_embedder_batch_size_sum", {"batcher": "images"}) == 1
    await batcher.close()


def test_metrics_can_be_described() -> None:
    found = {metric.name: metric for metric in describe(ServiceMetrics("x").registry)}
    assert found["lookalike_x_rpc_handled_total"].type == "counter"
    assert found["lookalike_x_rpc_handled_total"].labels == ("code", "method")
    assert found["lookalike_x_rpc_latency_seconds"].labels == ("method",)
    assert found["lookalike_x_build_info"].labels == ("grpc_version", "version")
    assert all(metric.help for metric in found.values())


def test_the_page_is_served_on_loopback() -> None:
    metrics = ServiceMetrics("x")
    with contextlib.closing(metrics.listen("127.0.0.1", 0)) as page:
        with httpx.Client(trust_env=False) as client:
            answer = client.get(f"http://127.0.0.1:{page.port}/metrics")
        assert answer.status_code == 200
        assert 'lookalike_x_rpc_handled_total{code="OK",method="unknown"} 0.0' in answer.text
        with pytest.raises(OSError, match="in use"):
            metrics.listen("127.0.0.1", page.port)
