"""From gathered vectors to the curves of every kind of query, each tested on what it never saw."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from models.calibrate import category
from models.calibrate.corpus import WORDS_ON_TOPIC, Item, photographs, products, words
from models.calibrate.curves import Curve, fit_curve
from models.calibrate.evidence import Evidence, together
from models.calibrate.gather import Gathered
from models.calibrate.report import measured

TO_FIT = ", to fit"


@dataclass(frozen=True, slots=True, eq=False)
class Calibrated:
    """What was found, and how it was measured; report: by kind, as JSON would hold it."""

    curves: dict[str, Curve]
    category: category.Rule | None
    report: dict[str, Any]
    query_count: int


def calibrate(found: Gathered) -> Calibrated:
    """Fits on one half of the queries and tests on the other.

    Raises:
      ValueError: a kind has no queries to fit on.
    """
    clothes = [item for item in found.items if item.clothing]
    curves: dict[str, Curve] = {}
    report: dict[str, Any] = {}
    count = 0
    kinds = {
        "text": words(clothes, found.queries, found.texts, found.off_topic.texts),
        "image": photographs(clothes, found.photos, found.off_topic.pictures),
        "product": products(found.items),
    }
    for kind, all_queries in kinds.items():
        fit, test = _split(kind, all_queries)
        if not fit.on_topic.any() or fit.on_topic.all():
            raise ValueError(f"{kind}: nothing to fit on; give more data")
        # A product's vector is the index's; only the cosines of its neighbours tell of it.
        topic = kind != "product"
        curves[kind] = fit_curve(fit, with_topic=topic, with_usual=kind == "image")
        report[kind] = measured(curves[kind], test)
        count += len(fit)
    rule = None
    if found.categories and found.photos:
        asked = category.guesses(_in_categories(clothes), found.photos, _named(clothes, found))
        if asked.fit.any() and not asked.fit.all():
            rule = category.fit_rule(asked)
            report["category"] = category.measured(asked, rule)
    return Calibrated(curves, rule, report, count)


def _split(kind: str, queries: Evidence) -> tuple[Evidence, Evidence]:
    on = queries.on_topic & np.isin(queries.strata, _USUAL[kind])
    fit, test = queries.where(on).halves()
    off = queries.where(~queries.on_topic & (queries.strata != "user photograph, not sold"))
    if kind == "product":
        off_fit, off_test = off.halves()
    else:
        to_fit = np.array([stratum.endswith(TO_FIT) for stratum in off.strata])
        off_fit, off_test = off.where(to_fit), off.where(~to_fit)
    return together([fit, off_fit]), together([test, off_test])


def _in_categories(items: list[Item]) -> list[Item]:
    return [item for item in items if item.category]


def _named(items: list[Item], found: Gathered) -> dict[str, Any]:
    return {item.category: found.categories[item.category] for item in _in_categories(items)}


_USUAL = {
    "text": WORDS_ON_TOPIC,
    "image": ("another view", "user photograph"),
    "product": ("clothing",),
}
