"""The segmenter's settings; every one is LOOKALIKE_SEGMENTER_ and its name in capitals."""

from dataclasses import dataclass
from typing import Annotated, Literal

from servicekit.config import Range, ServerConfig

PREFIX = "LOOKALIKE_SEGMENTER_"


@dataclass(frozen=True, slots=True, kw_only=True)
class SegmenterConfig(ServerConfig):
    """See the docstring under each field."""

    port: Annotated[int, Range(0, 65535)] = 50051
    """Port to listen on for gRPC; 0 takes any free one and logs it."""

    metrics_port: Annotated[int, Range(0, 65535)] = 9101
    """Port of Prometheus' /metrics; 0 takes any free one and logs it."""

    variant: Literal["auto", "fp32", "int8", "u2netp"] = "auto"
    """The network: fp32 and int8 are the cloth network, u2netp is a light one that finds the
    union only; auto takes int8 on CPUs with VNNI when CUDA is not used, else fp32."""

    provider: Literal["auto", "cuda", "cpu"] = "auto"
    """Where the network runs; auto takes CUDA if it loads, else the CPU."""

    strict_provider: bool = False
    """Refuse to start when the provider is cuda and CUDA did not load."""

    threads: Annotated[int, Range(0, 1024)] = 0
    """Threads of the network; 0 takes all cores that the process may use."""

    preparation_threads: Annotated[int, Range(1, 256)] = 2
    """Threads that decode, resize, and cut out."""

    max_batch: Annotated[int, Range(1, 64)] = 1
    """Most images in one run of the network; more than 1 pays on a GPU only."""

    max_queue_items: Annotated[int, Range(1, 1_000_000)] = 64
    """Images that may be decoded or wait for the network; beyond, calls are refused with
    QUEUE_FULL."""

    max_queue_bytes: Annotated[int, Range(1 << 20, 1 << 40)] = 1 << 30
    """Bytes of decoded images that may wait for the network; beyond, calls are refused with
    QUEUE_FULL."""

    max_image_bytes: Annotated[int, Range(1024, 2**31 - 1)] = 32 * 1024 * 1024
    """Largest encoded image; beyond, IMAGE_TOO_LARGE."""

    max_image_pixels: Annotated[int, Range(1024, 2**28)] = 64_000_000
    """Most pixels of an image, told from its header; beyond, IMAGE_TOO_LARGE."""

    stall_s: Annotated[float, Range(1, 3600)] = 120.0
    """A run of the network that takes longer makes the service unhealthy."""
