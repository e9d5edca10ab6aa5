"""Vector spaces, and products' vectors in them."""

from collections.abc import Iterable

from lookalike.indexer.v1 import spaces_pb2
from lookalike.type.v1 import embedding_pb2
from servicekit.errors import InvalidArgument, LookalikeError
from services.indexer.catalogue import SpaceCount
from services.indexer.domain import GarmentEmbedding, IndexedSpace, Lacking, Space, SpaceVectors
from services.indexer.wire import checks


def version(value: str) -> str:
    return checks.text(value, "embedding_version", 256)


def space(request: spaces_pb2.BeginSpaceRequest) -> Space:
    return Space(
        version(request.embedding_version),
        checks.count(request.dimension, "dimension", 1, checks.MAX_DIMENSION),
        checks.text(request.model, "model", 256, empty=True),
    )


def space_message(found: IndexedSpace) -> spaces_pb2.VectorSpace:
    return spaces_pb2.VectorSpace(
        embedding_version=found.space.embedding_version,
        dimension=found.space.dimension,
        model=found.space.model,
        role=spaces_pb2.SpaceRole.ValueType(found.role),
    )


def counted_message(found: SpaceCount) -> spaces_pb2.VectorSpace:
    message = space_message(found.space)
    message.product_count = found.product_count
    message.lacking_count = found.lacking_count
    return message


def lacking_message(found: Lacking) -> spaces_pb2.LackingProduct:
    return spaces_pb2.LackingProduct(
        product_id=found.product_id, version=found.version, image_sha256s=found.image_sha256s
    )


def embeddings(
    messages: Iterable[embedding_pb2.GarmentEmbedding], field: str
) -> tuple[GarmentEmbedding, ...]:
    """Raises: InvalidArgument: FIELD_INVALID."""
    found = tuple(
        GarmentEmbedding(
            checks.garment(one.garment, field),
            checks.vector(one.embedding, field),
        )
        for one in messages
    )
    if len({one.garment for one in found}) != len(found):
        raise checks.invalid(field, "must name each garment once")
    return found


def space_vectors(
    message: spaces_pb2.SpaceVectors, image_count: int | None, field: str
) -> SpaceVectors:
    """A product in one space, without its pooled vectors.

    Args:
      image_count: of the product; None: not known here.

    Raises:
      InvalidArgument: FIELD_INVALID.
    """
    checks.text(message.embedding_version, f"{field}.embedding_version", 256)
    checks.count(message.dimension, f"{field}.dimension", 1, checks.MAX_DIMENSION)
    if image_count is not None:
        checks.size(message.images, f"{field}.images", image_count, image_count)
    images = tuple(
        embeddings(image.embeddings, f"{field}.images[{index}]")
        for index, image in enumerate(message.images)
    )
    if {len(one.vector) for image in images for one in image} != {message.dimension}:
        raise checks.invalid(f"{field}.dimension", "is not the length of every vector")
    return SpaceVectors(
        Space(
            message.embedding_version,
            message.dimension,
            checks.text(message.model, f"{field}.model", 256, empty=True),
        ),
        checks.text(message.pipeline_version, f"{field}.pipeline_version", 1024),
        images,
    )


def product_vectors(
    request: spaces_pb2.PutVectorsRequest,
) -> list[tuple[str, int, SpaceVectors] | LookalikeError]:
    """One for each product of the request: identifier, version and vectors, or what is wrong."""
    found: list[tuple[str, int, SpaceVectors] | LookalikeError] = []
    for index, message in enumerate(request.products):
        field = f"products[{index}]"
        try:
            product_id = checks.text(message.product_id, f"{field}.product_id", 256)
            vectors = space_vectors(message.vectors, None, f"{field}.vectors")
            if vectors.space.embedding_version != request.embedding_version:
                raise checks.invalid(f"{field}.vectors", "must be of the request's space")
            found.append((product_id, message.version, vectors))
        except InvalidArgument as problem:
            found.append(problem)
    return found
