"""Writes outcomes durably, whatever is ready in one go; only then are they told to anybody."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace

from servicekit.errors import (
    FailedPrecondition,
    Internal,
    InvalidArgument,
    LookalikeError,
    ResourceExhausted,
)
from services.gateway.catalogue import (
    Committed,
    ProductDraft,
    Scalar,
    SequencedOutcome,
    State,
)
from services.gateway.coalesce import Coalescer
from services.gateway.domain import Catalogue
from services.gateway.retry import Patience

_MAX_OUTCOMES = 200
_MAX_BYTES = 2 * 1024 * 1024
"""A write stays well below the smallest message limit anybody sets (gRPC's own is 4 MiB)."""

OnWritten = Callable[[Sequence[SequencedOutcome], Committed], Awaitable[None]]
Redraft = Callable[[ProductDraft], Awaitable[ProductDraft | None]]
"""A product for the space that is searched now; None if that is what it was made for. The model may
have been changed while the product was on its way."""


class StreamWriter:
    """Commits the outcomes of one epoch of one ingest stream.

    Args:
      on_written: told what is durable, in order of sequence, and the stream's state after it.
      redraft: see Redraft.
    """

    def __init__(
        self,
        catalogue: Catalogue,
        patience: Patience,
        stream_id: str,
        epoch: int,
        on_written: OnWritten,
        redraft: Redraft,
        *,
        timeout_s: float,
    ) -> None:
        self._catalogue = catalogue
        self._patience = patience
        self._redraft = redraft
        self._stream_id = stream_id
        self._epoch = epoch
        self._on_written = on_written
        self._timeout_s = timeout_s
        self._queue = _queue(self._write)

    async def write(self, outcome: SequencedOutcome) -> None:
        """Returns when the outcome is durable and told.

        Raises:
          LookalikeError: STREAM_FENCED, or the indexer was away for longer than patience lasts.
        """
        await self._queue.submit(outcome)

    async def complete(self) -> Committed:
        """Marks the run complete: its last outcome is written. Raises as `write` does."""
        return await self._commit((), complete=True)

    async def close(self) -> None:
        """Cancels the write in flight."""
        await self._queue.close()

    async def _write(self, outcomes: Sequence[SequencedOutcome]) -> Sequence[None]:
        written, committed = await self._commit_or_refuse(outcomes)
        await self._on_written(sorted(written, key=lambda outcome: outcome.sequence), committed)
        return [None] * len(outcomes)

    async def _commit_or_refuse(
        self, outcomes: Sequence[SequencedOutcome]
    ) -> tuple[list[SequencedOutcome], Committed]:
        try:
            return list(outcomes), await self._commit(outcomes, complete=False)
        except LookalikeError as error:
            if not _is_of_a_product(error):
                raise
            if len(outcomes) > 1:
                # Nothing was written: find the one product that the indexer will not have.
                half = len(outcomes) // 2
                first, _ = await self._commit_or_refuse(outcomes[:half])
                second, committed = await self._commit_or_refuse(outcomes[half:])
                return first + second, committed
            if outcomes[0].outcome.draft is None:
                raise
            redrafted = await _redrafted(outcomes[0], error, self._redraft)
            if redrafted is not None:
                return await self._commit_or_refuse([redrafted])
            refused = [_refused(outcomes[0], error)]
            return refused, await self._commit(refused, complete=False)

    async def _commit(self, outcomes: Sequence[SequencedOutcome], *, complete: bool) -> Committed:
        # Safe to repeat: an outcome that is stored already is left as it is.
        return await self._patience.call(
            "indexer",
            lambda: self._catalogue.commit(
                self._stream_id,
                self._epoch,
                outcomes,
                complete=complete,
                timeout_s=self._timeout_s,
            ),
        )


class BatchWriter:
    """Upserts products that came without a stream; see StreamWriter."""

    def __init__(
        self,
        catalogue: Catalogue,
        patience: Patience,
        on_written: OnWritten,
        redraft: Redraft,
        *,
        timeout_s: float,
    ) -> None:
        self._catalogue = catalogue
        self._patience = patience
        self._redraft = redraft
        self._on_written = on_written
        self._timeout_s = timeout_s
        self._queue = _queue(self._write)

    async def write(self, outcome: SequencedOutcome) -> None:
        """Returns when the outcome is durable and told. Raises as StreamWriter.write does."""
        await self._queue.submit(outcome)

    async def close(self) -> None:
        """Cancels the write in flight."""
        await self._queue.close()

    async def _write(self, outcomes: Sequence[SequencedOutcome]) -> Sequence[None]:
        places = [place for place, one in enumerate(outcomes) if one.outcome.draft is not None]
        drafts = [draft for one in outcomes if (draft := one.outcome.draft) is not None]
        written = list(outcomes)
        if drafts:
            upserted = await self._patience.call(
                "indexer", lambda: self._catalogue.upsert(drafts, timeout_s=self._timeout_s)
            )
            version = upserted.index_version
            for position, error in upserted.errors.items():
                one = outcomes[places[position]]
                again = await _redrafted(one, error, self._redraft)
                if again is None:
                    written[places[position]] = _refused(one, error)
                else:
                    written[places[position]], version = await self._upsert_one(again)
        else:
            # Nothing to write; but what is unchanged must be seen by whoever asks for the version.
            version = await self._patience.call(
                "indexer", lambda: self._catalogue.index_version(timeout_s=self._timeout_s)
            )
        await self._on_written(written, Committed(0, version))
        return [None] * len(outcomes)

    async def _upsert_one(self, one: SequencedOutcome) -> tuple[SequencedOutcome, int]:
        drafts = [draft for draft in (one.outcome.draft,) if draft is not None]
        upserted = await self._patience.call(
            "indexer", lambda: self._catalogue.upsert(drafts, timeout_s=self._timeout_s)
        )
        for error in upserted.errors.values():
            one = _refused(one, error)
        return one, upserted.index_version


async def _redrafted(
    one: SequencedOutcome, error: LookalikeError, redraft: Redraft
) -> SequencedOutcome | None:
    """The outcome for the space that is searched now, if it was refused because of a switch."""
    draft = one.outcome.draft
    if error.reason != "EMBEDDING_VERSION_MISMATCH" or draft is None:
        return None
    again = await redraft(draft)
    if again is None:
        return None
    return replace(one, outcome=replace(one.outcome, draft=again))


def _queue(
    run: Callable[[Sequence[SequencedOutcome]], Awaitable[Sequence[None]]],
) -> Coalescer[SequencedOutcome, None]:
    return Coalescer(run, max_items=_MAX_OUTCOMES, max_weight=_MAX_BYTES, weigh=_size_bytes)


def _size_bytes(one: SequencedOutcome) -> int:
    """About what an outcome takes on the wire, rather too much."""
    outcome = one.outcome
    size = 2_048 + 2_048 * len(outcome.failures)
    if (draft := outcome.draft) is not None:
        size += 200 + sum(map(_attribute_bytes, draft.attributes.items()))
        for image in draft.images:
            size += 1_500 + sum(100 + len(vector.values_f32) for vector in image.record.vectors)
        for other in draft.others:
            size += sum(100 + len(one.values_f32) for image in other.images for one in image)
    return size


def _attribute_bytes(item: tuple[str, Scalar | tuple[Scalar, ...]]) -> int:
    key, value = item
    values = value if isinstance(value, tuple) else (value,)
    # A character takes at most four bytes.
    return 4 * len(key) + sum(16 + 4 * len(one) if isinstance(one, str) else 16 for one in values)


def _is_of_a_product(error: LookalikeError) -> bool:
    # INTERNAL too: a product that wakes a bug of the indexer must not stop its neighbours.
    if isinstance(error, ResourceExhausted):
        return error.reason == "MESSAGE_TOO_LARGE"
    return isinstance(error, InvalidArgument | FailedPrecondition | Internal)


def _refused(one: SequencedOutcome, error: LookalikeError) -> SequencedOutcome:
    outcome = replace(one.outcome, state=State.REFUSED, error=error, draft=None)
    return replace(one, outcome=outcome)
