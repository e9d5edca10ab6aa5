"""Fixtures: the whole system over either store, and catalogues to put in."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.e2e.stack import Stack
from tests.fixtures.garments import write_catalogue
from tests.fixtures.mongod import database_uri, mongodb_uri

__all__ = ["mongodb_uri"]

# The light segmenter: these tests are about the system, not about masks.
LIGHT = {"LOOKALIKE_SEGMENTER_VARIANT": "u2netp"}


@pytest.fixture(scope="session", params=["sqlite", "mongodb"])
def store(request: pytest.FixtureRequest) -> Callable[[], str]:
    """Makes an empty store of either kind; what it returns is for STORE."""
    if request.param == "sqlite":
        return lambda: "sqlite"  # in the data folder, which every system has of its own
    uri: str = request.getfixturevalue("mongodb_uri")
    return lambda: database_uri(uri)


@pytest.fixture(scope="session")
def catalogue(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """12 products with two photographs each."""
    return write_catalogue(tmp_path_factory.mktemp("catalogue"), 12)


@pytest.fixture(scope="session")
def stack(
    store: Callable[[], str], catalogue: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Stack]:
    """A running system that holds the catalogue; a test leaves it as it was."""
    running = Stack(tmp_path_factory.mktemp("stack"), store=store(), env=LIGHT)
    try:
        running.start()
        running.json("ingest", str(catalogue))
        yield running
    finally:
        running.close()
