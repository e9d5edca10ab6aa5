"""Between the doorway and the device: gathers single items into batches. No gRPC, no tensors.

A free worker takes what waits; a delay only lets a batch fill, counted from its oldest item. The
online lane goes first, but the ingest lane always keeps a small share. The queue is bounded in
items and in bytes. Work that nobody waits for any more never reaches the device. An exception
fails the one item that causes it; a dead worker fails everybody and says so.

Source: the ideas of Triton's dynamic_batch_scheduler.cc and text-embeddings-inference's queue.rs.
"""

import asyncio
import logging
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from enum import StrEnum
from typing import Generic, Protocol, TypeVar

from servicekit.batch_queue import BatchQueue, Entry, Lane
from servicekit.batch_worker import BatchWorker, Failed, WorkerDied
from servicekit.errors import (
    DeadlineExceeded,
    Internal,
    LookalikeError,
    ResourceExhausted,
    Unavailable,
)

__all__ = ["BatchMetrics", "DropCause", "Lane", "MicroBatcher", "ReleaseReason"]

Item = TypeVar("Item")
Out = TypeVar("Out")

_log = logging.getLogger(__name__)


class ReleaseReason(StrEnum):
    """Why a batch left the queue."""

    FULL = "full"
    READY = "ready"  # a worker was free and no delay is set
    DELAY = "delay"  # the oldest item has waited long enough
    DRAIN = "drain"  # the batcher is closing


class DropCause(StrEnum):
    """Why an item got no output."""

    REFUSED = "refused"  # the queue was full
    CANCELLED = "cancelled"
    EXPIRED = "expired"
    FAILED = "failed"  # it raises, also alone
    DEAD = "dead"  # the batcher ended first: a dead worker, or close() out of grace


class BatchMetrics(Protocol):
    """What a batcher tells about itself; servicekit.metrics has the Prometheus one."""

    def released(self, size: int, reason: ReleaseReason) -> None: ...
    def waited(self, lane: Lane, seconds: float) -> None: ...
    def ran(self, seconds: float) -> None: ...
    def queued(self, lane: Lane, items: int, size_bytes: int) -> None: ...
    def dropped(self, lane: Lane, cause: DropCause) -> None: ...


class _Unmeasured:
    def released(self, size: int, reason: ReleaseReason) -> None: ...
    def waited(self, lane: Lane, seconds: float) -> None: ...
    def ran(self, seconds: float) -> None: ...
    def queued(self, lane: Lane, items: int, size_bytes: int) -> None: ...
    def dropped(self, lane: Lane, cause: DropCause) -> None: ...


class MicroBatcher(Generic[Item, Out]):
    """Batches the items of concurrent callers. Belongs to the event loop that first submits.

    Args:
      run: blocking; called in the batcher's own thread with 1 to max_batch_size items; returns one
        output per item, in order. May be called again with parts of a batch that raised.
      name: of the threads and of the log lines.
      max_batch_size: items.
      max_delay_s: how long a free worker lets a batch that is not full fill, from its oldest item.
        0: it takes at once what waits.
      max_queue_items, max_queue_bytes: of what waits; batches that run are not counted.
      max_batch_bytes: an item above it runs alone.
      online_reserve: fraction of the queue that ingest may not occupy.
      ingest_share: fraction of the items taken that is ingest's while both lanes wait.
      mix_lanes: whether ingest items top up a batch that online items lead.
      stall_s: a batch that runs longer makes `healthy` False; None: no limit.
    """

    def __init__(
        self,
        run: Callable[[Sequence[Item]], Sequence[Out]],
        *,
        name: str,
        max_batch_size: int,
        max_queue_items: int,
        max_queue_bytes: int,
        max_delay_s: float = 0.0,
        max_batch_bytes: int | None = None,
        online_reserve: float = 0.25,
        ingest_share: float = 0.1,
        mix_lanes: bool = True,
        workers: int = 1,
        stall_s: float | None = None,
        metrics: BatchMetrics | None = None,
    ) -> None:
        if max_batch_size < 1 or workers < 1 or max_delay_s < 0:
            raise ValueError("max_batch_size and workers are at least 1, max_delay_s at least 0")
        self._run = run
        self._name = name
        self._max_batch_size = max_batch_size
        self._max_batch_bytes = max_batch_bytes
        self._max_delay_s = max_delay_s
        self._workers = workers
        self._stall_s = stall_s
        self._metrics: BatchMetrics = _Unmeasured() if metrics is None else metrics
        self._queue: BatchQueue[Item, Out] = BatchQueue(
            max_items=max_queue_items,
            max_bytes=max_queue_bytes,
            online_reserve=online_reserve,
            ingest_share=ingest_share,
            mix_lanes=mix_lanes,
        )
        # Callers that wait for room, in order; they are not in the queue yet.
        self._outside: dict[Lane, OrderedDict[int, Entry[Item, Out]]] = {
            lane: OrderedDict() for lane in Lane
        }
        self._loop: asyncio.AbstractEventLoop | None = None
        self._idle: list[BatchWorker[Item, Out]] = []
        self._running: dict[BatchWorker[Item, Out], tuple[float, list[Entry[Item, Out]]]] = {}
        self._pump_scheduled = False
        self._delay_timer: asyncio.TimerHandle | None = None
        self._seconds_per_item = 0.0
        self._dead: BaseException | None = None
        self._closing = False
        self._empty = asyncio.Event()

    @property
    def healthy(self) -> bool:
        """False once the worker has died, and while a batch runs for longer than `stall_s`."""
        if self._dead is not None:
            return False
        if self._stall_s is None:
            return True
        now = time.monotonic()
        return all(now - began < self._stall_s for began, _ in self._running.values())

    async def submit(
        self,
        item: Item,
        *,
        size_bytes: int,
        lane: Lane = Lane.ONLINE,
        wait: bool = False,
        deadline: float | None = None,
    ) -> Out:
        """Waits for one item's output.

        Cancelling the call takes the item out of the queue.

        Args:
          size_bytes: what the item holds of memory while it waits.
          wait: when the queue is full, wait for room (streams) instead of being refused (unary).
          deadline: on time.monotonic()'s clock.

        Raises:
          ResourceExhausted: QUEUE_FULL with a time to retry; MESSAGE_TOO_LARGE if the item can
            never fit.
          DeadlineExceeded: DEADLINE_PASSED, at the deadline, wherever the item is by then.
          Unavailable: DRAINING after close(); WORKER_DEAD.
          Internal: `run` raised something untyped for this item, also alone; it is the cause. A
            LookalikeError that `run` raises comes through as it is.
        """
        loop = self._start()
        now = time.monotonic()
        entry: Entry[Item, Out] = Entry(
            item, size_bytes, lane, loop.create_future(), queued_at=now, deadline=deadline
        )
        if deadline is not None and deadline <= now:
            self._metrics.dropped(lane, DropCause.EXPIRED)
            raise _deadline_passed()
        timer: asyncio.TimerHandle | None = None
        try:
            self._enter(entry, wait)
            if deadline is not None:
                timer = loop.call_later(deadline - now, self._expire, entry)
            return await entry.future
        except asyncio.CancelledError:
            self._metrics.dropped(lane, DropCause.CANCELLED)
            raise
        finally:
            if timer is not None:
                timer.cancel()
            self._leave(entry)

    async def close(self, grace_s: float | None = None) -> None:
        """Refuses new items, runs what waits, and ends the threads.

        Args:
          grace_s: after this many seconds what is left fails as DRAINING; None: no limit.
        """
        self._closing = True
        self._schedule_pump()
        self._note_if_empty()
        try:
            await asyncio.wait_for(self._empty.wait(), grace_s)
        except TimeoutError:
            self._fail_all(_draining)
        for worker in [*self._idle, *self._running]:
            worker.stop()
        self._idle.clear()

    # Entering and leaving

    def _start(self) -> asyncio.AbstractEventLoop:
        if self._dead is not None:
            raise _worker_dead(self._name)
        if self._closing:
            raise _draining()
        if self._loop is None:
            self._loop = asyncio.get_running_loop()
            self._idle = [
                BatchWorker(self._run, f"batcher-{self._name}-{index}", self._deliver)
                for index in range(self._workers)
            ]
        return self._loop

    def _enter(self, entry: Entry[Item, Out], wait: bool) -> None:
        lane, size_bytes = entry.lane, entry.size_bytes
        if not self._queue.could_ever_fit(lane, size_bytes):
            self._metrics.dropped(lane, DropCause.REFUSED)
            raise ResourceExhausted(
                f"An item of {size_bytes} bytes is larger than the whole {self._name} queue.",
                reason="MESSAGE_TOO_LARGE",
                metadata={"size_bytes": str(size_bytes)},
            )
        # Whoever already waits for room comes first, also before a small item that would fit.
        if not self._outside[lane] and self._queue.fits(lane, size_bytes):
            self._put(entry)
        elif wait:
            self._outside[lane][id(entry)] = entry
        else:
            self._metrics.dropped(lane, DropCause.REFUSED)
            raise ResourceExhausted(
                f"The {self._name} queue is full.",
                reason="QUEUE_FULL",
                metadata={"queue": self._name, "lane": lane.value},
                retry_after_s=self._retry_after_s(),
            )

    def _put(self, entry: Entry[Item, Out]) -> None:
        entry.queued_at = time.monotonic()
        self._queue.put(entry)
        self._tell_depth()
        self._schedule_pump()

    def _leave(self, entry: Entry[Item, Out]) -> None:
        if entry.future.done() and not entry.future.cancelled():
            # Marks the exception as seen when the caller was cancelled in the same moment.
            entry.future.exception()
        self._outside[entry.lane].pop(id(entry), None)
        if self._queue.discard(entry):
            self._tell_depth()
        self._let_in()
        self._note_if_empty()

    def _let_in(self) -> None:
        for lane, outside in self._outside.items():
            while outside:
                entry = next(iter(outside.values()))
                if not self._queue.fits(lane, entry.size_bytes):
                    break
                del outside[id(entry)]
                self._put(entry)

    def _expire(self, entry: Entry[Item, Out]) -> None:
        if not entry.future.done():
            self._metrics.dropped(entry.lane, DropCause.EXPIRED)
            entry.future.set_exception(_deadline_passed())
            self._leave(entry)

    def _retry_after_s(self) -> float:
        ahead_s = len(self._queue) * self._seconds_per_item / self._workers
        return min(max(ahead_s, 0.05), 30.0)

    def _tell_depth(self) -> None:
        for lane in Lane:
            self._metrics.queued(lane, self._queue.lane_items(lane), self._queue.lane_bytes(lane))

    # From the queue to the workers

    def _schedule_pump(self) -> None:
        # Through the loop, so that a burst of callers in one turn makes one batch.
        if not self._pump_scheduled and self._loop is not None:
            self._pump_scheduled = True
            self._loop.call_soon(self._pump)

    def _pump(self) -> None:
        self._pump_scheduled = False
        try:
            while self._idle and self._dead is None and len(self._queue):
                reason = self._due()
                if reason is None:
                    return
                self._dispatch(reason)
        except BaseException as error:
            self._die(error)
            raise

    def _due(self) -> ReleaseReason | None:
        """Why a batch is due; None, with the timer set, if it is not yet."""
        if self._closing:
            return ReleaseReason.DRAIN
        if len(self._queue) >= self._max_batch_size or (
            self._max_batch_bytes is not None and self._queue.size_bytes >= self._max_batch_bytes
        ):
            return ReleaseReason.FULL
        if self._max_delay_s == 0:
            return ReleaseReason.READY
        oldest = self._queue.oldest_queued_at()
        assert oldest is not None  # the queue is not empty
        assert self._loop is not None
        left_s = oldest + self._max_delay_s - time.monotonic()
        if left_s <= 0:
            return ReleaseReason.DELAY
        if self._delay_timer is not None:
            self._delay_timer.cancel()
        # Timers of a millisecond's resolution may fire early; never a busy loop.
        self._delay_timer = self._loop.call_later(max(left_s, 0.001), self._schedule_pump)
        return None

    def _dispatch(self, reason: ReleaseReason) -> None:
        now = time.monotonic()
        batch = self._queue.take(self._max_batch_size, self._max_batch_bytes)
        worker = self._idle.pop()
        # From here on the batch is either in _running or done, so that _die() finds it.
        self._running[worker] = (now, batch)
        for entry in batch:
            # A loop that was held up may be here before the entry's own timer.
            if entry.deadline is not None and entry.deadline <= now:
                self._expire(entry)
        batch = [entry for entry in batch if not entry.future.done()]
        self._tell_depth()
        if batch:
            for entry in batch:
                self._metrics.waited(entry.lane, now - entry.queued_at)
            self._metrics.released(len(batch), reason)
            self._running[worker] = (now, batch)
            worker.begin([entry.item for entry in batch])
        else:
            del self._running[worker]
            self._idle.append(worker)
        self._let_in()
        self._note_if_empty()

    # From the workers to the callers

    def _deliver(
        self, worker: BatchWorker[Item, Out], outcomes: list[Out | Failed] | WorkerDied
    ) -> None:
        """Runs in the worker's thread."""
        assert self._loop is not None  # there are no workers before there is a loop
        try:
            self._loop.call_soon_threadsafe(self._finish, worker, outcomes)
        except RuntimeError:
            _log.debug("batcher %s: the event loop ended before its last batch", self._name)

    def _finish(
        self, worker: BatchWorker[Item, Out], outcomes: list[Out | Failed] | WorkerDied
    ) -> None:
        if isinstance(outcomes, WorkerDied):
            self._die(outcomes.error)
            return
        if worker not in self._running:
            worker.stop()  # its callers were failed while it ran: close() ran out of grace
            return
        try:
            self._settle(worker, outcomes)
        except BaseException as error:
            self._die(error)
            raise
        self._pump()
        self._note_if_empty()

    def _settle(self, worker: BatchWorker[Item, Out], outcomes: list[Out | Failed]) -> None:
        began, batch = self._running[worker]
        seconds = time.monotonic() - began
        for entry, outcome in zip(batch, outcomes, strict=True):
            if isinstance(outcome, Failed):
                self._metrics.dropped(entry.lane, DropCause.FAILED)
                if not entry.future.done():
                    entry.future.set_exception(self._as_typed(outcome.error))
            elif not entry.future.done():
                entry.future.set_result(outcome)
        self._metrics.ran(seconds)
        self._seconds_per_item += (seconds / len(batch) - self._seconds_per_item) * 0.2
        del self._running[worker]
        self._idle.append(worker)

    def _as_typed(self, error: Exception) -> LookalikeError:
        if isinstance(error, LookalikeError):
            return error
        typed = Internal(f"The {self._name} failed on this item.", reason="INTERNAL")
        typed.__cause__ = error
        return typed

    def _die(self, error: BaseException) -> None:
        if self._dead is None:
            self._dead = error
            _log.critical("batcher %s: the worker died", self._name, exc_info=error)
            for worker in [*self._idle, *self._running]:
                worker.stop()
            self._fail_all(lambda: _worker_dead(self._name))

    def _fail_all(self, why: Callable[[], LookalikeError]) -> None:
        outside = [entry for lane in self._outside.values() for entry in lane.values()]
        in_flight = [entry for _, batch in self._running.values() for entry in batch]
        self._running.clear()
        self._fail([*in_flight, *self._queue.drain(), *outside], why)
        for lane in self._outside.values():
            lane.clear()
        self._tell_depth()
        self._note_if_empty()

    def _fail(self, entries: Iterable[Entry[Item, Out]], why: Callable[[], LookalikeError]) -> None:
        for entry in entries:
            if not entry.future.done():
                self._metrics.dropped(entry.lane, DropCause.DEAD)
                entry.future.set_exception(why())

    def _note_if_empty(self) -> None:
        waiting = len(self._queue) + sum(len(lane) for lane in self._outside.values())
        if self._closing and not waiting and not self._running:
            self._empty.set()


def _deadline_passed() -> DeadlineExceeded:
    return DeadlineExceeded(
        "The deadline passed before the item was done.", reason="DEADLINE_PASSED"
    )


def _draining() -> Unavailable:
    return Unavailable("The service is shutting down.", reason="DRAINING", retry_after_s=1.0)


def _worker_dead(name: str) -> Unavailable:
    return Unavailable(
        f"The worker behind the {name} queue died.", reason="WORKER_DEAD", retry_after_s=1.0
    )
