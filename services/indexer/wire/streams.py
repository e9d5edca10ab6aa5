"""Ingest streams and what the pipeline asks before it computes."""

from google.rpc import status_pb2

from lookalike.indexer.v1 import indexer_pb2
from services.indexer.domain import Outcome, OutcomeState, Product, StreamKey
from services.indexer.wire import checks
from services.indexer.wire.products import failure_messages, image_failures, product

MAX_OUTCOMES = 1_000
MAX_PAGE = 10_000


def stream_key(request: indexer_pb2.OpenStreamRequest) -> StreamKey:
    return StreamKey(
        checks.text(request.stream_id, "stream_id", 256),
        checks.text(request.source_fingerprint, "source_fingerprint", 256),
        checks.text(request.run_id, "run_id", 256),
        checks.text(request.client, "client", 256, empty=True),
    )


def committed_outcomes(
    request: indexer_pb2.CommitOutcomesRequest,
) -> list[tuple[Outcome, Product | None]]:
    """Raises: InvalidArgument: FIELD_INVALID."""
    checks.text(request.stream_id, "stream_id", 256)
    checks.count(request.epoch, "epoch", 1, 2**63 - 1)
    checks.size(request.outcomes, "outcomes", 0 if request.complete else 1, MAX_OUTCOMES)
    found = [
        _committed(message, f"outcomes[{index}]") for index, message in enumerate(request.outcomes)
    ]
    if len({outcome.sequence for outcome, _ in found}) != len(found):
        raise checks.invalid("outcomes", "must name each sequence once")
    return found


def _committed(message: indexer_pb2.CommittedOutcome, field: str) -> tuple[Outcome, Product | None]:
    outcome = _outcome(message.outcome, f"{field}.outcome")
    if (outcome.state is OutcomeState.STORED) != message.HasField("product"):
        raise checks.invalid(f"{field}.product", "is set exactly if the state is STORED")
    if not message.HasField("product"):
        return outcome, None
    stored = product(message.product, f"{field}.product")
    if stored.product_id != outcome.product_id:
        raise checks.invalid(f"{field}.product", "is not the outcome's product")
    return outcome, stored


def _outcome(message: indexer_pb2.Outcome, field: str) -> Outcome:
    try:
        state = OutcomeState(message.state)
    except ValueError:
        raise checks.invalid(f"{field}.state", f"{message.state} is no state") from None
    # A refused product may have been refused for its identifier, so any text will do.
    return Outcome(
        checks.count(message.sequence, f"{field}.sequence", 1, 2**63 - 1),
        message.product_id,
        state,
        message.status.SerializeToString() if message.HasField("status") else b"",
        image_failures(message.image_failures),
    )


def outcome_message(outcome: Outcome) -> indexer_pb2.Outcome:
    message = indexer_pb2.Outcome(
        sequence=outcome.sequence,
        product_id=outcome.product_id,
        state=indexer_pb2.OutcomeState.ValueType(outcome.state),
        image_failures=failure_messages(outcome.image_failures),
    )
    if outcome.status:
        message.status.CopyFrom(status_pb2.Status.FromString(outcome.status))
    return message


def known_keys(request: indexer_pb2.LookUpKnownRequest) -> list[tuple[str, str]]:
    """Raises: InvalidArgument: FIELD_INVALID."""
    checks.size(request.products, "products", 0, 1_000)
    checks.size(request.image_sha256s, "image_sha256s", 0, 10_000)
    checks.text(request.pipeline_version, "pipeline_version", 1024)
    for index, digest in enumerate(request.image_sha256s):
        checks.sha256(digest, f"image_sha256s[{index}]")
    return [(key.product_id, key.content_digest) for key in request.products]
