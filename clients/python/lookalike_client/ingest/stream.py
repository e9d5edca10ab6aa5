"""Sends a feed through the ingest stream, over as many connections as it takes."""

import asyncio
import contextlib
import dataclasses
import random
import re
import time
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Final

import grpc

from lookalike.gateway.v1 import ingest_pb2
from lookalike_client import errors, wire
from lookalike_client.errors import ApiError, LookalikeError
from lookalike_client.ingest.duplex import Duplex
from lookalike_client.ingest.feeds import Feed
from lookalike_client.ingest.loading import Limits
from lookalike_client.ingest.reading import read_ahead
from lookalike_client.ingest.results import IngestSummary, OutcomeState, ProductOutcome, Tally
from lookalike_client.ingest.settings import IngestSettings
from lookalike_client.ingest.window import Credit, ReadAhead

_FINAL_CODES: Final = frozenset(
    {
        grpc.StatusCode.INVALID_ARGUMENT,
        grpc.StatusCode.FAILED_PRECONDITION,
        grpc.StatusCode.PERMISSION_DENIED,
        grpc.StatusCode.UNAUTHENTICATED,
        grpc.StatusCode.UNIMPLEMENTED,
        grpc.StatusCode.OUT_OF_RANGE,
    }
)
# gRPC's own sentence for a message above the receiver's limit; it has no other form.
_TOO_LARGE: Final = re.compile(r"larger than max \((\d+) vs\. (\d+)\)")


@dataclasses.dataclass(frozen=True, slots=True)
class Opened:
    """The stream is open (again)."""

    last_durable_sequence: int
    """The products up to here are not sent again."""
    replay_count: int
    """Outcomes that will be told again."""


@dataclasses.dataclass(frozen=True, slots=True)
class Broken:
    """The connection broke and will be opened again."""

    error: LookalikeError
    retry_in_s: float


Event = Opened | Broken


@dataclasses.dataclass(slots=True)
class _Sent:
    # A product without its outcome yet.
    images: int
    connection: int


class IngestRun:
    """One ingest of one feed. Each product's outcome is handed to `on_outcome` exactly once."""

    def __init__(
        self,
        connect: Callable[[], Duplex],
        feed: Feed,
        *,
        client: str,
        settings: IngestSettings,
        on_outcome: Callable[[ProductOutcome], object] | None = None,
        on_event: Callable[[Event], object] | None = None,
    ) -> None:
        self._connect = connect
        self._feed = feed
        self._client = client
        self._settings = settings
        self._on_outcome = on_outcome or (lambda _: None)
        self._on_event = on_event or (lambda _: None)
        self._limits = Limits(settings.max_image_bytes, settings.max_message_bytes)
        self._pool = ThreadPoolExecutor(settings.read_threads, "lookalike-ingest-files")
        self._run_id = uuid.uuid4().hex
        self._tally = Tally()
        self._sent: dict[int, _Sent] = {}
        # Every product up to `_confirmed` has its outcome, and those in `_beyond`.
        self._confirmed = 0
        self._beyond: set[int] = set()
        self._connections = 0
        self._ever_opened = False
        self._stuck_since: float | None = None
        self._attempts = 0
        self._first_sent: float | None = None

    async def run(self) -> IngestSummary:
        """Sends everything and returns the sum.

        Raises:
          IngestError: the stream ended for good; the error holds the sum so far.
        """
        for rejected in self._feed.rejected:
            self._deliver(
                ProductOutcome(
                    sequence=0,
                    product_id=rejected.product_id,
                    state=OutcomeState.FAILED,
                    reason=rejected.reason,
                    message=rejected.message,
                    where=rejected.where,
                )
            )
        try:
            while not await self._run_connection():
                pass
        finally:
            self._pool.shutdown(wait=False, cancel_futures=True)
        return self.summary()

    def summary(self) -> IngestSummary:
        """The sum so far."""
        started = self._first_sent
        return self._tally.summary(seconds=0.0 if started is None else time.monotonic() - started)

    async def _run_connection(self) -> bool:
        self._connections += 1
        try:
            await self._converse()
        except (ApiError, errors.ProtocolError) as failure:
            await self._recover(failure)
            return False
        return True

    async def _converse(self) -> None:
        duplex = self._connect()
        try:
            await duplex.write(
                ingest_pb2.IngestRequest(
                    open=ingest_pb2.IngestOpen(
                        stream_id=self._feed.stream_id,
                        source_fingerprint=self._feed.fingerprint,
                        run_id=self._run_id,
                        confirmed_sequence=self._confirmed,
                        client=self._client,
                    )
                )
            )
            first = await duplex.read()
            if first is None or first.WhichOneof("message") != "opened":
                raise errors.ProtocolError("The server did not answer `open` with `opened`.")
            opened = first.opened
            self._ever_opened = True
            self._on_event(Opened(opened.last_durable_sequence, opened.replay_count))
            credit = Credit(products=opened.credit.products, size_bytes=opened.credit.bytes)
            sender = asyncio.create_task(self._send(duplex, credit, opened.last_durable_sequence))
            receiver = asyncio.create_task(self._receive(duplex, credit))
            try:
                await asyncio.wait({sender, receiver}, return_when=asyncio.FIRST_COMPLETED)
                # A sender that failed (a feed raised) ends the ingest; one that merely found the
                # call over leaves the last word to the receiver.
                last = sender.result() if sender.done() else None
                await receiver
            finally:
                duplex.close()
                sender.cancel()
                receiver.cancel()
                await asyncio.gather(sender, receiver, return_exceptions=True)
        finally:
            duplex.close()
        if last is None or self._confirmed < last:  # ended with OK, but too early
            raise errors.ProtocolError(
                f"The server ended the stream after {self._confirmed} outcomes, before the end."
            )

    async def _send(self, duplex: Duplex, credit: Credit, after: int) -> int | None:
        # Returns the last sequence of the feed, or None if the call was over before it was sent.
        sequence = after
        room = ReadAhead(
            products=self._settings.read_ahead_products, size_bytes=self._settings.read_ahead_bytes
        )
        products = read_ahead(self._feed, after, room=room, limits=self._limits, pool=self._pool)
        async with contextlib.aclosing(products):
            async for sequence, loaded in products:
                await credit.take(sequence, loaded.image_bytes)
                if self._first_sent is None:
                    self._first_sent = time.monotonic()
                self._sent.setdefault(sequence, _Sent(loaded.images, self._connections))
                product = ingest_pb2.SequencedProduct(sequence=sequence, product=loaded.message)
                if not await duplex.write(ingest_pb2.IngestRequest(product=product)):
                    return None
        duplex.half_close()
        return sequence

    async def _receive(self, duplex: Duplex, credit: Credit) -> None:
        while (response := await duplex.read()) is not None:
            match response.WhichOneof("message"):
                case "result":
                    result = response.result
                    if result.HasField("credit"):  # else this connection has not sent it
                        credit.give(
                            result.sequence,
                            products=result.credit.products,
                            size_bytes=result.credit.bytes,
                        )
                    self._settle(result)
                case "durable":
                    credit.settle(response.durable.sequence)
                case "opened":
                    raise errors.ProtocolError("The server opened an open stream.")
                # Anything else is of a later version of the contract, which only adds.

    def _settle(self, result: ingest_pb2.IngestResult) -> None:
        sequence = result.sequence
        if sequence <= self._confirmed or sequence in self._beyond:
            return  # told before this connection
        sent = self._sent.pop(sequence, None)
        # An outcome that was there before this run sent the product is a run's that broke off.
        earlier = result.replayed and (sent is None or sent.connection == self._connections)
        self._deliver(_outcome(result, earlier=earlier), images=sent.images if sent else 0)
        self._beyond.add(sequence)
        while self._confirmed + 1 in self._beyond:
            self._confirmed += 1
            self._beyond.remove(self._confirmed)
        self._feed.forget(self._confirmed)
        self._stuck_since, self._attempts = None, 0

    def _deliver(self, outcome: ProductOutcome, *, images: int = 0) -> None:
        self._tally.add(outcome, images=images)
        self._on_outcome(outcome)

    async def _recover(self, failure: LookalikeError) -> None:
        if isinstance(failure, ApiError):
            self._refuse_if_final(failure)
        now = time.monotonic()
        if self._stuck_since is None:
            self._stuck_since = now
        unreachable = isinstance(failure, errors.ConnectError) and not self._ever_opened
        limit_s = self._settings.first_contact_s if unreachable else self._settings.give_up_s
        wait_s = self._backoff_s(failure)
        if now - self._stuck_since + wait_s > limit_s:
            raise errors.StreamUnavailable(
                failure.message if unreachable else self._how_far(failure, limit_s),
                summary=self.summary(),
                cause=failure,
            ) from failure
        self._on_event(Broken(failure, wait_s))
        await asyncio.sleep(wait_s)

    def _refuse_if_final(self, failure: ApiError) -> None:
        if failure.reason == "STREAM_FENCED":
            message = "The same stream was opened elsewhere; this ingest ends here."
            raise errors.StreamFenced(message, summary=self.summary(), cause=failure) from failure
        final = failure.code in _FINAL_CODES or failure.reason == "CREDIT_EXCEEDED"
        if failure.code is grpc.StatusCode.RESOURCE_EXHAUSTED and not final:
            final = not self._fits_smaller(failure)
        if final:
            raise errors.StreamRefused(
                failure.message, summary=self.summary(), cause=failure
            ) from failure

    def _fits_smaller(self, failure: ApiError) -> bool:
        found = _TOO_LARGE.search(failure.message)
        if found is None:
            return failure.reason != "MESSAGE_TOO_LARGE"  # a full queue: it may pass
        limit = int(found[2])
        if limit >= self._limits.message_bytes:
            return False
        self._limits = dataclasses.replace(self._limits, message_bytes=limit)
        return True

    def _backoff_s(self, failure: LookalikeError) -> float:
        self._attempts += 1
        doubled: float = self._settings.first_backoff_s * 2 ** min(self._attempts - 1, 16)
        backoff_s = min(doubled, self._settings.max_backoff_s) * random.uniform(0.5, 1.0)
        asked_s = failure.retry_after_s if isinstance(failure, ApiError) else None
        return max(backoff_s, min(asked_s or 0.0, 60.0))

    def _how_far(self, failure: LookalikeError, limit_s: float) -> str:
        finished = self.summary().finished
        return (
            f"Gave up after {limit_s:g} s without progress, with {finished} products finished; "
            f"the same ingest goes on there. {failure.message}"
        )


def _outcome(result: ingest_pb2.IngestResult, *, earlier: bool) -> ProductOutcome:
    reason = message = ""
    match result.state:
        case ingest_pb2.INGEST_STATE_STORED:
            state = OutcomeState.UNCHANGED if earlier else OutcomeState.INDEXED
        case ingest_pb2.INGEST_STATE_UNCHANGED:
            state = OutcomeState.UNCHANGED
        case _:
            state = OutcomeState.FAILED
            reason, message = wire.reason_of(result.status)
    return ProductOutcome(
        sequence=result.sequence,
        product_id=result.product_id,
        state=state,
        reason=reason,
        message=message,
        image_failures=tuple(map(wire.image_failure, result.image_failures)),
        index_version=result.index_version,
    )
