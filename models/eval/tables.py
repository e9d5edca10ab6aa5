"""Results query by query, and the figures made of them.

A table holds one protocol's answers in one setting: a row for each query, columns of ranks or
numbers, and the scopes that a row counts in. Every metric is a mean of ratios of sums over rows:
that one form covers recall (one ratio, denominators 1), balanced accuracy (a ratio for each class)
and the IoU of a class over all pixels, and can be resampled by weighting rows.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from models.eval.intervals import Interval, Ratio, estimate

ALL = "all"
CUTS = (1, 5, 10)
MASK_CLASSES = ("upper", "lower", "full")
_POOR_IOU = 0.5
Column = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Table:
    """Rows of one protocol in one setting.

    ids: of the queries, unique; equal in two tables for the same query.
    groups: rows of one group stand or fall together (views of one style) and are resampled as one.
    scopes: row numbers by scope; every table has ALL.
    columns: numbers by name: `rank…` counts from 0, `right…` is 0 or 1, `overlap_…` and `union_…`
      are pixels of a class, anything else is averaged.
    labels: the true class of each row, for protocol C; else empty.
    """

    ids: tuple[str, ...]
    groups: tuple[str, ...]
    scopes: Mapping[str, tuple[int, ...]]
    columns: Mapping[str, Column]
    labels: tuple[str, ...] = ()

    def rows(self, numbers: Sequence[int]) -> "Table":
        """A part of the table, without scopes."""
        chosen = np.asarray(numbers, int)
        return Table(
            tuple(self.ids[i] for i in numbers),
            tuple(self.groups[i] for i in numbers),
            {ALL: tuple(range(len(numbers)))},
            {name: values[chosen] for name, values in self.columns.items()},
            tuple(self.labels[i] for i in numbers) if self.labels else (),
        )


Tables = dict[str, dict[str, Table]]
"""By protocol, then setting."""


@dataclass(frozen=True, slots=True)
class Figure:
    """One number with its 95 % interval; n: rows behind it."""

    value: float
    low: float
    high: float
    n: int


def figures(table: Table, seed: int) -> dict[str, dict[str, Figure]]:
    """Every metric of a table, by scope and name."""
    result: dict[str, dict[str, Figure]] = {}
    for scope, numbers in table.scopes.items():
        part = table.rows(numbers)
        result[scope] = {
            name: _figure(interval, len(part.ids))
            for name, interval in estimate(metrics(part), part.groups, seed).items()
        }
    return result


def metrics(table: Table) -> dict[str, list[Ratio]]:
    """The ratios whose mean is the metric, by name; ranks become recalls and MRR."""
    found: dict[str, list[Ratio]] = {}
    for name, column in table.columns.items():
        if name.startswith("rank"):
            prefix = name.removeprefix("rank").removeprefix("_")
            prefix += "_" if prefix else ""
            for cut in CUTS:
                found[f"{prefix}r_at_{cut}"] = [Ratio.mean(column < cut)]
            found[f"{prefix}mrr"] = [Ratio.mean(1 / (column + 1))]
        elif name.startswith("right"):
            suffix = name.removeprefix("right")
            found[f"top_1{suffix}"] = [Ratio.mean(column)]
            found[f"balanced{suffix}"] = _by_class(column, table.labels)
        elif name == "iou":
            found["iou"] = [Ratio.mean(column)]
            found["iou_below_half"] = [Ratio.mean(column < _POOR_IOU)]
        elif name.startswith("union_"):
            kind = name.removeprefix("union_")
            if column.any():
                found[f"iou_{kind}"] = [Ratio(table.columns[f"overlap_{kind}"], column)]
        elif not name.startswith("overlap_"):
            found[name] = [Ratio.mean(column)]
    classes = [found[f"iou_{kind}"][0] for kind in MASK_CLASSES if f"iou_{kind}" in found]
    if classes:
        found["iou_three_classes"] = classes
    return found


def write_tables(tables: Tables, path: Path) -> None:
    """Whole or not at all."""
    document = {
        protocol: {
            setting: {
                "ids": table.ids,
                "groups": table.groups,
                "scopes": table.scopes,
                "columns": {name: _plain(values) for name, values in table.columns.items()},
                "labels": table.labels,
            }
            for setting, table in settings.items()
        }
        for protocol, settings in tables.items()
    }
    partial = path.with_suffix(".partial")
    partial.write_text(json.dumps(document, separators=(",", ":")))
    partial.replace(path)


def read_tables(path: Path) -> Tables:
    """What `write_tables` wrote."""
    document = json.loads(path.read_text())
    return {
        protocol: {setting: _table(value) for setting, value in settings.items()}
        for protocol, settings in document.items()
    }


def _table(value: Mapping[str, Any]) -> Table:
    return Table(
        tuple(value["ids"]),
        tuple(value["groups"]),
        {scope: tuple(numbers) for scope, numbers in value["scopes"].items()},
        {name: np.asarray(values, np.float64) for name, values in value["columns"].items()},
        tuple(value["labels"]),
    )


def _plain(values: Column) -> list[float]:
    return [int(v) if float(v).is_integer() else round(float(v), 6) for v in values]


def _figure(interval: Interval, n: int) -> Figure:
    return Figure(round(interval.value, 4), round(interval.low, 4), round(interval.high, 4), n)


def _by_class(right: Column, labels: Sequence[str]) -> list[Ratio]:
    truth = np.asarray(labels)
    members = [(truth == label).astype(np.float64) for label in sorted(set(labels))]
    return [Ratio(right * inside, inside) for inside in members]
