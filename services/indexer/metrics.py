"""What the indexer measures besides what every service measures (servicekit/metrics.py)."""

from collections.abc import Iterable

from prometheus_client import Counter, Gauge

from servicekit.metrics import ServiceMetrics
from services.indexer.domain import OutcomeState, Store, Tally
from services.indexer.mirror import SpaceMirror


class IndexerMetrics:
    """Counts writes; reads the rest from the index when it is asked."""

    def __init__(self, service: ServiceMetrics, mirror: SpaceMirror, store: Store) -> None:
        prefix, registry = service.prefix, service.registry

        def active() -> Tally:
            return mirror.active.projection.tally()

        def size_bytes() -> int:
            return sum(one.tally().matrix_size_bytes for one in mirror.projections)

        for name, text, read in (
            ("products", "Products in the index.", lambda: active().product_count),
            ("images", "Images of these products.", lambda: active().image_count),
            ("vectors", "Vectors of the active space.", lambda: active().vector_count),
            (
                "matrix_bytes",
                "Bytes of the vectors in memory, of all spaces.",
                size_bytes,
            ),
            (
                "version",
                "The newest index version that is served.",
                lambda: mirror.active.projection.version,
            ),
            ("spaces", "Vector spaces in the index.", lambda: len(mirror.spaces.all)),
            (
                "store_following",
                "1 while the index in memory hears of every write, else 0.",
                lambda: float(store.following),
            ),
        ):
            Gauge(f"{prefix}_{name}", text, registry=registry).set_function(read)
        self._load_seconds = Gauge(
            f"{prefix}_load_seconds",
            "How long the index took to load when this process started.",
            registry=registry,
        )
        self._outcomes = Counter(
            f"{prefix}_committed_outcomes",
            "Outcomes of ingest streams sent to be committed, by state: stored, unchanged,"
            " refused. One that was there already counts again.",
            ["state"],
            registry=registry,
        )
        for state in OutcomeState:
            self._outcomes.labels(state.name.lower())
        self._swept = Counter(
            f"{prefix}_swept_images",
            "Images whose bytes were removed because no product has them.",
            registry=registry,
        )

        self._maps = Counter(
            f"{prefix}_maps",
            "Maps of the catalogue, by result: built, failed.",
            ["result"],
            registry=registry,
        )
        for result in ("built", "failed"):
            self._maps.labels(result)
        self._map_seconds = Gauge(
            f"{prefix}_map_seconds",
            "How long the last map took to build; 0 before the first.",
            registry=registry,
        )
        self._map_products = Gauge(
            f"{prefix}_map_products",
            "Products on the map that this process built last.",
            registry=registry,
        )

    def map_built(self, products: int, seconds: float) -> None:
        self._maps.labels("built").inc()
        self._map_seconds.set(seconds)
        self._map_products.set(products)

    def map_failed(self) -> None:
        self._maps.labels("failed").inc()

    def loaded(self, seconds: float) -> None:
        self._load_seconds.set(seconds)

    def committed(self, states: Iterable[OutcomeState]) -> None:
        for state in states:
            self._outcomes.labels(state.name.lower()).inc()

    def swept(self, images: int) -> None:
        self._swept.inc(images)
