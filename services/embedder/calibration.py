"""What scores of a space mean, as its manifest tells it; see embedder.proto's Calibration."""

import base64
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True, slots=True, eq=False)
class ScoreCurve:
    """From a cosine to the probability of a match, for one kind of query.

    Shapes: topic float32 (dimension,), of any length; None: the curve has none.
    """

    bias: float
    score_weight: float
    usual_weight: float
    topic_weight: float
    topic: npt.NDArray[np.float32] | None
    usual_cosine: float
    weak_below: float


@dataclass(frozen=True, slots=True)
class CategoryRule:
    """How a photograph's category is inferred; see embedder.proto's CategoryRule."""

    neighbour_count: int
    vote_scale: float
    words_scale: float
    words_weight: float
    apply_from: float


@dataclass(frozen=True, slots=True)
class Calibration:
    """The curves by kind of query; None: not calibrated for it."""

    text: ScoreCurve | None
    image: ScoreCurve | None
    product: ScoreCurve | None
    category: CategoryRule | None
    fitted_on: str


def calibration_of(properties: Mapping[str, Any], dimension: int) -> Calibration | None:
    """The calibration of a manifest's `[properties]`; None if it has none.

    Raises:
      ValueError: a curve is incomplete, falls with the score, or is of another dimension.
    """
    table = properties.get("calibration")
    if table is None:
        return None
    curves = {
        kind: _curve(kind, table[kind], dimension) if kind in table else None
        for kind in ("text", "image", "product")
    }
    category = _category(table["category"]) if "category" in table else None
    return Calibration(**curves, category=category, fitted_on=str(table["fitted_on"]))


def _category(table: Mapping[str, Any]) -> CategoryRule:
    rule = CategoryRule(
        neighbour_count=int(table["neighbour_count"]),
        vote_scale=float(table["vote_scale"]),
        words_scale=float(table["words_scale"]),
        words_weight=float(table["words_weight"]),
        apply_from=float(table["apply_from"]),
    )
    if not (1 <= rule.neighbour_count <= 1_000 and 0 <= rule.words_weight <= 1):
        raise ValueError("calibration.category: 1 to 1 000 neighbours and a share of 0 to 1")
    return rule


def _curve(kind: str, table: Mapping[str, Any], dimension: int) -> ScoreCurve:
    try:
        topic, topic_weight = _topic(table, dimension)
        curve = ScoreCurve(
            bias=float(table["bias"]),
            score_weight=float(table["score_weight"]),
            usual_weight=float(table.get("usual_weight", 0.0)),
            topic_weight=topic_weight,
            topic=topic,
            usual_cosine=float(table.get("usual_cosine", 0.0)),
            weak_below=float(table["weak_below"]),
        )
    except (KeyError, ValueError) as error:
        raise ValueError(f"calibration.{kind}: {error!r}") from error
    numbers = (curve.bias, curve.score_weight, curve.usual_weight, curve.topic_weight)
    if not all(map(math.isfinite, numbers)) or curve.score_weight <= 0:
        raise ValueError(f"calibration.{kind}: the probability must rise with the score")
    if not 0 < curve.weak_below < 1:
        raise ValueError(f"calibration.{kind}: weak_below is a probability")
    return curve


def _topic(
    table: Mapping[str, Any], dimension: int
) -> tuple[npt.NDArray[np.float32] | None, float]:
    """The topic's direction: int8 values in base64, so that a manifest stays a page of text."""
    if "topic_int8" not in table:
        return None, 0.0
    topic = np.frombuffer(base64.b64decode(table["topic_int8"], validate=True), np.int8)
    if len(topic) != dimension:
        raise ValueError(f"the topic has {len(topic)} numbers, the space {dimension}")
    return topic.astype(np.float32) / np.float32(127), float(table["topic_weight"])
