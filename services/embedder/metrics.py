"""What the embedder measures besides what every service measures (servicekit/metrics.py)."""

from collections.abc import Iterable

from prometheus_client import Counter, Gauge

from servicekit.errors import InvalidArgument
from servicekit.metrics import ServiceMetrics
from services.embedder.domain import Embedded, Outcome

_KINDS = ("image", "text")
_OUTCOMES = ("embedded", "refused", "failed")


class EmbedderMetrics:
    """Counts items; tells the models."""

    def __init__(self, service: ServiceMetrics) -> None:
        self._items = Counter(
            f"{service.prefix}_items",
            "Images and texts, by outcome: embedded, refused (bad input), failed (a bug).",
            ["kind", "outcome", "model"],
            registry=service.registry,
        )
        self._truncated = Counter(
            f"{service.prefix}_truncated_texts",
            "Texts longer than the model's context, whose end was cut off.",
            ["model"],
            registry=service.registry,
        )
        self._model = Gauge(
            f"{service.prefix}_model_info",
            "1 for each space served; the labels say which, and on which execution provider.",
            ["embedding_version", "execution_provider"],
            registry=service.registry,
        )

    def model_loaded(self, model: str, embedding_version: str, execution_provider: str) -> None:
        self._model.labels(embedding_version, execution_provider).set(1)
        self._truncated.labels(model)
        for kind in _KINDS:
            for outcome in _OUTCOMES:
                self._items.labels(kind, outcome, model)

    def model_unloaded(self, embedding_version: str) -> None:
        self._model.remove_by_labels({"embedding_version": embedding_version})

    def embedded(self, model: str, kind: str, outcomes: Iterable[Outcome]) -> None:
        """Counts one call's items; kind is image or text."""
        for outcome in outcomes:
            if isinstance(outcome, Embedded):
                self._items.labels(kind, "embedded", model).inc()
                if outcome.truncated:
                    self._truncated.labels(model).inc()
            elif isinstance(outcome, InvalidArgument):
                self._items.labels(kind, "refused", model).inc()
            else:
                self._items.labels(kind, "failed", model).inc()
