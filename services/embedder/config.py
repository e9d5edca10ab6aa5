"""The embedder's settings; every one is LOOKALIKE_EMBEDDER_ and its name in capitals."""

from dataclasses import dataclass
from typing import Annotated, Literal

from servicekit.config import Range, ServerConfig

PREFIX = "LOOKALIKE_EMBEDDER_"


@dataclass(frozen=True, slots=True, kw_only=True)
class EmbedderConfig(ServerConfig):
    """See the docstring under each field."""

    port: Annotated[int, Range(0, 65535)] = 50052
    """Port to listen on for gRPC; 0 takes any free one and logs it."""

    metrics_port: Annotated[int, Range(0, 65535)] = 9102
    """Port of Prometheus' /metrics; 0 takes any free one and logs it."""

    model: str = "lookalike-mini-v1"
    """Name of the model in the registry (models/manifests), fetched by `make models`."""

    more_models: tuple[str, ...] = ()
    """Further models to load at the start, separated by commas; others are loaded when the gateway
    asks for them."""

    provider: Literal["auto", "cuda", "cpu"] = "auto"
    """Where the networks run; auto takes CUDA if it loads, else the CPU."""

    strict_provider: bool = False
    """Refuse to start when the provider is cuda and CUDA did not load."""

    threads: Annotated[int, Range(0, 1024)] = 0
    """Threads of the image tower; 0 takes all cores. The text tower runs on one."""

    preparation_threads: Annotated[int, Range(1, 256)] = 2
    """Threads that decode and resize images and tokenise long texts."""

    image_max_batch: Annotated[int, Range(1, 1024)] = 4
    """Most images in one run of the image tower; a query waits for at most one run of ingest's."""

    image_max_delay_s: Annotated[float, Range(0, 10)] = 0.0
    """Longest that a free image tower waits for its batch to fill; 0 takes what waits."""

    text_max_batch: Annotated[int, Range(1, 1024)] = 32
    """Most texts in one batch of the text tower; texts of like length run together."""

    text_max_delay_s: Annotated[float, Range(0, 10)] = 0.0
    """Longest that a free text tower waits for its batch to fill; 0 takes what waits."""

    max_queue_items: Annotated[int, Range(1, 1_000_000)] = 2048
    """Items that may wait for a tower; beyond, calls are refused with QUEUE_FULL."""

    max_queue_bytes: Annotated[int, Range(1 << 20, 1 << 40)] = 1 << 30
    """Bytes that may wait for a tower; beyond, calls are refused with QUEUE_FULL."""

    max_image_bytes: Annotated[int, Range(1024, 2**31 - 1)] = 32 * 1024 * 1024
    """Largest encoded image; beyond, IMAGE_TOO_LARGE."""

    max_image_pixels: Annotated[int, Range(1024, 2**28)] = 64_000_000
    """Most pixels of an image, told from its header; beyond, IMAGE_TOO_LARGE."""

    stall_s: Annotated[float, Range(1, 3600)] = 60.0
    """A batch that runs longer makes the service unhealthy."""
