"""`python -m services.segmenter`: settings, network, batcher, servicer, server."""

import asyncio
from concurrent.futures import ThreadPoolExecutor

from lookalike.segmenter.v1 import segmenter_pb2_grpc
from servicekit import config as settings
from servicekit import logs, server
from servicekit.batching import MicroBatcher
from servicekit.health import HealthReporter
from servicekit.images import DecodeLimits
from servicekit.metrics import ServiceMetrics
from servicekit.warm_up import warm_up
from services.segmenter.assembly import segmenter_version, tools
from services.segmenter.backends.onnx import OnnxOptions, load_backend
from services.segmenter.config import PREFIX, SegmenterConfig
from services.segmenter.domain import NetworkInput, Scores, Segmenter
from services.segmenter.metrics import SegmenterMetrics
from services.segmenter.servicer import FULL_SERVICE_NAME, SegmenterServicer


async def main() -> int:
    config = settings.load(SegmenterConfig, prefix=PREFIX)
    logs.configure("segmenter", config.log_level)
    options = OnnxOptions(config.variant, config.provider, config.strict_provider, config.threads)
    backend = await asyncio.to_thread(load_backend, options)
    version = segmenter_version(backend.spec)
    metrics = ServiceMetrics("segmenter", [FULL_SERVICE_NAME])
    own = SegmenterMetrics(metrics)
    own.model_loaded(version, backend.spec)
    batcher: MicroBatcher[NetworkInput, Scores] = MicroBatcher(
        backend.forward,
        name="network",
        max_batch_size=config.max_batch,
        max_queue_items=config.max_queue_items,
        max_queue_bytes=config.max_queue_bytes,
        stall_s=config.stall_s,
        metrics=metrics.batcher("network"),
    )
    health = HealthReporter([FULL_SERVICE_NAME])
    health.add_probe("network", lambda: batcher.healthy, "the network's worker is gone")
    limits = DecodeLimits(max_bytes=config.max_image_bytes, max_pixels=config.max_image_pixels)
    with ThreadPoolExecutor(config.preparation_threads, "preparation") as executor:
        segmenter = Segmenter(tools(backend, limits, executor), config.max_queue_items)
        servicer = SegmenterServicer(segmenter, batcher, executor, own, backend.spec, version)
        try:
            return await server.serve(
                config=config,
                service_name="segmenter",
                add_services=lambda grpc_server: (
                    segmenter_pb2_grpc.add_SegmenterServiceServicer_to_server(servicer, grpc_server)
                ),
                full_service_names=[FULL_SERVICE_NAME],
                health=health,
                metrics=metrics,
                warm_up=lambda: warm_up(backend.warm_up_steps(config.max_batch), health),
            )
        finally:
            await batcher.close(grace_s=1.0)


if __name__ == "__main__":
    server.run(main)
