"""What the gateway measures besides what every service measures (servicekit/metrics.py)."""

from prometheus_client import Counter, Gauge, Histogram

from servicekit.metrics import ServiceMetrics
from services.gateway.byte_budget import ByteBudget
from services.gateway.catalogue import Outcome, Stage, State
from services.gateway.load import LoadWindow
from services.gateway.search_messages import (
    FeaturesPart,
    Part,
    PhotographPart,
    ProductPart,
    TextPart,
)

_STAGE_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)
_COMMIT_OUTCOMES = (1, 2, 4, 8, 16, 32, 64, 128, 256)
_PARTS = {
    TextPart: "text",
    PhotographPart: "image",
    ProductPart: "product",
    FeaturesPart: "features",
}
_UPSTREAMS = ("segmenter", "embedder", "indexer")


class GatewayMetrics:
    """Every observer of the domain in one."""

    def __init__(self, service: ServiceMetrics, budget: ByteBudget, load: LoadWindow) -> None:
        prefix, registry = service.prefix, service.registry
        self._load = load
        service.listen_to_calls(load)
        self._products = Counter(
            f"{prefix}_ingest_products",
            "Products whose outcome became durable, by state: stored, unchanged, refused; and"
            " replayed: told again after a reconnection.",
            ["state"],
            registry=registry,
        )
        self._images = Counter(
            f"{prefix}_ingest_images",
            "Images of products, by how they got their vectors: computed, known; or failed.",
            ["result"],
            registry=registry,
        )
        self._failures = Counter(
            f"{prefix}_ingest_image_failures",
            "Images that could not be used, by stage.",
            ["stage"],
            registry=registry,
        )
        self._streams = Gauge(
            f"{prefix}_ingest_streams", "Ingest streams that are open.", registry=registry
        )
        Gauge(
            f"{prefix}_ingest_held_bytes",
            "Bytes of products that ingest calls hold in memory.",
            registry=registry,
        ).set_function(lambda: budget.used_bytes)
        self._commits = Histogram(
            f"{prefix}_ingest_commit_outcomes",
            "Outcomes made durable by one write.",
            buckets=_COMMIT_OUTCOMES,
            registry=registry,
        )
        self._stages = Histogram(
            f"{prefix}_ingest_stage_seconds",
            "One image at a model service, retries included.",
            ["stage"],
            buckets=_STAGE_S,
            registry=registry,
        )
        self._retries = Counter(
            f"{prefix}_ingest_upstream_retries",
            "Calls repeated because a service was away or full.",
            ["service"],
            registry=registry,
        )
        self._parts = Counter(
            f"{prefix}_search_parts",
            "Parts of questions, by kind: text, image, product, features.",
            ["kind"],
            registry=registry,
        )
        self._photographs = Counter(
            f"{prefix}_search_photographs",
            "Photographs that people showed, by whether the network was asked: segmented, known.",
            ["result"],
            registry=registry,
        )
        for shown in ("segmented", "known"):
            self._photographs.labels(shown)
        for state in (*(state.name.lower() for state in State), "replayed"):
            self._products.labels(state)
        for result in ("computed", "known", "failed"):
            self._images.labels(result)
        for stage in Stage:
            self._failures.labels(stage.name.lower())
        for upstream in _UPSTREAMS:
            self._retries.labels(upstream)
        self._stage_children = {
            stage: self._stages.labels(stage.name.lower()) for stage in (Stage.SEGMENT, Stage.EMBED)
        }
        self._part_children = {kind: self._parts.labels(name) for kind, name in _PARTS.items()}

    def stream_opened(self) -> None:
        self._streams.inc()

    def stream_closed(self) -> None:
        self._streams.dec()

    def product_finished(self, outcome: Outcome, *, replayed: bool) -> None:
        state = "replayed" if replayed else outcome.state.name.lower()
        self._products.labels(state).inc()
        if not replayed:
            self._load.product_ingested()

    def outcomes_committed(self, count: int) -> None:
        self._commits.observe(count)

    def image_computed(self) -> None:
        self._images.labels("computed").inc()
        self._load.image_ingested()

    def image_known(self) -> None:
        self._images.labels("known").inc()

    def image_failed(self, stage: Stage) -> None:
        self._images.labels("failed").inc()
        self._failures.labels(stage.name.lower()).inc()

    def stage_seconds(self, stage: Stage, seconds: float) -> None:
        self._stage_children[stage].observe(seconds)

    def retried(self, service: str) -> None:
        self._retries.labels(service).inc()

    def part_searched(self, part: Part) -> None:
        self._part_children[type(part)].inc()

    def photograph_segmented(self) -> None:
        self._photographs.labels("segmented").inc()

    def photograph_known(self) -> None:
        self._photographs.labels("known").inc()
