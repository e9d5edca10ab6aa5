"""The messages of IngestService."""

from collections.abc import AsyncIterator

from lookalike.gateway.v1 import ingest_pb2
from servicekit.status import to_status
from services.gateway.attributes import MAX_SENT_BYTES
from services.gateway.batch_ingest import MAX_PRODUCTS
from services.gateway.catalogue import Deleted
from services.gateway.incoming import (
    MAX_IMAGES,
    ImageData,
    ImageUri,
    IncomingImage,
    IncomingProduct,
    Unreadable,
)
from services.gateway.ingest_messages import (
    BatchProgress,
    ClientMessage,
    Credit,
    Durable,
    Nothing,
    Opened,
    OpenRequest,
    ProductRequest,
    Result,
    ServerMessage,
)
from services.gateway.wire.products import attributes, failure_messages


async def client_messages(
    requests: AsyncIterator[ingest_pb2.IngestRequest],
) -> AsyncIterator[ClientMessage]:
    """What a client says on a stream."""
    async for request in requests:
        yield _client_message(request)


def _client_message(request: ingest_pb2.IngestRequest) -> ClientMessage:
    match request.WhichOneof("message"):
        case "open":
            opening = request.open
            return OpenRequest(
                stream_id=opening.stream_id,
                source_fingerprint=opening.source_fingerprint,
                run_id=opening.run_id,
                confirmed_sequence=opening.confirmed_sequence,
                client=opening.client,
            )
        case "product":
            return ProductRequest(request.product.sequence, product(request.product.product))
        case _:
            return Nothing()


def batch(request: ingest_pb2.IngestBatchRequest) -> list[IncomingProduct]:
    """The products of a batch; of a batch that is too large, one too many."""
    return [product(one) for one in request.products[: MAX_PRODUCTS + 1]]


def product(message: ingest_pb2.IngestProduct) -> IncomingProduct:
    """A product as it came, unchecked."""
    return IncomingProduct(
        product_id=message.product_id,
        name=message.name,
        attributes=_attributes(message),
        # One too many is enough to be refused for.
        images=tuple(map(_image, message.images[: MAX_IMAGES + 1])),
        size_bytes=sum(len(image.data) for image in message.images),
        memory_bytes=message.ByteSize(),
    )


def _attributes(message: ingest_pb2.IngestProduct) -> dict[str, object] | None:
    # Two bytes of a message make a value: a large one is not even turned into Python's.
    if message.attributes.ByteSize() > MAX_SENT_BYTES:
        return None
    return attributes(message.attributes)


def _image(message: ingest_pb2.IngestImage) -> IncomingImage:
    source: ImageData | ImageUri | Unreadable | None
    match message.WhichOneof("source"):
        case "data":
            source = ImageData(message.data)
        case "uri":
            source = ImageUri(message.uri)
        case "unreadable_reason":
            source = Unreadable(message.unreadable_reason)
        case _:
            source = None
    return IncomingImage(source, message.label)


def server_message(message: ServerMessage) -> ingest_pb2.IngestResponse:
    """What the server says on a stream."""
    match message:
        case Opened():
            return ingest_pb2.IngestResponse(
                opened=ingest_pb2.IngestOpened(
                    epoch=message.epoch,
                    last_durable_sequence=message.last_durable_sequence,
                    credit=_credit(message.credit),
                    replay_count=message.replay_count,
                )
            )
        case Result():
            return ingest_pb2.IngestResponse(result=result(message))
        case Durable():
            return ingest_pb2.IngestResponse(
                durable=ingest_pb2.IngestDurable(sequence=message.sequence)
            )


def result(value: Result) -> ingest_pb2.IngestResult:
    """A product's outcome."""
    outcome = value.outcome.outcome
    return ingest_pb2.IngestResult(
        sequence=value.outcome.sequence,
        product_id=outcome.product_id,
        state=ingest_pb2.IngestState.ValueType(int(outcome.state)),
        status=to_status(outcome.error) if outcome.error is not None else None,
        image_failures=failure_messages(outcome.failures),
        credit=_credit(value.credit) if value.credit is not None else None,
        index_version=value.index_version,
        replayed=value.replayed,
    )


def batch_progress(value: BatchProgress) -> ingest_pb2.IngestBatchResponse:
    """One more product of a batch."""
    return ingest_pb2.IngestBatchResponse(
        finished_count=value.finished_count,
        total_count=value.total_count,
        result=result(value.result),
    )


def deleted(value: Deleted) -> ingest_pb2.DeleteProductsResponse:
    """What became of products that were to be deleted."""
    return ingest_pb2.DeleteProductsResponse(
        deleted_product_ids=value.deleted,
        unknown_product_ids=value.unknown,
        index_version=value.index_version,
    )


def _credit(value: Credit) -> ingest_pb2.IngestCredit:
    return ingest_pb2.IngestCredit(products=value.products, bytes=value.bytes)
