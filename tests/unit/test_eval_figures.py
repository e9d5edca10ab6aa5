"""From the results of queries to figures with intervals, files, and differences."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from models.eval import ComparisonError, compare
from models.eval.charts import Bar, number, whiskers
from models.eval.comparison import Difference, paired
from models.eval.findings import findings
from models.eval.intervals import Ratio, estimate, estimate_differences
from models.eval.tables import ALL, Figure, Table, figures, read_tables, write_tables


def table(ranks: list[float], groups: list[str] | None = None) -> Table:
    ids = tuple(f"q{i}" for i in range(len(ranks)))
    return Table(
        ids, tuple(groups or ids), {ALL: tuple(range(len(ids)))}, {"rank": np.array(ranks, float)}
    )


def test_a_figure_is_its_mean_and_lies_in_its_interval() -> None:
    found = figures(table([0, 0, 0, 4, 9, 20]), seed=1)[ALL]
    assert found["r_at_1"].value == 0.5
    assert found["r_at_5"].value == pytest.approx(4 / 6, abs=1e-4)
    assert found["r_at_10"].value == pytest.approx(5 / 6, abs=1e-4)
    assert found["mrr"].value == pytest.approx((3 + 1 / 5 + 1 / 10 + 1 / 21) / 6, abs=1e-4)
    for figure in found.values():
        assert figure.low <= figure.value <= figure.high
        assert figure.n == 6


def test_the_same_seed_draws_the_same_interval_and_another_another() -> None:
    results = table([float(i % 7) for i in range(40)])
    assert figures(results, seed=3) == figures(results, seed=3)
    assert figures(results, seed=3) != figures(results, seed=4)


def test_the_interval_is_that_of_the_binomial() -> None:
    values = np.array([1.0] * 50 + [0.0] * 50)
    found = estimate({"m": [Ratio.mean(values)]}, [str(i) for i in range(100)], 0)["m"]
    assert found.low == pytest.approx(0.5 - 1.96 * 0.05, abs=0.02)
    assert found.high == pytest.approx(0.5 + 1.96 * 0.05, abs=0.02)


def test_rows_of_a_group_stand_or_fall_together() -> None:
    ranks = [0.0] * 20 + [9.0] * 20
    alone = figures(table(ranks), seed=0)[ALL]["r_at_1"]
    grouped = figures(table(ranks, ["a"] * 20 + ["b"] * 20), seed=0)[ALL]["r_at_1"]
    assert (grouped.low, grouped.high) == (0.0, 1.0)
    assert alone.low > 0.3


def test_a_single_query_has_an_interval_of_no_width() -> None:
    assert figures(table([0]), seed=0)[ALL]["r_at_1"] == Figure(1.0, 1.0, 1.0, 1)


def test_balanced_accuracy_is_the_mean_over_classes() -> None:
    results = replace(
        table([0, 0, 0, 0]),
        columns={"right": np.array([1.0, 1.0, 1.0, 0.0])},
        labels=("x", "x", "x", "y"),
    )
    found = figures(results, seed=0)[ALL]
    assert found["top_1"].value == 0.75
    assert found["balanced"].value == 0.5


def test_the_iou_of_a_class_is_that_of_all_its_pixels() -> None:
    results = replace(
        table([0, 0]),
        columns={
            "iou": np.array([0.4, 0.8]),
            "overlap_upper": np.array([10.0, 0.0]),
            "union_upper": np.array([10.0, 30.0]),
            "overlap_lower": np.array([0.0, 5.0]),
            "union_lower": np.array([0.0, 10.0]),
            "overlap_full": np.zeros(2),
            "union_full": np.zeros(2),
        },
    )
    found = {name: figure.value for name, figure in figures(results, seed=0)[ALL].items()}
    assert found == {
        "iou": 0.6,
        "iou_below_half": 0.5,
        "iou_upper": 0.25,
        "iou_lower": 0.5,
        "iou_three_classes": 0.375,
    }


def test_paired_differences_are_narrower_than_two_intervals() -> None:
    hard = np.arange(60) % 2
    old, new = hard * 1.0, np.where(np.arange(60) < 4, 1.0, hard)
    groups = [str(i) for i in range(60)]
    found = estimate_differences({"m": [Ratio.mean(old)]}, {"m": [Ratio.mean(new)]}, groups, 0)["m"]
    assert found.value == pytest.approx(2 / 60)
    assert found.high - found.low < 0.1


def test_a_difference_is_taken_over_the_queries_of_both() -> None:
    old, new = table([0, 9, 9]), table([0, 0, 0, 0])
    changes, n = paired(old, new, ALL)
    assert n == 3
    assert changes["r_at_1"].value == pytest.approx(2 / 3)
    assert paired(old, new, "no such scope") == ({}, 0)


def test_tables_survive_their_file(tmp_path: Path) -> None:
    tables = {"A": {"plain": table([0, 3]), "green": table([1, 1])}}
    write_tables(tables, tmp_path / "queries.json")
    again = read_tables(tmp_path / "queries.json")
    assert again["A"]["plain"].ids == ("q0", "q1")
    assert figures(again["A"]["green"], 0) == figures(tables["A"]["green"], 0)


def write_measurement(folder: Path, results: Table, *, queries: bool = True) -> Path:
    folder.mkdir()
    found = figures(results, 0)
    plain = {
        scope: {
            name: {"value": f.value, "low": f.low, "high": f.high, "n": f.n}
            for name, f in metrics.items()
        }
        for scope, metrics in found.items()
    }
    document = {
        "model": {"name": folder.name, "version": "1"},
        "protocols": {"A": {"green": plain}},
    }
    (folder / "eval.json").write_text(json.dumps(document))
    if queries:
        write_tables({"A": {"green": results}}, folder / "queries.json")
    return folder


def test_two_measurements_compare_by_folder_or_file(tmp_path: Path) -> None:
    old = write_measurement(tmp_path / "old", table([9.0] * 30))
    new = write_measurement(tmp_path / "new", table([0.0] * 29 + [9.0]))
    comparison = compare(old, new / "eval.json")
    assert (comparison.old_model, comparison.new_model) == ("old (1)", "new (1)")
    found = comparison.of("A", "green", ALL, "r_at_1")
    assert found is not None
    assert found.difference == pytest.approx(29 / 30, abs=1e-4)
    assert found.verdict == "better"
    assert comparison.of("A", "green", ALL, "nothing") is None
    back = compare(new, old).of("A", "green", ALL, "r_at_1")
    assert back is not None
    assert back.verdict == "worse"


def test_without_the_queries_a_difference_has_no_interval_and_no_verdict(tmp_path: Path) -> None:
    old = write_measurement(tmp_path / "old", table([9.0] * 30), queries=False)
    new = write_measurement(tmp_path / "new", table([0.0] * 30))
    found = compare(old, new).of("A", "green", ALL, "r_at_1")
    assert found is not None
    assert (found.difference, found.low, found.high, found.verdict) == (1.0, None, None, "same")


def test_what_is_no_measurement_is_said_so(tmp_path: Path) -> None:
    with pytest.raises(ComparisonError, match="nowhere"):
        compare(tmp_path / "nowhere", tmp_path)
    (tmp_path / "eval.json").write_text("[]")
    with pytest.raises(ComparisonError, match="no measurement"):
        compare(tmp_path, tmp_path)


def test_fewer_poor_masks_are_better() -> None:
    one = Difference("D", "int8", ALL, "iou_below_half", 0.5, 0.1, -0.4, -0.5, -0.3, 10)
    assert one.verdict == "better"


def test_a_finding_says_whether_green_helps() -> None:
    tables = {"C": {"plain": _classes([0, 1] * 20), "green": _classes([1, 1] * 20)}}
    verdicts = {(one.metric, one.verdict) for one in findings(tables, 0)}
    assert verdicts == {("top_1", "helps"), ("balanced", "helps")}
    tables = {"C": {"plain": _classes([0, 1] * 20), "green": _classes([1, 0] * 20)}}
    assert {one.verdict for one in findings(tables, 0)} == {"no difference shown"}


def test_names_in_charts_are_escaped() -> None:
    drawing = whiskers([Bar("<script>", Figure(0.5, 0.4, 0.6, 9))], "<b>&")
    assert "<script>" not in drawing
    assert "<b>" not in drawing
    assert "&lt;script&gt;" in drawing
    assert whiskers([], "nothing") == ""


def test_numbers_are_written_short() -> None:
    assert [number(value) for value in (0.8731, 1.0, 0.0, -0.25)] == [".873", "1", ".000", "-.250"]


def _classes(right: list[int]) -> Table:
    labels = tuple("xy"[i // 2 % 2] for i in range(len(right)))
    return replace(
        table([0.0] * len(right)), columns={"right": np.array(right, float)}, labels=labels
    )
