"""`python -m models.eval` from end to end on drawn garments, with the small real models."""

import html.parser
import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from models.eval import compare
from models.eval.__main__ import main
from models.eval.layout import LayoutError, read_measuring
from models.eval.mask_cache import MaskCache
from models.registry import cache_dir
from services.embedder.config import EmbedderConfig
from tests.fixtures.measuring import Drawn, write_labelled, write_masks, write_products

EVIL = 'red <script>alert("x")</script>'


@pytest.fixture(autouse=True, scope="module")
def own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A cache of its own beside the models that are there: no test leaves masks in the user's."""
    folder = tmp_path_factory.mktemp("cache")
    (folder / "models").symlink_to(cache_dir() / "models")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LOOKALIKE_CACHE", str(folder))
        yield folder


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    drawn = Drawn(colours=("red", "green"))
    write_products(folder, drawn)
    write_labelled(folder, "labelled", drawn)
    write_masks(folder)
    lines = (folder / "products" / "products.jsonl").read_text().splitlines()
    first = json.loads(lines[0]) | {"group_id": f"shop0:{EVIL}"}
    broken = first | {"group_id": "shop0:gone", "style_id": "gone", "images": ["img/gone.jpg"]}
    broken["views"] = ["main"]
    (folder / "products" / "products.jsonl").write_text(
        "\n".join([json.dumps(first), *lines[1:], json.dumps(broken)]) + "\n"
    )
    return folder


@pytest.fixture(scope="module")
def measured(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("out") / "first"
    assert run(data, out) == 0
    return out


def run(data: Path, out: Path, *more: str) -> int:
    return main(["--data", str(data), "--out", str(out), "--segmenter", "u2netp", *more])


def figures(out: Path) -> dict[str, dict[str, dict[str, dict[str, dict[str, float]]]]]:
    document = json.loads((out / "eval.json").read_text())
    return dict(document["protocols"])


def test_every_protocol_has_figures_in_every_setting(measured: Path) -> None:
    found = figures(measured)
    settings = {"plain", "green", "union", "white", "grey", "far", "plain+green", "green+far"}
    assert set(found["A"]) == settings | {"floor: photograph", "floor: garment"}
    assert set(found["B"]) == settings
    assert set(found["C"]) == settings - {"union"}
    assert set(found["D"]) == {"floor: everything", "u2netp"}
    views = found["A"]["green"]
    assert set(views) == {"all", "shop0", "shop1", "green clothes", "other clothes"}
    assert views["all"]["strict_r_at_1"]["n"] == 16
    # A drawing's two views differ by grain alone.
    assert views["all"]["lenient_r_at_5"]["value"] == 1.0
    for protocol in found.values():
        for scopes in protocol.values():
            for metrics in scopes.values():
                for figure in metrics.values():
                    assert 0 <= figure["low"] <= figure["value"] <= figure["high"] <= 1


def test_the_salient_network_finds_drawn_garments_better_than_everything(measured: Path) -> None:
    found = figures(measured)["D"]
    assert (
        found["u2netp"]["all"]["iou"]["value"] > found["floor: everything"]["all"]["iou"]["value"]
    )


def test_the_labels_that_no_photograph_has_are_candidates_of_all_classes(measured: Path) -> None:
    document = json.loads((measured / "eval.json").read_text())
    assert set(document["confusion"]) == {"shirt", "skirt", "trousers"}
    assert "top_1_of_all" in document["protocols"]["C"]["green"]["all"]


def test_an_unreadable_photograph_is_told_and_costs_nothing_else(measured: Path) -> None:
    document = json.loads((measured / "eval.json").read_text())
    [(path, why)] = document["data"]["unreadable"].items()
    assert path.endswith("gone.jpg")
    assert "No such file" in why
    assert document["data"]["counts"]["products"] == 8


class Page(html.parser.HTMLParser):
    """Tags that stay open, and what the page would fetch or run."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.foreign: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in ("meta", "img", "br", "line", "circle"):
            self.open.append(tag)
        for name, value in attrs:
            outside = name in ("src", "href") and not (value or "").startswith(("data:", "#"))
            if outside or name.startswith("on") or tag in ("script", "link", "iframe"):
                self.foreign.append(f"{tag} {name}={value}")

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if self.open and self.open[-1] == tag:
            self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_the_report_is_one_file_that_fetches_and_runs_nothing(measured: Path) -> None:
    text = (measured / "report.html").read_text()
    page = Page()
    page.feed(text)
    assert page.open == []
    assert page.foreign == []
    assert EVIL not in text
    assert "@import" not in text
    assert not re.search(r"url\(", text)
    assert text.count("data:image/jpeg;base64,") > 20


def test_a_second_run_computes_nothing_and_finds_the_same(
    data: Path, measured: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("was in the cache")

    monkeypatch.setattr(MaskCache, "compute", refuse)
    assert run(data, tmp_path / "again", "--against", str(measured)) == 0
    assert figures(tmp_path / "again") == figures(measured)
    document = json.loads((tmp_path / "again" / "eval.json").read_text())
    assert {one["verdict"] for one in document["differences"]} == {"same"}
    assert "Since " in (tmp_path / "again" / "report.html").read_text()
    assert compare(measured, tmp_path / "again").differences


def test_what_is_absent_is_skipped_and_said(data: Path, tmp_path: Path) -> None:
    shutil.copytree(data / "labelled", tmp_path / "data" / "garments")
    assert run(tmp_path / "data", tmp_path / "out", "--backgrounds", "plain") == 0
    document = json.loads((tmp_path / "out" / "eval.json").read_text())
    assert set(document["protocols"]) == {"C"}
    assert set(document["skipped"]) == {"A", "B", "D"}
    assert "masks/masks.csv" in (tmp_path / "out" / "report.html").read_text()


def test_a_part_can_be_measured_alone(data: Path, tmp_path: Path) -> None:
    more = ("--protocols", "AB", "--shops", "shop1", "--backgrounds", "green", "--dimension", "64")
    assert run(data, tmp_path / "out", *more) == 0
    document = json.loads((tmp_path / "out" / "eval.json").read_text())
    assert document["model"]["dimension"] == 64
    assert document["model"]["name"] == EmbedderConfig().model
    assert document["data"]["counts"]["products"] == 4
    assert set(document["protocols"]["A"]) == {"floor: photograph", "floor: garment", "green"}


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        ("", "has no products"),
        ('{"group_id": "a"}\n', r"products.jsonl:1: images is missing"),
        ("[1]\n", r"products.jsonl:1: not an object"),
        ("{\n", r"products.jsonl:1: "),
        (
            '{"group_id": "a", "images": ["x"], "views": ["m", "n"]}\n',
            "1 different images, 2 views",
        ),
    ],
)
def test_data_that_says_too_little_is_refused_by_line(
    tmp_path: Path, content: str, complaint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "products").mkdir()
    (tmp_path / "products" / "products.jsonl").write_text(content)
    with pytest.raises(LayoutError, match=complaint):
        read_measuring(tmp_path)


def test_nothing_to_measure_ends_with_a_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(tmp_path, tmp_path / "out") == 2
    assert "no products" in capsys.readouterr().err


def test_a_limit_takes_products_from_every_shop(data: Path) -> None:
    part = read_measuring(data, limit=2)
    assert [one.source for one in part.products].count("shop1") == 2
    assert len(part.labelled[0].photos) == 2
    assert len(part.masked) == 2
