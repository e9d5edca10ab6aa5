"""How well a curve holds on queries that it never saw."""

from typing import Any

import numpy as np

from models.calibrate.curves import Curve, area
from models.calibrate.evidence import Evidence

_BINS = 10


def measured(curve: Curve, queries: Evidence) -> dict[str, Any]:
    """Figures for the report and the manifest.

    weak_on_topic, weak_off_topic: shares of queries whose best result is weak.
    calibration_error: mean distance between the told probability and the share that matched, over
    ten bins of equal count of the results of queries about clothes.
    """
    p = curve.probabilities(queries)
    weak = p.max(axis=1) < curve.weak_below
    on = queries.on_topic
    told, matched = p[on].reshape(-1), queries.matches[on].reshape(-1)
    order = np.argsort(told, kind="stable")
    bins = [
        {
            "told": round(float(told[some].mean()), 3),
            "matched": round(float(matched[some].mean()), 3),
            "results": len(some),
        }
        for some in np.array_split(order, _BINS)
        if len(some)
    ]
    error = sum(b["results"] * abs(b["told"] - b["matched"]) for b in bins) / max(1, len(told))
    best = p.max(axis=1)
    return {
        "queries_on_topic": int(on.sum()),
        "queries_off_topic": int((~on).sum()),
        "weak_on_topic": _share(weak[on]),
        "weak_off_topic": _share(weak[~on]),
        "area_on_over_off_topic": round(area(best[on], best[~on]), 4),
        "calibration_error": round(float(error), 4),
        "brier": round(float(((told - matched) ** 2).mean()), 4),
        "brier_of_the_mean": round(float(matched.mean() * (1 - matched.mean())), 4),
        "weak_by_stratum": {
            str(stratum): [
                _share(weak[queries.strata == stratum]),
                int((queries.strata == stratum).sum()),
            ]
            for stratum in np.unique(queries.strata)
        },
        "bins": bins,
    }


def _share(flags: Any) -> float | None:
    return round(float(flags.mean()), 4) if len(flags) else None
