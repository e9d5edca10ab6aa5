"""`python -m services.embedder`: settings, models, batchers, servicer, server."""

from concurrent.futures import ThreadPoolExecutor

from lookalike.embedder.v1 import embedder_pb2_grpc
from servicekit import config as settings
from servicekit import logs, server
from servicekit.health import HealthReporter
from servicekit.metrics import ServiceMetrics
from servicekit.warm_up import warm_up
from services.embedder.assembly import Assembly, registered
from services.embedder.config import PREFIX, EmbedderConfig
from services.embedder.metrics import EmbedderMetrics
from services.embedder.servicer import FULL_SERVICE_NAME, EmbedderServicer
from services.embedder.shelf import ModelShelf


async def main() -> int:
    config = settings.load(EmbedderConfig, prefix=PREFIX)
    logs.configure("embedder", config.log_level)
    metrics = ServiceMetrics("embedder", [FULL_SERVICE_NAME])
    own = EmbedderMetrics(metrics)
    with ThreadPoolExecutor(config.preparation_threads, "preparation") as executor:
        assembly = Assembly(config, executor, metrics, own)
        names = dict.fromkeys((config.model, *config.more_models))
        models = [await assembly.load(name) for name in names]
        shelf = ModelShelf(
            [assembly.serve(model, beside=place > 0) for place, model in enumerate(models)],
            assembly.load_warm,
            registered,
        )
        health = HealthReporter([FULL_SERVICE_NAME])
        health.add_probe(
            "image_tower",
            lambda: all(model.images.healthy for model in shelf.served),
            "an image tower's worker is gone",
        )
        health.add_probe(
            "text_tower",
            lambda: all(model.texts.healthy for model in shelf.served),
            "a text tower's worker is gone",
        )
        servicer = EmbedderServicer(shelf, own)

        steps = [step for model in models for step in assembly.warm_up_steps(model)]
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
                warm_up=lambda: warm_up(steps, health),
            )
        finally:
            await shelf.close()


if __name__ == "__main__":
    server.run(main)
