"""What the segmenter's README says of settings and metrics is what there is, both ways."""

import re
from pathlib import Path

from servicekit.config import ServerConfig
from servicekit.config import describe as describe_settings
from servicekit.metrics import ServiceMetrics
from servicekit.metrics import describe as describe_metrics
from services.segmenter.config import PREFIX, SegmenterConfig
from services.segmenter.domain import BackendSpec, Garment
from services.segmenter.metrics import SegmenterMetrics
from tests.fixtures.readme_tables import table_rows

SPEC = BackendSpec("x", "fp32", "CPUExecutionProvider", "0" * 64, 768, (Garment.UNION,), "MIT")
README = (Path(__file__).parents[2] / "services" / "segmenter" / "README.md").read_text()


def test_the_readme_lists_the_settings() -> None:
    shared = {setting.name for setting in describe_settings(ServerConfig, PREFIX)}
    own = {PREFIX + "PORT", PREFIX + "METRICS_PORT"}
    expected = [
        [setting.name, setting.type, setting.default or "", setting.help]
        for setting in describe_settings(SegmenterConfig, PREFIX)
        if setting.name not in shared or setting.name in own
    ]
    assert table_rows(README, "Settings") == expected


def test_the_readme_lists_the_metrics() -> None:
    shared = ServiceMetrics("segmenter")
    before = {metric.name for metric in describe_metrics(shared.registry)}
    SegmenterMetrics(shared).model_loaded("x", SPEC)
    expected = [
        [metric.name, metric.type, ", ".join(metric.labels), metric.help]
        for metric in describe_metrics(shared.registry)
        if metric.name not in before
    ]
    assert table_rows(README, "Metrics") == expected


def test_the_readme_lists_the_rooms() -> None:
    folder = Path(__file__).parents[2] / "services" / "segmenter"
    there = {
        str(path.relative_to(folder))
        for path in folder.rglob("*.py")
        if path.name not in ("__init__.py", "__main__.py")
    }
    table = table_rows(README, "How a request goes")
    named = {name for row in table for name in re.findall(r"[\w/]+\.py", row[0])}
    assert named == there
