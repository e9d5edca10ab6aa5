"""What the segmenter measures besides what every service measures (servicekit/metrics.py)."""

from prometheus_client import Counter, Gauge

from servicekit.errors import InvalidArgument, NotFound
from servicekit.metrics import ServiceMetrics
from services.segmenter.domain import BackendSpec, Segmentation

_OUTCOMES = ("segmented", "whole_image", "refused", "failed")


class SegmenterMetrics:
    """Counts images and garments; tells the network."""

    def __init__(self, service: ServiceMetrics) -> None:
        self._images = Counter(
            f"{service.prefix}_images",
            "Images, by outcome: segmented, whole_image (no clothing found), refused (bad input),"
            " failed (anything else).",
            ["outcome"],
            registry=service.registry,
        )
        self._model = Gauge(
            f"{service.prefix}_model_info",
            "1; the labels say which network is served and on which execution provider.",
            ["segmenter_version", "variant", "execution_provider"],
            registry=service.registry,
        )
        for outcome in _OUTCOMES:
            self._images.labels(outcome)

    def model_loaded(self, segmenter_version: str, spec: BackendSpec) -> None:
        self._model.labels(segmenter_version, spec.variant, spec.execution_provider).set(1)

    def segmented(self, outcome: Segmentation | BaseException) -> None:
        """Counts one image."""
        if isinstance(outcome, Segmentation):
            name = "whole_image" if outcome.whole_image_fallback else "segmented"
        elif isinstance(outcome, InvalidArgument | NotFound):
            name = "refused"
        else:
            name = "failed"
        self._images.labels(name).inc()
