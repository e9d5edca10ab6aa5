"""What a model's manifest says of its scores; the messages of embedder.proto, without the wire."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ScoreCurve:
    """A logistic curve for one kind of query; see embedder.proto's ScoreCurve."""

    bias: float
    score_weight: float
    usual_weight: float
    topic_weight: float
    topic_values_f32: bytes
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
    """What a model's manifest says of its scores; None: not calibrated for it."""

    text: ScoreCurve | None
    image: ScoreCurve | None
    product: ScoreCurve | None
    category: CategoryRule | None
    fitted_on: str
