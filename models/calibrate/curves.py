"""Fits the logistic curve of one kind of query, and measures it on queries that it never saw."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from models.calibrate.evidence import SHOWN, Evidence, Flags, Vectors

Floats = npt.NDArray[np.float64]

OFF_TOPIC_SHARE = 0.2
"""How many of people's queries the probabilities take to be about something else."""
_FALSE_ALARMS = (2.0, 5.0)
"""Per cent of the queries about clothes that may be called weak where the curve is fitted: on
others it will be a few more, and at most 10 are wanted."""
_RIDGES = (0.3, 1.0, 3.0, 10.0, 100.0)
_FOLDS = 5


@dataclass(frozen=True, slots=True, eq=False)
class Curve:
    """See embedder.proto's ScoreCurve. Shapes: topic int8 (d,), or None."""

    bias: float
    score_weight: float
    usual_weight: float
    topic_weight: float
    topic: npt.NDArray[np.int8] | None
    usual_cosine: float
    weak_below: float

    def probabilities(self, queries: Evidence) -> Floats:
        """Of each result, (q, SHOWN)."""
        constant = self.bias + self.usual_weight * queries.usual
        if self.topic is not None:
            constant = constant + self.topic_weight * topic_values(queries.vectors, self.topic)
        return sigmoid(constant[:, None] + self.score_weight * queries.cosines)


def topic_values(vectors: Vectors, topic: npt.NDArray[np.int8]) -> Floats:
    """As serving computes them. Shapes: vectors (q, d), topic (d,); returns (q,)."""
    return vectors.astype(np.float64) @ (topic.astype(np.float64) / 127)


def fit_curve(queries: Evidence, *, with_topic: bool, with_usual: bool) -> Curve:
    """The curve of a kind of query; `queries` has both, about clothes and about other things."""
    topic = None
    columns = [queries.cosines, np.ones_like(queries.cosines)]
    if with_usual:
        columns.append(np.repeat(queries.usual[:, None], SHOWN, axis=1))
    if with_topic:
        ridge, unseen = _topic_of_unseen(queries)
        topic = _rounded(_topic(queries.vectors, queries.on_topic, ridge))
        # The curve trusts the topic only as far as it holds for queries that it never saw, on
        # the scale that it is served at.
        served = topic_values(queries.vectors, topic)
        unseen *= np.std(served) / np.std(unseen)
        unseen += np.mean(served) - np.mean(unseen)
        columns.append(np.repeat(unseen[:, None], SHOWN, axis=1))
    weights = np.where(
        queries.on_topic,
        (1 - OFF_TOPIC_SHARE) / max(1, queries.on_topic.sum()),
        OFF_TOPIC_SHARE / max(1, (~queries.on_topic).sum()),
    ) * len(queries)
    table = np.stack([column.reshape(-1) for column in columns], axis=1)
    solved = logistic(
        table, queries.matches.reshape(-1), np.repeat(weights, SHOWN), ridge=1e-2, free=1
    ).tolist()
    score_weight, bias, *rest = solved
    usual_weight = rest.pop(0) if with_usual else 0.0
    topic_weight = rest.pop(0) if with_topic else 0.0
    curve = Curve(
        bias, score_weight, usual_weight, topic_weight, topic,
        float(queries.usual[queries.on_topic].mean()), 0.5,
    )  # fmt: skip
    best = curve.probabilities(queries).max(axis=1)
    return Curve(
        bias, score_weight, usual_weight, topic_weight, topic,
        curve.usual_cosine, threshold(best[queries.on_topic], best[~queries.on_topic]),
    )  # fmt: skip


def threshold(good: Floats, bad: Floats) -> float:
    """What tells best results of queries about clothes from those of others with the fewest
    mistakes, each kind weighing the same, within the false alarms that are allowed."""
    floor, ceiling = np.percentile(good, _FALSE_ALARMS)
    candidates = np.concatenate([[floor, ceiling], good, bad])
    candidates = np.sort(candidates[(candidates >= floor) & (candidates <= ceiling)])
    right = [(good >= c).mean() + (bad < c).mean() for c in candidates]
    return float(candidates[int(np.argmax(right))])


def logistic(table: Floats, labels: Flags, weights: Floats, *, ridge: float, free: int) -> Floats:
    """Logistic regression by Newton's method.

    Args:
      table: (m, c). labels, weights: (m,).
      ridge: pulls the coefficients towards 0, per unit of weight summed to 1.
      free: the column that is not pulled (the constant).

    Shapes: returns (c,).
    """
    weights = weights / weights.sum()
    pull = np.full(table.shape[1], ridge * 1e-2)
    pull[free] = 0.0
    solved = np.zeros(table.shape[1])
    for _ in range(40):
        p = sigmoid(table @ solved)
        slope = table.T @ (weights * (p - labels)) + pull * solved
        bend = (table * (weights * np.maximum(p * (1 - p), 1e-9))[:, None]).T @ table
        step = np.linalg.solve(bend + np.diag(pull + 1e-12), slope)
        # Of a far step only a part: Newton overshoots where classes lie far apart.
        step *= min(1.0, 20.0 / max(1e-12, float(np.abs(step).max())))
        solved = solved - step
        if np.abs(step).max() < 1e-8:
            break
    return solved


def sigmoid(values: Floats) -> Floats:
    return np.asarray(0.5 * (1 + np.tanh(values / 2)))


def _topic(vectors: Vectors, on_topic: Flags, ridge: float) -> Floats:
    """Fisher's direction from other queries to those about clothes. Shapes: returns (d,)."""
    good, bad = vectors[on_topic].astype(np.float64), vectors[~on_topic].astype(np.float64)
    spread = (np.cov(good, rowvar=False, bias=True) + np.cov(bad, rowvar=False, bias=True)) / 2
    # A share of the mean variance holds up the directions in which few queries differ.
    held = ridge * np.trace(spread) / len(spread) * np.eye(len(spread))
    return np.asarray(np.linalg.solve(spread + held, good.mean(axis=0) - bad.mean(axis=0)))


def _topic_of_unseen(queries: Evidence) -> tuple[float, Floats]:
    """The ridge that tells unseen queries apart best, and each query's value by a direction that
    was fitted without it."""
    folds = np.array([hash_fold(group) for group in queries.groups])

    def values(ridge: float) -> Floats:
        found = np.zeros(len(queries))
        for fold in range(_FOLDS):
            out = folds == fold
            inside = queries.where(~out)
            direction = _topic(inside.vectors, inside.on_topic, ridge)
            direction = direction / np.abs(direction).max()
            found[out] = queries.vectors[out].astype(np.float64) @ direction
        return found

    tried: list[tuple[float, float, Floats]] = []
    for ridge in _RIDGES:
        found = values(ridge)
        tried.append((area(found[queries.on_topic], found[~queries.on_topic]), ridge, found))
    _, ridge, found = max(tried, key=_first)
    return ridge, found


_first: Callable[[tuple[float, float, Floats]], float] = lambda one: one[0]  # noqa: E731


def hash_fold(group: str) -> int:
    """A fold of 0 to 4 that depends on the group's name only."""
    return sum(group.encode()) * 7919 % 104729 % _FOLDS


def area(good: Floats, bad: Floats) -> float:
    """How often a good one lies above a bad one: the area under the curve."""
    order = np.argsort(np.concatenate([bad, good]), kind="stable")
    ranks = np.empty(len(order))
    ranks[order] = np.arange(len(order))
    return float(
        (ranks[len(bad) :].sum() - len(good) * (len(good) - 1) / 2) / (len(good) * len(bad))
    )


def _rounded(direction: Floats) -> npt.NDArray[np.int8]:
    return np.asarray(np.rint(direction / np.abs(direction).max() * 127), np.int8)
