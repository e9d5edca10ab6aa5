"""One connection of one ingest stream: the protocol of protos/lookalike/gateway/v1/ingest.proto."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from servicekit.errors import (
    FailedPrecondition,
    InvalidArgument,
    ResourceExhausted,
    Unavailable,
)
from services.gateway.byte_budget import ByteBudget, Hold
from services.gateway.catalogue import Committed, OpenedStream, Outcome, SequencedOutcome
from services.gateway.domain import Catalogue
from services.gateway.incoming import IncomingProduct
from services.gateway.ingest_messages import (
    ClientMessage,
    Credit,
    Durable,
    Opened,
    OpenRequest,
    ProductRequest,
    Result,
    ServerMessage,
)
from services.gateway.outcome_writer import Redraft, StreamWriter
from services.gateway.retry import Patience
from services.gateway.stored_outcomes import StoredOutcomes
from services.gateway.turns import Turn, Turns

Send = Callable[[ServerMessage], Awaitable[None]]


class Processor(Protocol):
    """Turns a product into its outcome (ProductPipeline)."""

    async def process(self, product: IncomingProduct) -> Outcome: ...


class IngestObserver(Protocol):
    """Told of connections and outcomes."""

    def stream_opened(self) -> None: ...

    def stream_closed(self) -> None: ...

    def product_finished(self, outcome: Outcome, *, replayed: bool) -> None: ...

    def outcomes_committed(self, count: int) -> None: ...


@dataclass(frozen=True, slots=True)
class IngestNeeds:
    """What all ingest calls of the process share.

    Attributes:
      credit: what one stream may have in flight.
      budget: bounds the bytes of all of them.
      draining: set when the process takes no more.
      drain_s: for what is in flight then; what takes longer is for the next connection.
      timeout_s: for one attempt of one call to the indexer.
      redraft: see outcome_writer.
    """

    processor: Processor
    catalogue: Catalogue
    patience: Patience
    budget: ByteBudget
    observer: IngestObserver
    draining: asyncio.Event
    credit: Credit
    drain_s: float
    timeout_s: float
    redraft: Redraft


class IngestSession:
    """Runs one connection from its first message to its last."""

    def __init__(self, needs: IngestNeeds, send: Send) -> None:
        self._needs = needs
        self._send = send
        self._turns = Turns()
        self._in_flight: dict[int, int] = {}
        """Bytes of images, by sequence, of products whose result was not sent yet."""
        self._next_sequence: int | None = None
        self._durable = 0

    async def run(self, messages: AsyncIterator[ClientMessage]) -> None:
        """Returns when the client has half-closed and all is durable.

        Raises:
          LookalikeError: see the method's comment in ingest.proto; also inside a group.
        """
        opening = await self._opening(messages)
        needs = self._needs
        stream = await needs.patience.call(
            "indexer",
            lambda: needs.catalogue.open_stream(
                opening.stream_id,
                opening.source_fingerprint,
                opening.run_id,
                opening.client,
                timeout_s=needs.timeout_s,
            ),
        )
        self._durable = stream.last_durable_sequence
        writer = StreamWriter(
            needs.catalogue,
            needs.patience,
            opening.stream_id,
            stream.epoch,
            self._tell,
            needs.redraft,
            timeout_s=needs.timeout_s,
        )
        needs.observer.stream_opened()
        try:
            await self._greet(opening, stream)
            await self._take_in(messages, opening, stream, writer)
            committed = await writer.complete()
            await self._tell_durable(committed)
        finally:
            await writer.close()
            needs.observer.stream_closed()

    async def _opening(self, messages: AsyncIterator[ClientMessage]) -> OpenRequest:
        if self._needs.draining.is_set():
            raise _draining()
        first = await anext(messages, None)
        if not isinstance(first, OpenRequest):
            raise _violation("The first message of a stream is `open`.")
        if first.confirmed_sequence < 0:
            raise InvalidArgument(
                "confirmed_sequence is 0 or greater.",
                reason="FIELD_INVALID",
                field="open.confirmed_sequence",
            )
        return first

    async def _greet(self, opening: OpenRequest, stream: OpenedStream) -> None:
        # A stream that began again at 0 knows nothing of what the client had confirmed of it.
        confirmed = min(opening.confirmed_sequence, stream.last_durable_sequence)
        await self._send(
            Opened(
                epoch=stream.epoch,
                last_durable_sequence=stream.last_durable_sequence,
                credit=self._needs.credit,
                replay_count=max(0, stream.outcome_count - confirmed),
            )
        )
        if stream.outcome_count > confirmed:
            async for outcome in self._stored(opening).after(confirmed):
                self._needs.observer.product_finished(outcome.outcome, replayed=True)
                await self._send(Result(outcome, None, index_version=0, replayed=True))

    async def _take_in(
        self,
        messages: AsyncIterator[ClientMessage],
        opening: OpenRequest,
        stream: OpenedStream,
        writer: StreamWriter,
    ) -> None:
        """Reads until the half-close, and waits for all that was read."""
        stored = self._stored(opening) if stream.outcome_count else None
        drain = asyncio.create_task(self._needs.draining.wait())
        running: set[asyncio.Task[None]] = set()
        try:
            async with asyncio.TaskGroup() as products:
                while (message := await _next_or_drain(messages, drain)) is not None:
                    request = self._accept(message)
                    done = await stored.of(request.sequence) if stored is not None else None
                    if done is not None:
                        await self._tell_again(done)
                        continue
                    # A product may be in memory beyond the budget, while it waits here: one for
                    # each stream. The next one stays with the client, held by flow control.
                    hold = await self._needs.budget.acquire(request.product.memory_bytes)
                    turn = self._turns.take(request.product.product_id)
                    task = products.create_task(self._product(request, turn, hold, writer))
                    running.add(task)
                    task.add_done_callback(running.discard)
                    # Also if the task is cancelled before its first step.
                    task.add_done_callback(hold.release_after)
                    del message, request
                if drain.done():
                    if running:
                        await asyncio.wait(running, timeout=self._needs.drain_s)
                    raise _draining()
        finally:
            drain.cancel()

    def _accept(self, message: ClientMessage) -> ProductRequest:
        if not isinstance(message, ProductRequest):
            raise _violation("After `open` a client sends products and nothing else.")
        sequence, expected = message.sequence, self._next_sequence
        if expected is None:
            if not 1 <= sequence <= self._durable + 1:
                raise _violation(
                    f"The first sequence is {sequence}; it has to be from 1 to {self._durable + 1}."
                )
        elif sequence != expected:
            raise _violation(f"Sequence {sequence} follows {expected - 1}: there are no gaps.")
        size_bytes, credit = message.product.size_bytes, self._needs.credit
        if self._in_flight and (
            len(self._in_flight) + 1 > credit.products
            or sum(self._in_flight.values()) + size_bytes > credit.bytes
        ):
            raise ResourceExhausted(
                f"Sequence {sequence} is more than the client's credit.",
                reason="CREDIT_EXCEEDED",
                metadata={
                    "credit_products": str(credit.products),
                    "credit_bytes": str(credit.bytes),
                },
            )
        self._next_sequence = sequence + 1
        self._in_flight[sequence] = size_bytes
        return message

    async def _product(
        self, request: ProductRequest, turn: Turn, hold: Hold, writer: StreamWriter
    ) -> None:
        sequence = request.sequence
        async with turn:
            outcome = await self._needs.processor.process(request.product)
            # Its photographs are stored or useless by now; the outcome is small.
            del request
            hold.release()
            await writer.write(SequencedOutcome(sequence, outcome))

    async def _tell(self, outcomes: Sequence[SequencedOutcome], committed: Committed) -> None:
        observer = self._needs.observer
        observer.outcomes_committed(len(outcomes))
        for outcome in outcomes:
            credit = Credit(1, self._in_flight.pop(outcome.sequence))
            observer.product_finished(outcome.outcome, replayed=False)
            await self._send(Result(outcome, credit, committed.index_version, replayed=False))
        await self._tell_durable(committed)

    async def _tell_again(self, outcome: SequencedOutcome) -> None:
        # Sent although its outcome is stored already: that outcome stands, and the last product
        # of the same identifier has won since.
        credit = Credit(1, self._in_flight.pop(outcome.sequence))
        self._needs.observer.product_finished(outcome.outcome, replayed=True)
        await self._send(Result(outcome, credit, index_version=0, replayed=True))

    async def _tell_durable(self, committed: Committed) -> None:
        if committed.last_durable_sequence > self._durable:
            self._durable = committed.last_durable_sequence
            await self._send(Durable(self._durable))

    def _stored(self, opening: OpenRequest) -> StoredOutcomes:
        needs = self._needs
        return StoredOutcomes(
            needs.catalogue, needs.patience, opening.stream_id, timeout_s=needs.timeout_s
        )


async def _next_or_drain(
    messages: AsyncIterator[ClientMessage], drain: "asyncio.Task[Literal[True]]"
) -> ClientMessage | None:
    """The next message; None at the half-close, and when the drain begins first."""
    if drain.done():
        return None
    read = asyncio.create_task(_next(messages))
    try:
        await asyncio.wait((read, drain), return_when=asyncio.FIRST_COMPLETED)
        return read.result() if read.done() else None
    finally:
        read.cancel()


async def _next(messages: AsyncIterator[ClientMessage]) -> ClientMessage | None:
    return await anext(messages, None)


def _violation(message: str) -> FailedPrecondition:
    return FailedPrecondition(message, reason="STREAM_PROTOCOL_VIOLATION")


def _draining() -> Unavailable:
    return Unavailable(
        "The gateway takes no more; what it had is finished. Open the stream again.",
        reason="DRAINING",
        retry_after_s=1.0,
    )
