"""Bootstrap intervals: how far a figure would move had other queries been asked.

Groups of queries are drawn with replacement, as many as there are; the interval is the middle 95 %
of the figure over the draws. The percentile method needs no shape of the distribution; it is
slightly too narrow for a few dozen groups, and no more than that should be read into it.

Source: B. Efron, R. Tibshirani, An Introduction to the Bootstrap, chapter 13.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

DRAWS = 1000
_PERCENTILES = (2.5, 97.5)
Column = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Ratio:
    """A sum over rows divided by another; each (rows,)."""

    above: Column
    below: Column

    @classmethod
    def mean(cls, values: npt.NDArray[np.generic]) -> "Ratio":
        """The mean of the rows' values."""
        return cls(values.astype(np.float64), np.ones(len(values)))

    def under(self, weights: Column) -> Column:
        """(draws,) for weights (draws, rows); NaN where a draw has nothing below."""
        below = weights @ self.below
        return np.asarray(
            np.where(below > 0, weights @ self.above / np.maximum(below, 1e-12), np.nan)
        )


@dataclass(frozen=True, slots=True)
class Interval:
    """A figure and the middle 95 % of it over the draws."""

    value: float
    low: float
    high: float


def estimate(
    metrics: Mapping[str, Sequence[Ratio]], groups: Sequence[str], seed: int
) -> dict[str, Interval]:
    """Each metric, a mean of ratios over the same rows; a seed draws the same resamples again."""
    once, weights = np.ones((1, len(groups))), _weights(groups, seed)
    return {
        name: _interval(_mean_of(ratios, once), _mean_of(ratios, weights))
        for name, ratios in metrics.items()
    }


def estimate_differences(
    old: Mapping[str, Sequence[Ratio]],
    new: Mapping[str, Sequence[Ratio]],
    groups: Sequence[str],
    seed: int,
) -> dict[str, Interval]:
    """New less old of every metric that both have, for the same rows.

    Paired: what makes a query hard for both cancels out.
    """
    once, weights = np.ones((1, len(groups))), _weights(groups, seed)
    return {
        name: _interval(
            _mean_of(new[name], once) - _mean_of(old[name], once),
            _mean_of(new[name], weights) - _mean_of(old[name], weights),
        )
        for name in new
        if name in old
    }


def _mean_of(ratios: Sequence[Ratio], weights: Column) -> Column:
    values = np.stack([ratio.under(weights) for ratio in ratios])
    present = ~np.isnan(values)
    # A class that a draw misses is left out of that draw's mean.
    total = np.where(present, values, 0.0).sum(axis=0)
    return np.asarray(total / np.maximum(present.sum(axis=0), 1))


def _weights(groups: Sequence[str], seed: int) -> Column:
    """(DRAWS, rows): how often each row's group was drawn."""
    _, members = np.unique(np.asarray(groups), return_inverse=True)
    count = int(members.max()) + 1
    drawn = np.random.default_rng(seed).multinomial(count, np.full(count, 1 / count), size=DRAWS)
    return np.asarray(drawn[:, members], np.float64)


def _interval(value: Column, draws: Column) -> Interval:
    low, high = np.percentile(draws, _PERCENTILES)
    return Interval(float(value[0]), float(low), float(high))
