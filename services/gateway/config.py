"""The gateway's settings; every one is LOOKALIKE_GATEWAY_ and its name in capitals."""

from dataclasses import dataclass
from typing import Annotated

from servicekit.config import Range, ServerConfig

PREFIX = "LOOKALIKE_GATEWAY_"

_MIB = 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class GatewayConfig(ServerConfig):
    """See the docstring under each field."""

    port: Annotated[int, Range(0, 65535)] = 50050
    """Port to listen on for gRPC; 0 takes any free one and logs it."""

    metrics_port: Annotated[int, Range(0, 65535)] = 9100
    """Port of Prometheus' /metrics; 0 takes any free one and logs it."""

    segmenter_target: str = "127.0.0.1:50051"
    """HOST:PORT of the segmenter, or any gRPC name."""

    embedder_target: str = "127.0.0.1:50052"
    """HOST:PORT of the embedder, or any gRPC name."""

    indexer_target: str = "127.0.0.1:50053"
    """HOST:PORT of the indexer, or any gRPC name."""

    credit_products: Annotated[int, Range(1, 10_000)] = 64
    """Products that one ingest stream may have in flight."""

    credit_bytes: Annotated[int, Range(1, 10**12)] = 64 * _MIB
    """Bytes of images that one ingest stream may have in flight."""

    max_ingest_bytes: Annotated[int, Range(1, 10**12)] = 256 * _MIB
    """Bytes of products that all ingest calls together hold; streams wait, batches are refused."""

    max_image_bytes: Annotated[int, Range(1024, 2**31 - 1)] = 32 * _MIB
    """Largest encoded image of a product; beyond, IMAGE_TOO_LARGE."""

    images_in_flight: Annotated[int, Range(1, 1024)] = 12
    """Images that ingest has at the segmenter at once, and as many at the embedder."""

    patience_s: Annotated[float, Range(0, 86_400)] = 120.0
    """Seconds for which ingest goes on trying a service that does not answer."""

    segment_timeout_s: Annotated[float, Range(0.1, 3600)] = 300.0
    """Longest wait of ingest for the segmentation of one image; then it is tried again."""

    embed_timeout_s: Annotated[float, Range(0.1, 3600)] = 60.0
    """Longest wait of ingest for the vectors of one image; then it is tried again."""

    index_timeout_s: Annotated[float, Range(0.1, 3600)] = 30.0
    """Longest wait of ingest for one answer of the indexer; then it is asked again."""

    search_timeout_s: Annotated[float, Range(0.1, 3600)] = 30.0
    """Longest that a search takes, whatever deadline its caller set."""

    status_timeout_s: Annotated[float, Range(0.05, 60)] = 1.0
    """After this a service counts as unreachable in GetStatus."""

    thumbnail_cache_bytes: Annotated[int, Range(0, 10**12)] = 64 * _MIB
    """Reduced photographs kept in memory, each for a minute."""

    photograph_cache_bytes: Annotated[int, Range(0, 10**12)] = 64 * _MIB
    """Segmented photographs of people who search kept in memory, each for five minutes."""
