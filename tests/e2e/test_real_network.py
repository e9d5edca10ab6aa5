"""The default segmenter, the real clothing network, once through the whole system."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

from tests.e2e.stack import Stack
from tests.fixtures.garments import write_catalogue


@pytest.fixture
def full_stack(tmp_path: Path) -> Iterator[Stack]:
    """A system without any setting of the models'."""
    running = Stack(tmp_path / "data")
    try:
        running.start()
        yield running
    finally:
        running.close()


def test_the_clothing_network_cuts_out_what_is_ingested(full_stack: Stack, tmp_path: Path) -> None:
    catalogue = write_catalogue(tmp_path / "catalogue", 3, views=1)
    summary = full_stack.json("ingest", str(catalogue))
    assert summary["indexed"] == 3
    [segmenter] = [
        service
        for service in full_stack.json("status")["services"]
        if service["name"] == "segmenter"
    ]
    assert "u2netp" not in json.dumps(segmenter)
    found = full_stack.json("search", "--image", str(catalogue.with_name("0001-0.jpg")))
    assert found["results"][0]["product_id"] == "p-001"
    out = tmp_path / "composite.png"
    full_stack.json("segment", str(catalogue.with_name("0000-0.jpg")), "-o", str(out))
    with Image.open(out) as composite:
        assert composite.size == (320, 400)
        # The wall behind the garment has become the green screen.
        assert composite.convert("RGB").getpixel((2, 2)) == (0, 255, 0)
