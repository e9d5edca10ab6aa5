"""Fits how a photograph's category is inferred, and measures it."""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from models.calibrate.corpus import Item, UserPhoto, mean_of
from models.calibrate.curves import hash_fold
from models.calibrate.evidence import Flags, Vectors
from models.calibrate.rules import sold_as

Floats = npt.NDArray[np.float64]

_NEIGHBOURS = (5, 10, 20)
_VOTE_SCALES = (0.0, 8.0, 16.0, 32.0)
_WORDS_SCALES = (8.0, 16.0, 32.0, 64.0)
_WORDS_WEIGHTS = (0.0, 0.2, 0.35, 0.5, 0.65, 0.8, 1.0)
WANTED_PRECISION = 0.9
"""Of the categories that are searched alone, so many are to be right."""
_STEPS = np.arange(0.2, 1.0, 0.02)


@dataclass(frozen=True, slots=True)
class Rule:
    """See embedder.proto's CategoryRule."""

    neighbour_count: int
    vote_scale: float
    words_scale: float
    words_weight: float
    apply_from: float


@dataclass(frozen=True, slots=True, eq=False)
class Guesses:
    """Photographs whose category is known, against a catalogue of c categories.

    Shapes: g photographs, n products: cosines (g, n), described (g, c), members (n, c), right
    (g, c): categories that a person would look in. fit (g,): to choose the rule by; else to test.
    """

    cosines: Floats
    described: Floats
    members: Flags
    right: Flags
    fit: Flags


def guesses(
    items: Sequence[Item], photos: Sequence[UserPhoto], names: dict[str, Vectors]
) -> Guesses:
    """Users' photographs and, where a product has several views, each view without its product."""
    categories = sorted(names)
    gallery = np.stack([item.vector for item in items]).astype(np.float64)
    members = np.array([[item.category == name for name in categories] for item in items])
    vectors, hidden, right, groups = [], [], [], []
    for photo in photos:
        sold = np.array([sold_as(photo.label, name) for name in categories])
        if sold.any():
            vectors.append(photo.vector)
            hidden.append(np.zeros(len(items), np.bool_))
            right.append(sold)
            groups.append(photo.path.name)
    for item in items:
        if len(item.own) > 1 and item.clothing:
            vectors.append(mean_of(item.photographs[:1]))
            # Not the other colours of its style either: they would vote from the same picture.
            hidden.append(np.array([other.style_id == item.style_id for other in items]))
            right.append(np.array([name == item.category for name in categories]))
            groups.append(item.style_id)
    asked = np.stack(vectors).astype(np.float64)
    cosines = asked @ gallery.T
    cosines[np.stack(hidden)] = -2.0
    described = asked @ np.stack([names[name] for name in categories]).astype(np.float64).T
    fit = np.array([hash_fold(group) % 2 == 0 for group in groups])
    return Guesses(cosines, described, members, np.stack(right), fit)


def fit_rule(found: Guesses) -> Rule:
    """The rule that gives the right categories most of the confidence, in the mean of logs."""
    best: tuple[float, Rule] | None = None
    for count, votes, words, weight in itertools.product(
        _NEIGHBOURS, _VOTE_SCALES, _WORDS_SCALES, _WORDS_WEIGHTS
    ):
        rule = Rule(count, votes, words, weight, 0.0)
        confidence = confidences(found, rule)[found.fit]
        told = (confidence * found.right[found.fit]).sum(axis=1)
        value = float(np.log(np.maximum(told, 0.01)).mean())
        if best is None or value > best[0] + 1e-9:
            best = value, rule
    assert best is not None
    rule = best[1]
    sure, right = _top(found, rule)
    sure, right = sure[found.fit], right[found.fit]
    good = [
        float(step)
        for step in _STEPS
        if (sure >= step).any() and right[sure >= step].mean() >= WANTED_PRECISION
    ]
    return replace(rule, apply_from=min(good, default=1.0))


def confidences(found: Guesses, rule: Rule) -> Floats:
    """As services/gateway/category_guess.py. Shapes: returns (g, c), rows that sum to 1."""
    best = np.argsort(-found.cosines, axis=1, kind="stable")[:, : rule.neighbour_count]
    near = np.take_along_axis(found.cosines, best, axis=1)
    votes = np.exp(rule.vote_scale * (near - near[:, :1]))
    by_category = np.einsum("gk,gkc->gc", votes, found.members[best].astype(np.float64))
    by_category /= by_category.sum(axis=1, keepdims=True)
    words = np.exp(
        rule.words_scale * (found.described - found.described.max(axis=1, keepdims=True))
    )
    words /= words.sum(axis=1, keepdims=True)
    return np.asarray(rule.words_weight * words + (1 - rule.words_weight) * by_category)


def measured(found: Guesses, rule: Rule) -> dict[str, Any]:
    """On photographs that did not choose the rule."""
    sure, right = _top(found, rule)
    sure, right = sure[~found.fit], right[~found.fit]
    applied = sure >= rule.apply_from
    return {
        "photographs": len(sure),
        "categories": found.members.shape[1],
        "accuracy": round(float(right.mean()), 4),
        "accuracy_of_votes_alone": _accuracy(found, replace(rule, words_weight=0.0)),
        "accuracy_of_words_alone": _accuracy(found, replace(rule, words_weight=1.0)),
        "mean_confidence": round(float(sure.mean()), 4),
        "searched_alone": round(float(applied.mean()), 4),
        "accuracy_where_searched_alone": (
            round(float(right[applied].mean()), 4) if applied.any() else None
        ),
    }


def _accuracy(found: Guesses, rule: Rule) -> float:
    return round(float(_top(found, rule)[1][~found.fit].mean()), 4)


def _top(found: Guesses, rule: Rule) -> tuple[Floats, Flags]:
    confidence = confidences(found, rule)
    first = confidence.argmax(axis=1)
    rows = np.arange(len(first))
    return confidence[rows, first], np.asarray(found.right[rows, first])
