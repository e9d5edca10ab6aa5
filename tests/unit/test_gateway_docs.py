"""What the gateway's README says of settings, metrics and rooms is what there is, both ways."""

from pathlib import Path

from services.gateway.__main__ import open_gateway
from services.gateway.config import PREFIX, GatewayConfig
from tests.fixtures.readme_tables import metric_rows, named_rooms, rooms, settings_rows, table_rows

HOME = Path(__file__).parents[2] / "services" / "gateway"
README = (HOME / "README.md").read_text()


def test_the_readme_lists_the_settings() -> None:
    assert table_rows(README, "Settings") == settings_rows(GatewayConfig, PREFIX)


async def test_the_readme_lists_the_metrics() -> None:
    async with open_gateway(GatewayConfig()) as gateway:
        metrics = metric_rows(gateway.metrics.registry, "gateway")
    assert table_rows(README, "Metrics") == metrics


def test_the_readme_lists_the_rooms() -> None:
    assert named_rooms(README) == rooms(HOME)
