"""What the gateway's README says of settings, metrics and rooms is what there is, both ways."""

import re
from pathlib import Path

from servicekit.config import describe as describe_settings
from servicekit.metrics import describe as describe_metrics
from services.gateway.__main__ import open_gateway
from services.gateway.config import PREFIX, GatewayConfig
from tests.fixtures.readme_tables import table_rows

HOME = Path(__file__).parents[2] / "services" / "gateway"
README = (HOME / "README.md").read_text()


def test_the_readme_lists_the_settings() -> None:
    settings = [
        [setting.name, setting.type, setting.default or "", setting.help]
        for setting in describe_settings(GatewayConfig, PREFIX)
    ]
    assert table_rows(README, "Settings") == settings


async def test_the_readme_lists_the_metrics() -> None:
    of_every_service = re.compile(r"lookalike_gateway_(rpc_|build_info|serving)")
    async with open_gateway(GatewayConfig()) as gateway:
        metrics = [
            [metric.name, metric.type, ", ".join(metric.labels), metric.help]
            for metric in describe_metrics(gateway.metrics.registry)
            if metric.name.startswith("lookalike_gateway_")
            and not of_every_service.match(metric.name)
        ]
    assert table_rows(README, "Metrics") == metrics


def test_the_readme_lists_the_rooms() -> None:
    named = set(re.findall(r"`(\w+(?:\.py|/))`", README))
    files = {path.name for path in HOME.glob("*.py")} - {"__init__.py"}
    folders = {f"{path.parent.name}/" for path in HOME.glob("*/__init__.py")}
    assert named == files | folders
