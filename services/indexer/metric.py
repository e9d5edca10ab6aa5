"""How nearness is measured: the cosine, or a distance turned into a score that rises with it."""

from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from services.indexer.domain import Vector

Distances = NDArray[np.float64]


class Metric(IntEnum):
    """Numbered as lookalike.type.v1.DistanceMetric."""

    COSINE = 1
    L2 = 2
    L1 = 3


def distances(metric: Metric, values: NDArray[np.float32], vector: Vector) -> Distances:
    """L2 or L1 distances, summed in float64. Shapes: values (m, d), vector (d,); returns (m,)."""
    apart = values.astype(np.float64) - vector.astype(np.float64)
    if metric is Metric.L1:
        return np.asarray(np.abs(apart).sum(axis=1), np.float64)
    # Row by row: equal vectors are equally far, wherever they stand.
    return np.asarray(np.sqrt((apart * apart).sum(axis=1)), np.float64)


def score_of(distance: float) -> float:
    """Greater is nearer, as with cosines: 1 at distance 0, towards 0 far away."""
    return 1.0 / (1.0 + distance)


def nearness(metric: Metric, one: Vector, other: Vector) -> float:
    """The score of two vectors in a metric."""
    if metric is Metric.COSINE:
        return min(1.0, max(-1.0, float(one @ other)))
    return score_of(float(distances(metric, one[None], other)[0]))
