"""Fits the classifier of categories (scikit-learn); `models.adapt.category` holds and runs it."""

import warnings
from collections import Counter
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression

from models.adapt.category import CategoryHead

FEWEST_OF_A_CLASS = 4
"""Training products; a smaller category is left out, and said to be."""
_STRENGTHS = (3.0, 10.0, 30.0, 100.0, 300.0)
_ITERATIONS = 2000

Vectors = npt.NDArray[np.float32]


def labels_of(categories: Sequence[str | None]) -> tuple[str, ...]:
    """The categories of training products that are large enough to be learned, sorted."""
    counts = Counter(category for category in categories if category is not None)
    return tuple(sorted(name for name, n in counts.items() if n >= FEWEST_OF_A_CLASS))


def fit_category_head(
    labels: Sequence[str],
    training: tuple[Vectors, Sequence[str]],
    choosing: tuple[Vectors, Sequence[str]],
) -> CategoryHead:
    """Fits on one part, chooses how freely by the likelihood of the other.

    So the probabilities are honest, not only the order.
    """
    best, best_likelihood = None, -np.inf
    for strength in _STRENGTHS:
        regression = LogisticRegression(C=strength, max_iter=_ITERATIONS, class_weight="balanced")
        with warnings.catch_warnings():
            # Nearly converged is good enough: the other part judges.
            warnings.simplefilter("ignore", ConvergenceWarning)
            regression.fit(training[0], list(training[1]))
        head = _head(regression, labels)
        likelihood = _likelihood(head, choosing)
        if best is None or likelihood > best_likelihood:
            best, best_likelihood = head, likelihood
    assert best is not None
    return best


def _head(regression: LogisticRegression, labels: Sequence[str]) -> CategoryHead:
    weight, bias = regression.coef_, regression.intercept_
    if len(labels) == 2:
        # Of two classes scikit-learn keeps one row; the other's score is 0.
        weight = np.concatenate([np.zeros_like(weight), weight])
        bias = np.concatenate([np.zeros_like(bias), bias])
    return CategoryHead(tuple(labels), weight.astype(np.float32), bias.astype(np.float32))


def _likelihood(head: CategoryHead, choosing: tuple[Vectors, Sequence[str]]) -> float:
    vectors, truth = choosing
    if not len(truth):
        return 0.0
    _, shares = head.predict(vectors)
    places = [head.labels.index(label) for label in truth]
    return float(np.log(np.maximum(shares[np.arange(len(truth)), places], 1e-9)).mean())
