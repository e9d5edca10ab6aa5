"""Between messages and the domain's values, both ways."""

from collections.abc import Sequence

import numpy as np

from lookalike.embedder.v1 import embedder_pb2
from lookalike.type.v1 import embedding_pb2, image_pb2
from servicekit.batching import Lane
from servicekit.errors import InvalidArgument
from servicekit.status import to_status
from services.embedder.domain import (
    Embedded,
    EncodedImage,
    ImageSource,
    ModelSpec,
    Outcome,
    RawImage,
    Rgb,
)


def images(request: embedder_pb2.EmbedImagesRequest) -> list[ImageSource]:
    """The request's images; one with nothing set is a file without bytes."""
    return [_image(image) for image in request.images]


def _image(image: image_pb2.Image) -> ImageSource:
    if image.WhichOneof("source") == "raw":
        return RawImage(image.raw.rgb, image.raw.width_px, image.raw.height_px)
    return EncodedImage(image.encoded)


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
        weak_below=embedder_pb2.WeakThresholds(
            text=spec.weak_below.text,
            image=spec.weak_below.image,
            product=spec.weak_below.product,
        ),
        licence=spec.licence,
    )
