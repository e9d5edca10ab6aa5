"""What the embedder measures besides what every service measures (servicekit/metrics.py)."""

from collections.abc import Iterable

from prometheus_client import Counter, Gauge

from servicekit.errors import InvalidArgument
from servicekit.metrics import ServiceMetrics
from services.embedder.domain import Embedded, Outcome

_KINDS = ("image", "text")
_OUTCOMES = ("embedded", "refused", "failed")


class EmbedderMetrics:
    """Counts items; tells the model."""

    def __init__(self, service: ServiceMetrics) -> None:
        self._items = Counter(
            f"{service.prefix}_items",
            "Images and texts, by outcome: embedded, refused (bad input), failed (a bug).",
            ["kind", "outcome"],
            registry=service.registry,
        )
        self._truncated = Counter(
            f"{service.prefix}_truncated_texts",
            "Texts longer than the model's context, whose end was cut off.",
            registry=service.registry,
        )
        self._model = Gauge(
            f"{service.prefix}_model_info",
            "1; the labels say which space is served and on which execution provider.",
            ["embedding_version", "execution_provider"],
            registry=service.registry,
        )
        for kind in _KINDS:
            for outcome in _OUTCOMES:
                self._items.labels(kind, outcome)

    def model_loaded(self, embedding_version: str, execution_provider: str) -> None:
        self._model.labels(embedding_version, execution_provider).set(1)

    def embedded(self, kind: str, outcomes: Iterable[Outcome]) -> None:
        """Counts one call's items; kind is image or text."""
        for outcome in outcomes:
            if isinstance(outcome, Embedded):
                self._items.labels(kind, "embedded").inc()
                if outcome.truncated:
                    self._truncated.inc()
            elif isinstance(outcome, InvalidArgument):
                self._items.labels(kind, "refused").inc()
            else:
                self._items.labels(kind, "failed").inc()
