"""The thread that runs batches, and the bisection that finds the item at fault."""

import queue
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

Item = TypeVar("Item")
Out = TypeVar("Out")


@dataclass(frozen=True, slots=True)
class Failed:
    """Stands where an item's output would: alone in its batch, the item raised this."""

    error: Exception


@dataclass(frozen=True, slots=True)
class WorkerDied:
    """Stands where a batch's outcomes would: no further batch will run."""

    error: BaseException


def run_isolating(
    run: Callable[[Sequence[Item]], Sequence[Out]], items: Sequence[Item]
) -> list[Out | Failed]:
    """Runs a batch so that an exception costs only the item that causes it.

    A failing batch is halved until the halves pass or hold one item: one bad item among n costs
    about 2·log2(n) more runs. Also what a device that ran out of memory needs: smaller batches.

    Returns:
      One outcome for each item, in order.
    """
    try:
        outputs = run(items)
        if len(outputs) != len(items):
            raise RuntimeError(f"{len(outputs)} outputs for a batch of {len(items)} items")
        return list(outputs)
    except Exception as error:
        if len(items) == 1:
            return [Failed(error)]
    middle = len(items) // 2
    return run_isolating(run, items[:middle]) + run_isolating(run, items[middle:])


class BatchWorker(Generic[Item, Out]):
    """One thread that runs one batch at a time.

    A daemon thread rather than an executor's: a device that hangs must not keep the process from
    ending.

    Args:
      deliver: called in this thread with the outcomes, or with WorkerDied as the last thing.
    """

    def __init__(
        self,
        run: Callable[[Sequence[Item]], Sequence[Out]],
        name: str,
        deliver: Callable[["BatchWorker[Item, Out]", list[Out | Failed] | WorkerDied], None],
    ) -> None:
        self._run = run
        self._deliver = deliver
        self._batches: queue.SimpleQueue[Sequence[Item] | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._work, name=name, daemon=True)
        self._thread.start()

    def begin(self, items: Sequence[Item]) -> None:
        """Hands a batch over; the caller waits for `deliver` before the next one."""
        self._batches.put(items)

    def stop(self) -> None:
        """Ends the thread after the batch in hand, without waiting for it."""
        self._batches.put(None)

    def _work(self) -> None:
        while (items := self._batches.get()) is not None:
            try:
                outcomes = run_isolating(self._run, items)
            except BaseException as error:  # a panic of native code, or the interpreter's end
                self._deliver(self, WorkerDied(error))
                return
            del items
            self._deliver(self, outcomes)
            del outcomes  # an idle thread must not keep a batch of images alive
