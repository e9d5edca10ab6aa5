"""`python -m services.embedder`: settings, model, batchers, servicer, server."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from lookalike.embedder.v1 import embedder_pb2_grpc
from servicekit import config as settings
from servicekit import logs, server
from servicekit.batching import MicroBatcher
from servicekit.health import HealthReporter
from servicekit.images import DecodeLimits, decode, from_raw
from servicekit.metrics import ServiceMetrics
from services.embedder.backends.onnx import OnnxOptions
from services.embedder.config import PREFIX, EmbedderConfig
from services.embedder.domain import Embedder, Pixels, Preparation, Tokens, Vector
from services.embedder.metrics import EmbedderMetrics
from services.embedder.model import load_model
from services.embedder.servicer import FULL_SERVICE_NAME, EmbedderServicer


async def main() -> int:
    config = settings.load(EmbedderConfig, prefix=PREFIX)
    logs.configure("embedder", config.log_level)
    options = OnnxOptions(config.provider, config.strict_provider, config.threads)
    model = await asyncio.to_thread(load_model, config.model, options)
    limits = DecodeLimits(max_bytes=config.max_image_bytes, max_pixels=config.max_image_pixels)
    metrics = ServiceMetrics("embedder", [FULL_SERVICE_NAME])
    own = EmbedderMetrics(metrics)
    own.model_loaded(model.spec.embedding_version, model.images.provider)
    images: MicroBatcher[Pixels, Vector] = MicroBatcher(
        model.images.embed,
        name="image",
        max_batch_size=config.image_max_batch,
        max_delay_s=config.image_max_delay_s,
        max_queue_items=config.max_queue_items,
        max_queue_bytes=config.max_queue_bytes,
        stall_s=config.stall_s,
        metrics=metrics.batcher("image"),
    )
    texts: MicroBatcher[Tokens, Vector] = MicroBatcher(
        model.texts.embed,
        name="text",
        max_batch_size=config.text_max_batch,
        max_delay_s=config.text_max_delay_s,
        max_queue_items=config.max_queue_items,
        max_queue_bytes=config.max_queue_bytes,
        stall_s=config.stall_s,
        metrics=metrics.batcher("text"),
    )
    health = HealthReporter([FULL_SERVICE_NAME])
    health.add_probe("image_tower", lambda: images.healthy, "the image tower's worker is gone")
    health.add_probe("text_tower", lambda: texts.healthy, "the text tower's worker is gone")
    with ThreadPoolExecutor(config.preparation_threads, "preparation") as executor:
        preparation = Preparation(
            partial(decode, limits=limits),
            partial(from_raw, limits=limits),
            model.prepare,
            model.tokenizer,
            executor,
        )
        servicer = EmbedderServicer(
            Embedder(model.spec, preparation), images, texts, own, model.images.provider
        )

        async def warm_up() -> None:
            await asyncio.to_thread(model.warm_up, config.image_max_batch, config.text_max_batch)

        try:
            return await server.serve(
                config=config,
                service_name="embedder",
                add_services=lambda grpc_server: (
                    embedder_pb2_grpc.add_EmbedderServiceServicer_to_server(servicer, grpc_server)
                ),
                full_service_names=[FULL_SERVICE_NAME],
                health=health,
                metrics=metrics,
                warm_up=warm_up,
            )
        finally:
            await images.close(grace_s=1.0)
            await texts.close(grace_s=1.0)


if __name__ == "__main__":
    server.run(main)
