"""Models, builds and comparisons."""

from lookalike.gateway.v1 import model_pb2
from lookalike.type.v1 import product_pb2
from servicekit.errors import InvalidArgument
from services.gateway.model_changes import Comparison, ListedModel
from services.gateway.ranking import Hits
from services.gateway.space_builds import BuildProgress
from services.gateway.space_comparison import Overlap, check_k

_MAX_QUESTIONS = 1_000
_DEFAULT_SAMPLE = 100


def listed_model(value: ListedModel) -> model_pb2.Model:
    """A model and its space."""
    message = model_pb2.Model()
    if value.space is not None:
        message.model = value.space.model
        message.embedding_version = value.space.version
        message.dimension = value.space.dimension
        message.role = model_pb2.ModelRole.ValueType(int(value.space.role))
        message.product_count = value.space.product_count
        message.lacking_count = value.space.lacking_count
    if value.model is not None:
        message.model = value.model.name
        message.embedding_version = value.model.version
        message.dimension = value.model.dimension
        message.installed = value.model.installed
        message.loaded = value.model.loaded
        message.problem = value.model.problem
    return message


def progress(value: BuildProgress) -> model_pb2.BuildProgress:
    """How far a build is."""
    return model_pb2.BuildProgress(
        model=value.model,
        embedding_version=value.version,
        state=model_pb2.BuildState.ValueType(int(value.state)),
        done_count=value.done,
        total_count=value.total,
        failed_count=value.failed,
        images_per_second=value.images_per_second,
        remaining_seconds=value.remaining_s,
        failures=[
            model_pb2.BuildFailure(
                product_id=one.product_id, reason=one.error.reason, message=one.error.message
            )
            for one in value.failures
        ],
        problem=value.problem,
    )


def questions(request: model_pb2.CompareSpacesRequest) -> tuple[int, tuple[str, ...], int]:
    """How many products are asked about, the words, and k.

    Raises:
      InvalidArgument: FIELD_INVALID.
    """
    sample = request.sample_size if request.HasField("sample_size") else _DEFAULT_SAMPLE
    if not 0 <= sample <= _MAX_QUESTIONS:
        raise InvalidArgument(
            f"sample_size is from 0 to {_MAX_QUESTIONS}.",
            reason="FIELD_INVALID",
            field="sample_size",
        )
    if len(request.texts) > _MAX_QUESTIONS:
        raise InvalidArgument(
            f"At most {_MAX_QUESTIONS} texts are compared.", reason="FIELD_INVALID", field="texts"
        )
    return sample, tuple(dict.fromkeys(request.texts)), check_k(request.k)


def product_ids(hits: Hits) -> list[str]:
    """The identifiers of a ranking's products."""
    found: list[str] = []
    for hit in hits.hits:
        assert isinstance(hit.product, product_pb2.Product)
        found.append(hit.product.product_id)
    return found


def comparison(value: Comparison) -> model_pb2.CompareSpacesResponse:
    """How much two spaces agree."""
    return model_pb2.CompareSpacesResponse(
        active_embedding_version=value.active_version,
        other_embedding_version=value.other_version,
        products=_overlap(value.products),
        texts=_overlap(value.texts),
    )


def _overlap(value: Overlap) -> model_pb2.Overlap:
    return model_pb2.Overlap(
        question_count=value.questions,
        overlap_at_k=value.overlap_at_k,
        same_best=value.same_best,
        least=[
            model_pb2.QuestionOverlap(question=one.question, overlap_at_k=one.overlap)
            for one in value.least
        ],
    )
