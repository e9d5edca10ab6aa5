"""The page in a real browser, over the real edge and the real services, on the sample catalogue."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.demo.catalogue import make_catalogue
from tests.e2e.stack import Stack, eventually
from tests.fixtures import browser


@pytest.fixture(scope="module")
def chromium() -> str:
    """Where it is."""
    return browser.required_browser()


@pytest.fixture(scope="module")
def samples() -> Path:
    """The list of the sample catalogue, beside its photographs."""
    return make_catalogue()


@pytest.fixture(scope="module")
def shop(chromium: str, samples: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A system as a shop would run it for itself: the real network, and ingest from the page."""
    running = Stack(tmp_path_factory.mktemp("page"), env={"LOOKALIKE_EDGE_ALLOW_WRITES": "true"})
    try:
        running.start()
        running.json("ingest", str(samples))
        running.lookalike("map", "build")
        yield running
    finally:
        running.close()


def test_the_page_has_tests() -> None:
    assert browser.SPECS


@pytest.mark.timeout(1_200)  # the first one also fills the shop, on whatever cores there are
@pytest.mark.parametrize(
    "spec", browser.SPECS, ids=lambda spec: str(spec.name).removesuffix(".spec.ts")
)
def test_in_a_browser(shop: Stack, chromium: str, samples: Path, spec: Path) -> None:
    eventually(
        lambda: shop.lookalike("status", status=(0, 1)).returncode == 0,
        "everything serves, whatever the test before has stopped",
    )
    outcome = browser.run_spec(
        spec,
        {
            "LOOKALIKE_PAGE_URL": shop.edge,
            "LOOKALIKE_BROWSER": chromium,
            "LOOKALIKE_RUN_DIR": str(shop.data_dir),
            "LOOKALIKE_SAMPLES": str(samples.parent),
        },
    )
    assert outcome.returncode == 0, outcome.stdout
