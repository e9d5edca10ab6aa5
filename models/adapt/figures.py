"""Before and after, with intervals: what the report's tables hold."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from models.adapt.measure import Ranks, balanced
from models.eval.intervals import Interval, Ratio, estimate, estimate_differences

Answers = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Figure:
    """One line: a share of queries before and after, and the difference of the two, paired."""

    name: str
    queries: int
    before: Interval
    after: Interval
    difference: Interval


@dataclass(frozen=True, slots=True, eq=False)
class SpaceMeasure:
    """What a space does on held-out products.

    views, words: ranks; kinds: of held-out products with a category, whether the nearest of the
    shop's categories' words is theirs, and the category; nearest: the nearest general word of each
    held-out product.
    """

    views: Ranks
    words: Ranks
    kinds: npt.NDArray[np.bool_]
    kind_labels: Sequence[str]
    nearest: npt.NDArray[np.int64]


def figures(
    before: SpaceMeasure,
    after: SpaceMeasure,
    view_groups: Sequence[str],
    word_groups: Sequence[str],
    kind_groups: Sequence[str],
    seed: int,
) -> list[Figure]:
    """Retrieval by views and by words, and zero-shot categories.

    Args:
      *_groups: what is drawn together in the bootstrap: styles, questions, styles.
    """
    views = {f"view to product, R@{k}": k for k in (1, 5, 10)}
    words = {f"words to product, R@{k}": k for k in (1, 10)}
    kinds = ({"category by its word (zero-shot)": m.kinds} for m in (before, after))
    return [
        *_paired(_recalls(before.views, views), _recalls(after.views, views), view_groups, seed),
        *_paired(_recalls(before.words, words), _recalls(after.words, words), word_groups, seed),
        *_paired(*kinds, kind_groups, seed),
    ]


def retention(before: SpaceMeasure, after: SpaceMeasure) -> dict[str, float]:
    """How much of what the base knew of held-out products is still known."""
    result = {
        "same_nearest_general_garment_word": float((before.nearest == after.nearest).mean()),
    }
    if len(before.kinds):
        result["zero_shot_category_balanced_before"] = balanced(before.kinds, before.kind_labels)
        result["zero_shot_category_balanced_after"] = balanced(after.kinds, after.kind_labels)
    return result


def as_json(figure: Figure) -> dict[str, Any]:
    """Of the report's file."""
    return {
        "name": figure.name,
        "queries": figure.queries,
        **{
            name: {"value": _short(i.value), "low": _short(i.low), "high": _short(i.high)}
            for name, i in (
                ("before", figure.before),
                ("after", figure.after),
                ("difference", figure.difference),
            )
        },
    }


def _recalls(ranks: Ranks, wanted: Mapping[str, int]) -> dict[str, Answers]:
    return {name: ranks.recall(k) for name, k in wanted.items()}


def _paired(
    before: Mapping[str, Answers], after: Mapping[str, Answers], groups: Sequence[str], seed: int
) -> list[Figure]:
    if not groups:
        return []
    old = {name: [Ratio.mean(answers)] for name, answers in before.items()}
    new = {name: [Ratio.mean(answers)] for name, answers in after.items()}
    was, found = estimate(old, groups, seed), estimate(new, groups, seed)
    gained = estimate_differences(old, new, groups, seed)
    return [Figure(name, len(groups), was[name], found[name], gained[name]) for name in before]


def _short(value: float) -> float:
    return round(value, 4)
