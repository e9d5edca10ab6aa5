"""The echo service as a process of its own; the composition root that services imitate."""

import asyncio
from dataclasses import dataclass
from typing import Annotated, Literal

from lookalike.embedder.v1 import embedder_pb2
from servicekit import logs
from servicekit.config import Range, ServerConfig, load
from servicekit.health import HealthReporter
from servicekit.metrics import ServiceMetrics
from servicekit.server import run, serve
from tests.contract.echo_service import Echo

# Reflection and metrics read descriptors, so the name is one of a generated module.
SERVICE = embedder_pb2.DESCRIPTOR.services_by_name["EmbedderService"].full_name


@dataclass(frozen=True, slots=True, kw_only=True)
class Config(ServerConfig):
    port: Annotated[int, Range(0, 65535)] = 0
    metrics_port: Annotated[int, Range(0, 65535)] = 0
    warm_up: Literal["quick", "endless", "broken"] = "quick"


async def main() -> int:
    config = load(Config, prefix="ECHO_")
    logs.configure("echo", config.log_level)
    echo = Echo()

    async def warm_up() -> None:
        if config.warm_up == "endless":
            await asyncio.sleep(3600)
        if config.warm_up == "broken":
            raise RuntimeError("no weights")

    async def on_drain() -> None:
        echo.release.set()

    return await serve(
        config=config,
        service_name="echo",
        add_services=echo.add_to_server,
        full_service_names=[SERVICE],
        health=HealthReporter([SERVICE]),
        metrics=ServiceMetrics("echo", [SERVICE]),
        warm_up=warm_up,
        on_drain=on_drain,
    )


if __name__ == "__main__":
    run(main)
