"""What the embedder's README says of settings and metrics is what there is, both ways."""

import re
from pathlib import Path

from servicekit.config import ServerConfig
from servicekit.config import describe as describe_settings
from servicekit.metrics import ServiceMetrics
from servicekit.metrics import describe as describe_metrics
from services.embedder.config import PREFIX, EmbedderConfig
from services.embedder.metrics import EmbedderMetrics

README = (Path(__file__).parents[2] / "services" / "embedder" / "README.md").read_text()


def rows(heading: str) -> list[list[str]]:
    """The rows of the table under a heading, cell by cell, without the code marks."""
    [section] = re.findall(rf"^## {heading}$(.*?)(?=^## |\Z)", README, re.M | re.S)
    lines = [line for line in section.splitlines() if line.startswith("| `")]
    return [[cell.strip().strip("`") for cell in line.strip("|").split("|")] for line in lines]


def test_the_readme_lists_the_settings() -> None:
    shared = {setting.name for setting in describe_settings(ServerConfig, PREFIX)}
    own = {PREFIX + "PORT", PREFIX + "METRICS_PORT"}
    expected = [
        [setting.name, setting.type, setting.default or "", setting.help]
        for setting in describe_settings(EmbedderConfig, PREFIX)
        if setting.name not in shared or setting.name in own
    ]
    assert rows("Settings") == expected


def test_the_readme_lists_the_metrics() -> None:
    shared = ServiceMetrics("embedder")
    before = {metric.name for metric in describe_metrics(shared.registry)}
    EmbedderMetrics(shared).model_loaded("x", "y")
    expected = [
        [metric.name, metric.type, ", ".join(metric.labels), metric.help]
        for metric in describe_metrics(shared.registry)
        if metric.name not in before
    ]
    assert rows("Metrics") == expected
