"""Hostile files between good ones: each fails alone, and says why."""

import json
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from lookalike_client import Lookalike
from tests.e2e.hostile import refused, unusual
from tests.e2e.stack import SERVICES, Stack
from tests.fixtures.garments import write_catalogue

GOOD = [f"good-{place:03}" for place in range(6)]


def _vectors(stack: Stack) -> npt.NDArray[np.float64]:
    """The good products' own vectors, a row each."""
    with Lookalike(stack.server) as client:
        rows = [client.get(product_id, vectors=True).embedding for product_id in GOOD]
    return np.asarray(rows, dtype=np.float64)


# What a file does does not depend on where products are stored.
@pytest.mark.parametrize("store", ["sqlite"], indirect=True, scope="session")
def test_neighbours_of_hostile_files_are_what_they_are_alone(stack: Stack, tmp_path: Path) -> None:
    pids = stack.pids()
    good = write_catalogue(tmp_path, len(GOOD), prefix="good-", seed=9)
    for line in good.read_text().splitlines():
        # One at a time: nothing shares a batch.
        alone = good.with_name("alone.jsonl")
        alone.write_text(line + "\n")
        stack.json("ingest", str(alone))
    expected = _vectors(stack)
    stack.json("delete", *GOOD)

    bad = refused()
    products = []
    for place, line in enumerate(good.read_text().splitlines()):
        products.append(json.loads(line))
        for name, data in list(bad.items())[place :: len(GOOD)]:
            good.with_name(name).write_bytes(data)
            # With a good photograph, and by itself.
            products[-1]["images"].insert(1, name)
            products.append({"product_id": f"only-{name}", "images": [name]})
    for name, data in unusual().items():
        good.with_name(name).write_bytes(data)
        products.append({"product_id": f"odd-{name}", "images": [name]})
    products.append({"product_id": "no-images", "images": []})
    products.append({"product_id": "absent", "images": ["not-there.jpg"]})
    listing = good.with_name("hostile.jsonl")
    listing.write_text("".join(json.dumps(product) + "\n" for product in products))

    summary = stack.json("ingest", str(listing), status=3)
    assert summary["indexed"] == len(GOOD) + len(unusual())
    assert summary["failed"] == len(bad) + 2
    told = {(failure["product_id"], failure["image"]) for failure in summary["images_failed"]}
    assert {image for _, image in told} == {*bad, "not-there.jpg"}
    assert {(f"only-{name}", name) for name in bad} <= told
    stages = {failure["image"]: failure["stage"] for failure in summary["images_failed"]}
    assert stages.pop("not-there.jpg") == "fetch"
    assert set(stages.values()) == {"decode"}
    assert all(failure["reason"] for failure in summary["images_failed"])

    distances = 1 - np.sum(_vectors(stack) * expected, axis=1)
    assert np.max(distances) <= 1e-5
    assert stack.pids() == pids
    stack.lookalike("status")
    for name in SERVICES:
        assert "uncaught" not in json.dumps(stack.records(name))
    stack.json("delete", *(product["product_id"] for product in products), status=3)
