"""Two measurements side by side: what changed, and whether it is more than chance.

Needs neither the services nor a model: whoever switches models can call `compare`.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from models.eval.intervals import Interval, estimate_differences
from models.eval.tables import Table, metrics, read_tables

FIGURES_FILE = "eval.json"
QUERIES_FILE = "queries.json"
_SEED = 0
_LOWER_IS_BETTER = frozenset({"iou_below_half"})


class ComparisonError(ValueError):
    """There is no measurement where one was said to be."""


@dataclass(frozen=True, slots=True)
class Difference:
    """One figure in both measurements.

    difference: new less old over the queries of both; low and high: its paired 95 % interval, None
      where the results of single queries are missing. n: queries of both.
    """

    protocol: str
    setting: str
    scope: str
    metric: str
    old: float
    new: float
    difference: float
    low: float | None
    high: float | None
    n: int

    @property
    def verdict(self) -> str:
        """better, worse or same: beyond what the interval leaves to chance."""
        if self.low is None or self.high is None or self.low <= 0 <= self.high:
            return "same"
        return "better" if (self.low > 0) != (self.metric in _LOWER_IS_BETTER) else "worse"


@dataclass(frozen=True, slots=True)
class Comparison:
    """All figures that two measurements share; models are named as `name (version)`."""

    old_model: str
    new_model: str
    differences: tuple[Difference, ...]

    def of(self, protocol: str, setting: str, scope: str, metric: str) -> Difference | None:
        """One figure's difference, if both measurements have it."""
        wanted = (protocol, setting, scope, metric)
        for one in self.differences:
            if (one.protocol, one.setting, one.scope, one.metric) == wanted:
                return one
        return None


def compare(old: Path, new: Path) -> Comparison:
    """Two measurements by their eval.json or its folder.

    Raises:
      ComparisonError: one of them cannot be read.
    """
    old_file, new_file = _file(old), _file(new)
    before, after = _document(old_file), _document(new_file)
    intervals = _intervals(old_file.with_name(QUERIES_FILE), new_file.with_name(QUERIES_FILE))
    differences, before_flat = [], _flat(before)
    for place, figure in _flat(after).items():
        earlier = before_flat.get(place)
        if earlier is None:
            continue
        interval, n = intervals.get(place, (None, int(figure["n"])))
        change = figure["value"] - earlier["value"] if interval is None else interval.value
        differences.append(
            Difference(
                *place,
                old=earlier["value"],
                new=figure["value"],
                difference=round(change, 4),
                low=None if interval is None else round(interval.low, 4),
                high=None if interval is None else round(interval.high, 4),
                n=n,
            )
        )
    return Comparison(_model(before), _model(after), tuple(differences))


def paired(
    old: Table, new: Table, scope: str, seed: int = _SEED
) -> tuple[dict[str, Interval], int]:
    """Every metric's difference over the rows of a scope that both tables have, and their number.

    A row belongs to the scope if it does in the new table; no common row: ({}, 0).
    """
    there = {one: row for row, one in enumerate(old.ids)}
    rows = [row for row in new.scopes.get(scope, ()) if new.ids[row] in there]
    if not rows:
        return {}, 0
    later = new.rows(rows)
    earlier = old.rows([there[one] for one in later.ids])
    found = estimate_differences(metrics(earlier), metrics(later), later.groups, seed)
    return found, len(rows)


Place = tuple[str, str, str, str]


def _intervals(old: Path, new: Path) -> dict[Place, tuple[Interval, int]]:
    if not old.is_file() or not new.is_file():
        return {}
    before, after = read_tables(old), read_tables(new)
    found: dict[Place, tuple[Interval, int]] = {}
    for protocol, settings in after.items():
        for setting, table in settings.items():
            earlier = before.get(protocol, {}).get(setting)
            if earlier is None:
                continue
            for scope in table.scopes:
                changes, n = paired(earlier, table, scope)
                for metric, interval in changes.items():
                    found[protocol, setting, scope, metric] = (interval, n)
    return found


def _file(path: Path) -> Path:
    return path / FIGURES_FILE if path.is_dir() else path


def _document(path: Path) -> dict[str, Any]:
    try:
        document = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise ComparisonError(f"{path}: {error}") from error
    if not isinstance(document, dict) or "protocols" not in document:
        raise ComparisonError(f"{path} is no measurement")
    return document


def _flat(document: Mapping[str, Any]) -> dict[Place, Mapping[str, float]]:
    return {
        (protocol, setting, scope, metric): figure
        for protocol, settings in document["protocols"].items()
        for setting, scopes in settings.items()
        for scope, figures in scopes.items()
        for metric, figure in figures.items()
    }


def _model(document: Mapping[str, Any]) -> str:
    return f"{document['model']['name']} ({document['model']['version']})"
