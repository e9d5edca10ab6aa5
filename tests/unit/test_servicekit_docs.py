"""What servicekit's README says of settings, metrics and rooms is what there is, both ways."""

import re
from pathlib import Path

from lookalike.type.v1 import error_reason_pb2
from servicekit.config import ServerConfig
from servicekit.config import describe as describe_settings
from servicekit.metrics import ServiceMetrics
from servicekit.metrics import describe as describe_metrics

ROOT = Path(__file__).parents[2]
README = (ROOT / "servicekit" / "README.md").read_text()


def rows(heading: str) -> list[list[str]]:
    """The rows of the table under a heading, cell by cell, without the code marks."""
    [section] = re.findall(rf"^## {heading}$(.*?)(?=^## |\Z)", README, re.M | re.S)
    lines = [line for line in section.splitlines() if line.startswith("| `")]
    return [[cell.strip().strip("`") for cell in line.strip("|").split("|")] for line in lines]


def test_the_readme_lists_the_settings_of_every_service() -> None:
    settings = [
        [setting.name, setting.type, setting.default or "", setting.help]
        for setting in describe_settings(ServerConfig)
    ]
    assert rows("Settings of every service") == settings


def test_the_readme_lists_the_metrics_of_every_service() -> None:
    metrics = ServiceMetrics("x")
    metrics.batcher("images")
    found = [
        [
            metric.name.replace("_x_", "_<service>_"),
            metric.type,
            ", ".join(metric.labels),
            metric.help,
        ]
        for metric in describe_metrics(metrics.registry)
        if metric.name.startswith("lookalike_")
    ]
    assert rows("Metrics of every service") == found


def test_the_readme_lists_the_rooms() -> None:
    named = set(re.findall(r"`(\w+\.py)`", README)) - {"__main__.py"}
    there = {path.name for path in (ROOT / "servicekit").glob("*.py")} - {"__init__.py"}
    assert named == there


def test_every_reason_in_the_code_is_in_the_contract() -> None:
    known = {name.removeprefix("ERROR_REASON_") for name in error_reason_pb2.ErrorReason.keys()}  # noqa: SIM118
    used = {}
    for folder in ("servicekit", "services", "clients"):
        for path in (ROOT / folder).rglob("*.py"):
            for reason in re.findall(r"reason=\"([A-Z_]+)\"", path.read_text()):
                used.setdefault(reason, path)
    assert {reason: path for reason, path in used.items() if reason not in known} == {}


def test_only_the_standard_library_is_behind_the_typed_errors() -> None:
    source = (ROOT / "servicekit" / "errors.py").read_text()
    imported = set(re.findall(r"^(?:from|import) (\w+)", source, re.M))
    assert imported == {"collections", "enum", "types", "typing"}
