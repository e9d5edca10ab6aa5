"""The rules of ingest streams, the same for every store."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from servicekit.errors import Aborted, InvalidArgument, NotFound
from services.indexer.domain import OpenedStream, Outcome, OutcomeState, Product, StreamKey


@dataclass(frozen=True, slots=True)
class StreamState:
    """A stream as it is stored.

    Attributes:
      generation: counts the times that the stream began at 0; outcomes belong to one.
      watermark: every sequence up to it has its outcome.
      greatest: the greatest sequence with an outcome.
      complete: the client has said that nothing more comes.
    """

    key: StreamKey
    generation: int = 1
    epoch: int = 0
    watermark: int = 0
    greatest: int = 0
    outcome_count: int = 0
    complete: bool = False

    @property
    def finished(self) -> bool:
        """Whether the run went through to its end."""
        return self.complete and self.watermark == self.greatest

    def opened(self) -> OpenedStream:
        return OpenedStream(self.epoch, self.watermark, self.outcome_count)


def reopened(state: StreamState | None, key: StreamKey) -> StreamState:
    """The stream in a new epoch: at 0 for another source or a new run after a finished one."""
    if state is None:
        return StreamState(key, epoch=1)
    same_run = state.key.run_id == key.run_id
    same_source = state.key.source_fingerprint == key.source_fingerprint
    if not same_source or (state.finished and not same_run):
        return StreamState(key, generation=state.generation + 1, epoch=state.epoch + 1)
    return replace(state, key=key, epoch=state.epoch + 1, complete=state.complete and same_run)


def admitted(state: StreamState | None, stream_id: str, epoch: int) -> StreamState:
    """The stream, if this writer may write.

    Raises:
      NotFound: STREAM_NOT_FOUND.
      Aborted: STREAM_FENCED.
      InvalidArgument: FIELD_INVALID for an epoch that nobody was given.
    """
    if state is None:
        raise stream_not_found(stream_id)
    if epoch < state.epoch:
        raise Aborted(
            f"Epoch {epoch} of the stream is over: epoch {state.epoch} was opened.",
            reason="STREAM_FENCED",
            metadata={"epoch": str(epoch), "newest_epoch": str(state.epoch)},
        )
    if epoch > state.epoch:
        raise InvalidArgument(
            f"The stream has no epoch {epoch} yet.", reason="FIELD_INVALID", field="epoch"
        )
    return state


def stream_not_found(stream_id: str) -> NotFound:
    return NotFound(
        f"There is no ingest stream {stream_id!r}.",
        reason="STREAM_NOT_FOUND",
        metadata={"resource_type": "ingest stream", "resource_name": stream_id},
    )


def extended(
    state: StreamState, fresh: Sequence[int], beyond: Iterable[int], complete: bool
) -> StreamState:
    """The stream after outcomes were added.

    Args:
      fresh: the sequences added.
      beyond: all stored sequences above the watermark in ascending order; read up to a gap.
    """
    watermark = state.watermark
    for sequence in beyond:
        if sequence != watermark + 1:
            break
        watermark = sequence
    return replace(
        state,
        watermark=watermark,
        greatest=max([state.greatest, *fresh]),
        outcome_count=state.outcome_count + len(fresh),
        complete=state.complete or complete,
    )


def products_to_write(
    outcomes: Sequence[tuple[Outcome, Product | None]],
) -> list[Product]:
    """The products of outcomes that are in order of sequence; of one identifier the last."""
    last = {
        outcome.product_id: product
        for outcome, product in outcomes
        if outcome.state is OutcomeState.STORED and product is not None
    }
    return list(last.values())
