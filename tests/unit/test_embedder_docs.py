"""What the embedder's README says of settings and metrics is what there is, both ways."""

from pathlib import Path

from servicekit.config import ServerConfig
from servicekit.config import describe as describe_settings
from servicekit.metrics import ServiceMetrics
from servicekit.metrics import describe as describe_metrics
from services.embedder.config import PREFIX, EmbedderConfig
from services.embedder.metrics import EmbedderMetrics
from tests.fixtures.readme_tables import table_rows

README = (Path(__file__).parents[2] / "services" / "embedder" / "README.md").read_text()


def test_the_readme_lists_the_settings() -> None:
    shared = {setting.name for setting in describe_settings(ServerConfig, PREFIX)}
    own = {PREFIX + "PORT", PREFIX + "METRICS_PORT"}
    expected = [
        [setting.name, setting.type, setting.default or "", setting.help]
        for setting in describe_settings(EmbedderConfig, PREFIX)
        if setting.name not in shared or setting.name in own
    ]
    assert table_rows(README, "Settings") == expected


def test_the_readme_lists_the_metrics() -> None:
    shared = ServiceMetrics("embedder")
    before = {metric.name for metric in describe_metrics(shared.registry)}
    EmbedderMetrics(shared).model_loaded("m", "x", "y")
    expected = [
        [metric.name, metric.type, ", ".join(metric.labels), metric.help]
        for metric in describe_metrics(shared.registry)
        if metric.name not in before
    ]
    assert table_rows(README, "Metrics") == expected
