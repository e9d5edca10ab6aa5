"""What scores mean: from cosines to the probability that a person would call a product a match."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from services.gateway.calibration import Calibration, ScoreCurve
from services.gateway.ranking import Usual
from services.gateway.search_messages import FeaturesPart, Part, PhotographPart, TextPart

_KNOWN_AFTER: Final = 50
"""Products that make an index's own usual cosine count as much as the calibration's."""


@dataclass(frozen=True, slots=True)
class _WantedPart:
    """A part of positive weight: where it stands in the query, and its curve with all but the
    cosine put in."""

    position: int
    weight: float
    offset: float
    slope: float
    weak_below: float


class Judge:
    """Tells how probable a match is, for the results of one query.

    A product matches a query of several parts as far as it matches each part that is wanted, so the
    probability is the weighted geometric mean of the parts' own; so is the threshold. What is not
    wanted moves the ranking and says nothing of a match.
    """

    def __init__(self, parts: Sequence[_WantedPart]) -> None:
        self._parts = parts
        self._total = sum(part.weight for part in parts)
        self.weak_below = math.exp(
            sum(part.weight * math.log(part.weak_below) for part in parts) / self._total
        )

    @classmethod
    def of(
        cls,
        calibration: Calibration | None,
        parts: Sequence[Part],
        vectors: Sequence[bytes | None],
        usual: Usual,
    ) -> "Judge | None":
        """The judge of a query; None where the model is not calibrated for one of its parts, or no
        part is wanted.

        Args:
          vectors: of the parts; None for products.
        """
        if calibration is None:
            return None
        wanted = []
        for position, (part, vector) in enumerate(zip(parts, vectors, strict=True)):
            if part.weight <= 0:
                continue
            curve = _curve(calibration, part)
            if curve is None:
                return None
            wanted.append(_wanted(position, part.weight, curve, vector, usual))
        return cls(wanted) if wanted else None

    def probability(self, part_cosines: Sequence[float]) -> float:
        """0 to 1. Args: part_cosines: of each part of the query and the product."""
        logs = 0.0
        for part in self._parts:
            logit = part.offset + part.slope * part_cosines[part.position]
            logs -= part.weight * float(np.logaddexp(0.0, -logit))
        return math.exp(logs / self._total)


def _curve(calibration: Calibration, part: Part) -> ScoreCurve | None:
    if isinstance(part, TextPart | FeaturesPart):
        return calibration.text
    return calibration.image if isinstance(part, PhotographPart) else calibration.product


def _wanted(
    position: int, weight: float, curve: ScoreCurve, vector: bytes | None, usual: Usual
) -> _WantedPart:
    # A handful of products says little about what is usual: a shop of shirts only is not asked
    # about anything else.
    own = usual.cosines[position] if usual.cosines else 0.0
    count = usual.count if usual.cosines else 0
    usually = (count * own + _KNOWN_AFTER * curve.usual_cosine) / (count + _KNOWN_AFTER)
    offset = curve.bias + curve.usual_weight * usually
    if vector is not None and curve.topic_values_f32:
        topic = np.frombuffer(curve.topic_values_f32, "<f4")
        offset += curve.topic_weight * float(np.frombuffer(vector, "<f4") @ topic)
    return _WantedPart(position, weight, offset, curve.score_weight, curve.weak_below)
