"""Changing the model of the whole system under load, with kills in the middle, over both stores."""

import subprocess
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from lookalike_client import Like, Lookalike
from lookalike_client.spaces import BuildState
from tests.e2e.conftest import LIGHT
from tests.e2e.stack import Stack, eventually
from tests.fixtures.garments import write_catalogue
from tests.fixtures.second_model import MISSING, SECOND, cache_with_second_model

PRODUCTS = 12
OTHER = f"{SECOND}-1"


@pytest.fixture(scope="module")
def switching(
    store: Callable[[], str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Stack]:
    """A running system of this file's own, with a second model, that holds a catalogue."""
    folder = tmp_path_factory.mktemp("switching")
    env = {**LIGHT, "LOOKALIKE_CACHE": str(cache_with_second_model(folder / "cache"))}
    running = Stack(folder / "data", store=store(), env=env)
    try:
        running.start()
        running.json("ingest", str(write_catalogue(folder / "catalogue", PRODUCTS, views=1)))
        yield running
    finally:
        running.close()


class Load:
    """Clients that ask all the time, until the end of the block; every answer is checked."""

    def __init__(self, server: str, clients: int = 4) -> None:
        self.spaces: Counter[str] = Counter()
        self.problems: list[str] = []
        self._server = server
        self._ended = threading.Event()
        self._threads = [
            threading.Thread(target=self._ask, args=(place,)) for place in range(clients)
        ]

    def __enter__(self) -> "Load":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        for thread in self._threads:
            thread.join()

    def _ask(self, place: int) -> None:
        part = "a striped skirt" if place % 2 else Like("p-001")
        with Lookalike(self._server) as client:
            while not self._ended.is_set():
                try:
                    found = client.search(part, k=5)
                    similar = client.similar("p-002", k=5)
                except Exception as error:
                    self.problems.append(repr(error))
                    continue
                for answer in (found, similar):
                    self.spaces[answer.embedding_version] += 1
                    if len(answer.results) != 5:
                        self.problems.append(f"{len(answer.results)} results")


def _active(stack: Stack) -> str:
    [first, *_] = stack.json("model", "list")["models"]
    assert first["role"] == "active"
    return str(first["embedding_version"])


def test_a_switch_and_a_rollback_under_load_lose_no_query(switching: Stack, tmp_path: Path) -> None:
    old = _active(switching)
    built = switching.json("model", "build", SECOND)
    assert (built["state"], built["done_count"]) == ("complete", PRODUCTS)
    compared = switching.json("model", "compare", SECOND, "--sample", "12", "-k", "5")
    assert compared["products"]["question_count"] == PRODUCTS
    assert 0 < compared["products"]["overlap_at_k"] <= 1

    with Load(switching.server) as load:
        eventually(lambda: load.spaces[old] >= 8, "the old space answers")
        done = switching.json("model", "switch", SECOND)
        assert (done["embedding_version"], done["previous_embedding_version"]) == (OTHER, old)
        eventually(lambda: load.spaces[OTHER] >= 8, "the new space answers")
        # What is ingested now is in both, so that going back loses nothing.
        more = write_catalogue(tmp_path / "more", 3, views=1, prefix="more-", seed=5)
        assert switching.json("ingest", str(more))["indexed"] == 3
        assert switching.json("model", "rollback")["embedding_version"] == old
        before = load.spaces[old]
        eventually(lambda: load.spaces[old] >= before + 8, "the old space answers again")
    assert load.problems == []
    assert set(load.spaces) == {old, OTHER}
    models = switching.json("model", "list")["models"][:2]
    assert [(one["role"], one["product_count"], one["lacking_count"]) for one in models] == [
        ("active", PRODUCTS + 3, 0),
        ("previous", PRODUCTS + 3, 0),
    ]
    assert switching.json("similar", "more-001")["results"]
    assert switching.json("model", "drop", SECOND)["dropped"] == OTHER


def test_a_build_goes_on_after_each_service_was_killed(switching: Stack) -> None:
    old = _active(switching)
    before = switching.json("status")["product_count"]
    for name in ("embedder", "indexer", "gateway"):
        with Lookalike(switching.server) as client:
            for progress in client.spaces.build(SECOND):
                if progress.state is not BuildState.RUNNING or progress.done_count > 0:
                    break
        switching.kill(name)()
        assert _active(switching) == old
        assert len(switching.json("search", "skirt")["results"]) == 5
    built = switching.json("model", "build", SECOND)
    assert (built["state"], built["done_count"]) == ("complete", before)
    # A restarted embedder knows the default only: it is asked to load what the index names.
    switching.json("model", "switch", SECOND)
    switching.kill("embedder")()
    found = switching.json("search", "a red dress")
    assert (found["embedding_version"], len(found["results"])) == (OTHER, 5)
    switching.kill("indexer")()
    assert _active(switching) == OTHER
    switching.json("model", "rollback")
    switching.json("model", "drop", SECOND)


def test_a_kill_around_the_switch_leaves_one_or_the_other(switching: Stack) -> None:
    old = _active(switching)
    switching.json("model", "build", SECOND)
    switch = switching.start_lookalike("model", "switch", SECOND, "--json")
    switching.kill("indexer")()
    try:
        switch.communicate(timeout=120)
    except subprocess.TimeoutExpired:
        switch.kill()
        raise
    models = switching.json("model", "list")["models"][:2]
    assert {one["role"] for one in models} in ({"active", "previous"}, {"active", "building"})
    found = switching.json("search", "skirt")
    assert found["embedding_version"] == models[0]["embedding_version"]
    assert len(found["results"]) == 5
    if models[0]["embedding_version"] == OTHER:
        switching.json("model", "rollback")
    assert _active(switching) == old
    switching.json("model", "drop", SECOND)


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (("build", MISSING), "MODEL_MISSING"),
        (("build", "no-such-model"), "MODEL_NOT_FOUND"),
        (("switch", SECOND), "SPACE_NOT_FOUND"),
        (("rollback",), "SPACE_NOT_FOUND"),
        (("compare",), "SPACE_NOT_FOUND"),
    ],
    ids=str,
)
def test_what_cannot_be_done_is_refused_with_a_reason(
    switching: Stack, arguments: tuple[str, ...], reason: str
) -> None:
    told = switching.json("model", *arguments, status=1)
    assert told["error"]["reason"] == reason
