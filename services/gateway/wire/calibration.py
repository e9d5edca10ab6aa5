"""What the embedder says of its scores."""

from lookalike.embedder.v1 import embedder_pb2
from services.gateway.calibration import Calibration, CategoryRule, ScoreCurve


def calibration(message: embedder_pb2.Calibration) -> Calibration:
    """A model's calibration."""
    return Calibration(
        text=_curve(message.text) if message.HasField("text") else None,
        image=_curve(message.image) if message.HasField("image") else None,
        product=_curve(message.product) if message.HasField("product") else None,
        category=_category(message.category) if message.HasField("category") else None,
        fitted_on=message.fitted_on,
    )


def _curve(message: embedder_pb2.ScoreCurve) -> ScoreCurve:
    return ScoreCurve(
        bias=message.bias,
        score_weight=message.score_weight,
        usual_weight=message.usual_weight,
        topic_weight=message.topic_weight,
        topic_values_f32=message.topic_values_f32,
        usual_cosine=message.usual_cosine,
        weak_below=message.weak_below,
    )


def _category(message: embedder_pb2.CategoryRule) -> CategoryRule:
    return CategoryRule(
        neighbour_count=message.neighbour_count,
        vote_scale=message.vote_scale,
        words_scale=message.words_scale,
        words_weight=message.words_weight,
        apply_from=message.apply_from,
    )
