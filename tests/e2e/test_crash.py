"""kill -9 in the middle of an ingest, of each service and of the client, over both stores."""

import json
import os
import signal
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from lookalike_client import Catalogue, Lookalike, OutcomeState, ProductOutcome
from tests.e2e.conftest import LIGHT
from tests.e2e.hostile import refused
from tests.e2e.stack import SERVICES, Stack, eventually
from tests.fixtures.garments import write_catalogue

PRODUCTS = 40


@pytest.fixture(scope="module")
def robust(store: Callable[[], str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A running system of this file's own; every test has products of its own in it."""
    running = Stack(tmp_path_factory.mktemp("robust"), store=store(), env=LIGHT)
    try:
        running.start()
        yield running
    finally:
        running.close()


def _catalogue(folder: Path, prefix: str) -> Path:
    """40 products with a photograph each; every tenth has a second that is none."""
    page = {"page.jpg": refused()["page.jpg"]}
    extra = dict.fromkeys(range(0, PRODUCTS, 10), page)
    return write_catalogue(folder, PRODUCTS, views=1, prefix=prefix, seed=len(prefix), extra=extra)


_PAGES = [f"{place:04}-page.jpg" for place in range(0, PRODUCTS, 10)]


def _assert_whole(stack: Stack, prefix: str) -> None:
    """Every product is there, once, with its one good photograph."""
    with Lookalike(stack.server) as client:
        listed = [found for found in client.list() if found.product_id.startswith(prefix)]
    ids = Counter(product.product_id for product in listed)
    assert ids == Counter(f"{prefix}{place:03}" for place in range(PRODUCTS))
    assert {len(product.images) for product in listed} == {1}


def test_each_service_may_be_killed_in_the_middle_of_an_ingest(
    robust: Stack, tmp_path: Path
) -> None:
    listing = _catalogue(tmp_path, "killed-")
    outcomes: list[ProductOutcome] = []

    def ingest() -> None:
        with Catalogue.scan(str(listing)) as catalogue, Lookalike(robust.server) as client:
            client.ingest(catalogue, on_outcome=outcomes.append)

    thread = threading.Thread(target=ingest)
    thread.start()
    for turn, name in enumerate(SERVICES):
        enough = 4 + turn * 9
        eventually(lambda enough=enough: len(outcomes) >= enough, "the ingest goes on")  # type: ignore[misc]
        confirmed = [outcome.product_id for outcome in outcomes]
        serves_again = robust.kill(name)
        serves_again()
        # A result is a promise: what was told before the kill is there after it.
        with Lookalike(robust.server) as client:
            assert all(client.get(product_id).images for product_id in confirmed)
    thread.join()

    assert Counter(outcome.sequence for outcome in outcomes) == Counter(range(1, PRODUCTS + 1))
    states = {outcome.state for outcome in outcomes}
    assert states <= {OutcomeState.INDEXED, OutcomeState.UNCHANGED}
    failed = [failure.image for outcome in outcomes for failure in outcome.image_failures]
    assert sorted(failed) == _PAGES
    _assert_whole(robust, "killed-")


def test_a_killed_client_goes_on_where_it_stopped(robust: Stack, tmp_path: Path) -> None:
    listing = _catalogue(tmp_path, "client-")
    with Lookalike(robust.server) as client:
        before = client.status().product_count
        first = robust.start_lookalike("ingest", str(listing), "--json")
        eventually(lambda: client.status().product_count >= before + 8, "some are stored")
        first.kill()
        first.communicate()
    again = robust.json("ingest", str(listing), status=3)
    assert again["indexed"] + again["unchanged"] == PRODUCTS
    assert again["unchanged"] >= 8
    assert again["failed"] == 0
    # Also those that the killed run was told of.
    assert sorted(failure["image"] for failure in again["images_failed"]) == _PAGES
    _assert_whole(robust, "client-")


def test_a_restart_loses_nothing(robust: Stack, catalogue: Path) -> None:
    robust.json("ingest", str(catalogue))
    question = ("search", "a striped skirt", "-k", "12")
    before = robust.json(*question)
    processes = [psutil.Process(pid) for pid in robust.pids().values()]
    os.killpg(robust.supervisor, signal.SIGTERM)
    # The promise of `make run`, with all four services and Envoy.
    _, alive = psutil.wait_procs(processes, timeout=2.0)
    assert alive == []
    assert robust.stop() == 0
    robust.start()
    assert robust.json(*question)["results"] == before["results"]
    assert robust.json("ingest", str(catalogue))["unchanged"] == 12


def test_a_service_that_cannot_start_ends_the_run_with_a_sentence(tmp_path: Path) -> None:
    stack = Stack(tmp_path / "data", env={"LOOKALIKE_EMBEDDER_MODEL": "no-such-model"})
    try:
        with pytest.raises(AssertionError, match=r"embedder .* before it served; its last words"):
            stack.start()
        assert stack.stop() == 1
    finally:
        stack.close()
    assert "Traceback" not in json.dumps(stack.said())
