"""Models once for all tests here; an index and a gateway of its own for each."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from tests.contract.gateway.stack import (
    ServiceProcess,
    Stack,
    Targets,
    gateway_over,
    indexer_over,
    running,
)


@pytest.fixture(scope="session")
def model_services(
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[tuple[ServiceProcess, ServiceProcess]]:
    """The light segmenter and the embedder."""
    logs = tmp_path_factory.mktemp("models")
    segmenter = ServiceProcess("segmenter", logs / "segmenter.log", variant="u2netp")
    embedder = ServiceProcess("embedder", logs / "embedder.log")
    with running(segmenter, embedder):
        yield segmenter, embedder


@pytest.fixture
async def targets(
    model_services: tuple[ServiceProcess, ServiceProcess], tmp_path: Path
) -> AsyncIterator[Targets]:
    """The models, and a new index."""
    segmenter, embedder = model_services
    async with indexer_over(tmp_path / "index") as indexer:
        yield Targets(segmenter.target, embedder.target, indexer)


@pytest.fixture
async def stack(targets: Targets) -> AsyncIterator[Stack]:
    """A gateway with the default settings over them."""
    async with gateway_over(targets) as stack:
        yield stack
