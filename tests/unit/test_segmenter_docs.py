"""What the segmenter's README says of settings and metrics is what there is, both ways."""

import re
from pathlib import Path

from servicekit.metrics import ServiceMetrics
from services.segmenter.config import PREFIX, SegmenterConfig
from services.segmenter.domain import BackendSpec, Garment
from services.segmenter.metrics import SegmenterMetrics
from tests.fixtures.readme_tables import metric_rows, settings_rows, table_rows

SPEC = BackendSpec("x", "fp32", "CPUExecutionProvider", "0" * 64, 768, (Garment.UNION,), "MIT")
README = (Path(__file__).parents[2] / "services" / "segmenter" / "README.md").read_text()


def test_the_readme_lists_the_settings() -> None:
    assert table_rows(README, "Settings") == settings_rows(SegmenterConfig, PREFIX, own_only=True)


def test_the_readme_lists_the_metrics() -> None:
    metrics = ServiceMetrics("segmenter")
    SegmenterMetrics(metrics).model_loaded("x", SPEC)
    assert table_rows(README, "Metrics") == metric_rows(metrics.registry, "segmenter")


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
