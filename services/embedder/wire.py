"""Between messages and the domain's values, both ways."""

from collections.abc import Container, Sequence

import numpy as np

from lookalike.embedder.v1 import embedder_pb2
from lookalike.type.v1 import embedding_pb2, image_pb2
from servicekit.batching import Lane
from servicekit.errors import InvalidArgument
from servicekit.status import to_status
from services.embedder.calibration import Calibration, CategoryRule, ScoreCurve
from services.embedder.domain import (
    Embedded,
    EncodedImage,
    ImageSource,
    ModelSpec,
    Outcome,
    RawImage,
    Rgb,
)
from services.embedder.shelf import RegisteredModel


def images(request: embedder_pb2.EmbedImagesRequest) -> list[ImageSource]:
    """The request's images; one with nothing set is a file without bytes."""
    return [_image(image) for image in request.images]


def _image(image: image_pb2.Image) -> ImageSource:
    if image.WhichOneof("source") == "raw":
        return RawImage(image.raw.rgb, image.raw.width_px, image.raw.height_px)
    return EncodedImage(image.encoded)


def photograph(request: embedder_pb2.EmbedImagesRequest) -> ImageSource | None:
    """What the request's images are garments of, None if not given."""
    return _image(request.photograph) if request.HasField("photograph") else None


def background(request: embedder_pb2.EmbedImagesRequest) -> Rgb | None:
    """The colour behind the garments, None if not given.

    Raises:
      InvalidArgument: a channel outside 0 to 255.
    """
    if not request.HasField("background"):
        return None
    colour = request.background
    rgb = (colour.red, colour.green, colour.blue)
    if not all(0 <= channel <= 255 for channel in rgb):
        raise InvalidArgument(
            "Channels of a colour are 0 to 255.", reason="FIELD_INVALID", field="background"
        )
    return rgb


def lane(priority: int) -> Lane:
    """The batcher's lane; a priority that is not known here waits as online."""
    return Lane.INGEST if priority == int(embedding_pb2.PRIORITY_INGEST) else Lane.ONLINE


def results(outcomes: Sequence[Outcome]) -> list[embedder_pb2.EmbedResult]:
    """One result for each outcome, in order."""
    return [_result(outcome) for outcome in outcomes]


def _result(outcome: Outcome) -> embedder_pb2.EmbedResult:
    if not isinstance(outcome, Embedded):
        return embedder_pb2.EmbedResult(status=to_status(outcome))
    values = np.ascontiguousarray(outcome.vector, "<f4").tobytes()
    return embedder_pb2.EmbedResult(
        embedding=embedding_pb2.Embedding(values_f32=values), truncated=outcome.truncated
    )


def _calibration(value: Calibration | None) -> embedder_pb2.Calibration | None:
    if value is None:
        return None
    return embedder_pb2.Calibration(
        text=_curve(value.text),
        image=_curve(value.image),
        product=_curve(value.product),
        fitted_on=value.fitted_on,
        category=_category(value.category),
    )


def _curve(value: ScoreCurve | None) -> embedder_pb2.ScoreCurve | None:
    if value is None:
        return None
    topic = b"" if value.topic is None else np.ascontiguousarray(value.topic, "<f4").tobytes()
    return embedder_pb2.ScoreCurve(
        bias=value.bias,
        score_weight=value.score_weight,
        usual_weight=value.usual_weight,
        topic_weight=value.topic_weight,
        topic_values_f32=topic,
        usual_cosine=value.usual_cosine,
        weak_below=value.weak_below,
    )


def _category(value: CategoryRule | None) -> embedder_pb2.CategoryRule | None:
    if value is None:
        return None
    return embedder_pb2.CategoryRule(
        neighbour_count=value.neighbour_count,
        vote_scale=value.vote_scale,
        words_scale=value.words_scale,
        words_weight=value.words_weight,
        apply_from=value.apply_from,
    )


def wanted_model(request: embedder_pb2.LoadModelRequest) -> tuple[str, str]:
    """The model's name, or else its space; the other is empty.

    Raises:
      InvalidArgument: neither or both are given.
    """
    if bool(request.model) == bool(request.embedding_version):
        raise InvalidArgument(
            "Exactly one of `model` and `embedding_version` is given.",
            reason="FIELD_INVALID",
            field="model",
        )
    return request.model, request.embedding_version


def registered_model(
    found: RegisteredModel, loaded: Container[str], default: str
) -> embedder_pb2.RegisteredModel:
    """A model of the registry. loaded: the spaces in memory; default: of who names none."""
    return embedder_pb2.RegisteredModel(
        model=found.name,
        embedding_version=found.embedding_version,
        dimension=found.dimension,
        installed=found.installed,
        loaded=found.embedding_version in loaded,
        is_default=found.embedding_version == default,
        problem=found.problem,
    )


def model_info(spec: ModelSpec, execution_provider: str) -> embedder_pb2.GetModelInfoResponse:
    """The answer to GetModelInfo."""
    return embedder_pb2.GetModelInfoResponse(
        embedding_version=spec.embedding_version,
        model=spec.model,
        dimension=spec.dimension,
        image_preprocessing=spec.image_preprocessing,
        image_side_px=spec.image_side_px,
        context_length_tokens=spec.context_length_tokens,
        execution_provider=execution_provider,
        calibration=_calibration(spec.calibration),
        licence=spec.licence,
        photograph_weight=spec.photograph_weight,
    )
