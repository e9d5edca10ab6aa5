"""What the indexer's README says of settings, metrics and rooms is what there is, both ways."""

import re
from pathlib import Path

import pytest

from servicekit.config import describe as describe_settings
from servicekit.metrics import describe as describe_metrics
from services.indexer.__main__ import open_indexer
from services.indexer.config import PREFIX, IndexerConfig
from tests.fixtures.readme_tables import table_rows

HOME = Path(__file__).parents[2] / "services" / "indexer"
README = (HOME / "README.md").read_text()


def test_the_readme_lists_the_settings() -> None:
    settings = [
        [setting.name, setting.type, setting.default or "", setting.help]
        for setting in describe_settings(IndexerConfig, PREFIX)
    ]
    assert table_rows(README, "Settings") == settings


async def test_the_readme_lists_the_metrics(tmp_path: Path) -> None:
    of_every_service = re.compile(r"lookalike_indexer_(rpc_|batch_|build_info|serving)")
    async with open_indexer(IndexerConfig(data_dir=tmp_path)) as indexer:
        metrics = [
            [metric.name, metric.type, ", ".join(metric.labels), metric.help]
            for metric in describe_metrics(indexer.service_metrics.registry)
            if metric.name.startswith("lookalike_indexer_")
            and not of_every_service.match(metric.name)
        ]
    assert table_rows(README, "Metrics") == metrics


def test_the_readme_lists_the_rooms() -> None:
    named = set(re.findall(r"`(\w+(?:\.py|/))`", README))
    files = {path.name for path in HOME.glob("*.py")} - {"__init__.py"}
    folders = {f"{path.parent.name}/" for path in HOME.glob("*/__init__.py")}
    assert named == files | folders


def test_a_store_that_is_none_is_refused_without_telling_it() -> None:
    with pytest.raises(ValueError, match="must be `sqlite` or begin with") as error:
        IndexerConfig(store="mongo://user:secret@host")
    assert "secret" not in str(error.value)
    assert "secret" not in repr(IndexerConfig(store="mongodb://user:secret@host"))
