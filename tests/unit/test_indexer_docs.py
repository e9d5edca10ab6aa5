"""What the indexer's README says of settings, metrics and rooms is what there is, both ways."""

from pathlib import Path

import pytest

from services.indexer.__main__ import open_indexer
from services.indexer.config import PREFIX, IndexerConfig
from tests.fixtures.readme_tables import metric_rows, named_rooms, rooms, settings_rows, table_rows

HOME = Path(__file__).parents[2] / "services" / "indexer"
README = (HOME / "README.md").read_text()


def test_the_readme_lists_the_settings() -> None:
    assert table_rows(README, "Settings") == settings_rows(IndexerConfig, PREFIX)


async def test_the_readme_lists_the_metrics(tmp_path: Path) -> None:
    async with open_indexer(IndexerConfig(data_dir=tmp_path)) as indexer:
        metrics = metric_rows(indexer.service_metrics.registry, "indexer")
    assert table_rows(README, "Metrics") == metrics


def test_the_readme_lists_the_rooms() -> None:
    assert named_rooms(README) == rooms(HOME)


def test_a_store_that_is_none_is_refused_without_telling_it() -> None:
    with pytest.raises(ValueError, match="must be `sqlite` or begin with") as error:
        IndexerConfig(store="mongo://user:secret@host")
    assert "secret" not in str(error.value)
    assert "secret" not in repr(IndexerConfig(store="mongodb://user:secret@host"))
