"""What the embedder's README says of settings and metrics is what there is, both ways."""

from pathlib import Path

from servicekit.metrics import ServiceMetrics
from services.embedder.config import PREFIX, EmbedderConfig
from services.embedder.metrics import EmbedderMetrics
from tests.fixtures.readme_tables import metric_rows, settings_rows, table_rows

README = (Path(__file__).parents[2] / "services" / "embedder" / "README.md").read_text()


def test_the_readme_lists_the_settings() -> None:
    assert table_rows(README, "Settings") == settings_rows(EmbedderConfig, PREFIX, own_only=True)


def test_the_readme_lists_the_metrics() -> None:
    metrics = ServiceMetrics("embedder")
    EmbedderMetrics(metrics).model_loaded("m", "x", "y")
    assert table_rows(README, "Metrics") == metric_rows(metrics.registry, "embedder")
