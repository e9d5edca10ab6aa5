"""The whole system, used through its command line, over both stores."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.stack import SERVICES, Stack
from tests.fixtures.garments import garments


def _ids(document: dict[str, Any]) -> list[str]:
    return [result["product_id"] for result in document["results"]]


def test_every_service_serves_and_says_so(stack: Stack) -> None:
    status = stack.json("status")
    assert {service["name"]: service["state"] for service in status["services"]} == dict.fromkeys(
        SERVICES, "serving"
    )
    assert (status["product_count"], status["image_count"]) == (12, 24)


def test_a_second_ingest_changes_nothing(stack: Stack, catalogue: Path) -> None:
    again = stack.json("ingest", str(catalogue))
    assert (again["indexed"], again["unchanged"], again["failed"]) == (0, 12, 0)
    assert again["images_failed"] == []


def test_a_search_by_words_gives_the_number_asked_for_best_first(stack: Stack) -> None:
    found = stack.json("search", "a red dress", "-k", "7")["results"]
    assert len(found) == 7
    scores = [result["score"] for result in found]
    assert scores == sorted(scores, reverse=True)
    assert all(len(result["images"]) == 2 for result in found)


def test_more_than_there_is_gives_all_there_is(stack: Stack) -> None:
    assert len(_ids(stack.json("search", "clothes", "-k", "50"))) == 12


def test_a_product_is_never_similar_to_itself(stack: Stack) -> None:
    similar = _ids(stack.json("similar", "p-003"))
    assert len(similar) == 5
    assert "p-003" not in similar


def test_a_products_own_photograph_finds_it_first(stack: Stack, catalogue: Path) -> None:
    photograph = catalogue.with_name("0004-0.jpg")
    assert _ids(stack.json("search", "--image", str(photograph)))[0] == "p-004"


def test_filters_hold_for_every_result(stack: Stack) -> None:
    colour = garments(12)[0].colour
    wanted = {f"p-{i:03}" for i, garment in enumerate(garments(12)) if garment.colour == colour}
    found = stack.json("search", "clothes", "--filter", f"colour={colour}", "-k", "12")
    assert set(_ids(found)) == wanted


def test_parts_of_a_query_may_be_mixed(stack: Stack, catalogue: Path) -> None:
    photograph = str(catalogue.with_name("0002-1.jpg"))
    found = stack.json("search", "skirt", "--image", photograph, "--like", "p-005", "--not", "red")
    assert len(_ids(found)) == 5


def test_facets_count_the_catalogue(stack: Stack) -> None:
    facets = {facet["field"]: facet for facet in stack.json("facets")["facets"]}
    assert sum(value["count"] for value in facets["colour"]["values"]) == 12


def test_show_tells_a_product_with_all_its_photographs(stack: Stack) -> None:
    shown = stack.json("show", "p-001")
    assert shown["product_id"] == "p-001"
    assert len(shown["images"]) == 2


def test_a_photograph_is_cut_out_to_a_file(stack: Stack, catalogue: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.png"
    stack.json("segment", str(catalogue.with_name("0000-0.jpg")), "-o", str(out))
    assert out.read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    "arguments",
    [
        ("show", "nothing-like-it"),
        ("similar", "nothing-like-it"),
        ("search", "dress", "--garment", "hat"),
        ("search", "dress", "-k", "0"),
        ("search",),
        ("ingest", "/nowhere/at/all"),
    ],
    ids=" ".join,
)
def test_what_cannot_be_done_ends_with_status_1(stack: Stack, arguments: tuple[str, ...]) -> None:
    done = stack.lookalike(*arguments, status=1)
    assert "Traceback" not in done.stderr


def test_deleted_products_are_gone(stack: Stack, tmp_path: Path, catalogue: Path) -> None:
    own = tmp_path / "one.jsonl"
    image = str(catalogue.with_name("0001-0.jpg"))
    own.write_text(json.dumps({"product_id": "to-delete", "images": [image]}) + "\n")
    stack.json("ingest", str(own))
    assert stack.json("show", "to-delete")["product_id"] == "to-delete"
    stack.json("delete", "to-delete")
    stack.lookalike("show", "to-delete", status=1)
    # The same photograph belongs to another product still.
    assert _ids(stack.json("search", "--image", image))[0] == "p-001"


@pytest.mark.parametrize("name", SERVICES)
def test_every_service_can_be_scraped(stack: Stack, name: str) -> None:
    metrics = stack.metrics(name)
    assert metrics[f"lookalike_{name}_serving"] == 1
    calls = [
        value
        for series, value in metrics.items()
        if series.startswith(f"lookalike_{name}_rpc_handled_total") and 'code="OK"' in series
    ]
    assert sum(calls) > 0


def test_the_edge_can_be_scraped(stack: Stack) -> None:
    assert any(series.startswith("envoy_") for series in stack.metrics("edge"))
