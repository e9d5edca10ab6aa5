"""A bound on the bytes that all ingest calls together hold in memory."""

import asyncio
import contextlib
from collections import deque

from servicekit.errors import ResourceExhausted


class Hold:
    """Room that was given; handing it back twice does nothing."""

    def __init__(self, budget: "ByteBudget", size_bytes: int) -> None:
        self._budget: ByteBudget | None = budget
        self._size_bytes = size_bytes

    def release(self) -> None:
        """Gives the room back."""
        if self._budget is not None:
            self._budget._release(self._size_bytes)
            self._budget = None

    def release_after(self, task: object) -> None:
        """Gives the room back when a task is done: a callback for it."""
        self.release()


class ByteBudget:
    """A counter that callers wait for in turn.

    An amount above the whole budget is let in when nothing else is in flight: one huge product
    runs alone instead of never.
    """

    def __init__(self, limit_bytes: int) -> None:
        if limit_bytes < 1:
            raise ValueError("a budget has at least one byte")
        self._limit = limit_bytes
        self._used = 0
        self._holders = 0
        self._waiting: deque[tuple[int, asyncio.Future[Hold]]] = deque()

    @property
    def used_bytes(self) -> int:
        return self._used

    async def acquire(self, size_bytes: int) -> Hold:
        """Waits until there is room, first come first served."""
        if not self._waiting and self._fits(size_bytes):
            return self._take(size_bytes)
        future: asyncio.Future[Hold] = asyncio.get_running_loop().create_future()
        self._waiting.append((size_bytes, future))
        try:
            return await future
        except asyncio.CancelledError:
            if future.done() and not future.cancelled():
                future.result().release()  # granted and cancelled in the same tick
            else:
                with contextlib.suppress(ValueError):  # passed over already
                    self._waiting.remove((size_bytes, future))
                self._grant()
            raise

    def take_now(self, size_bytes: int) -> Hold:
        """Takes room at once.

        Raises:
          ResourceExhausted: QUEUE_FULL; there is none.
        """
        if self._waiting or not self._fits(size_bytes):
            raise ResourceExhausted(
                "The gateway holds as many bytes of images as it may; try again.",
                reason="QUEUE_FULL",
                retry_after_s=1.0,
            )
        return self._take(size_bytes)

    def _release(self, size_bytes: int) -> None:
        self._used -= size_bytes
        self._holders -= 1
        self._grant()

    def _fits(self, size_bytes: int) -> bool:
        return self._holders == 0 or self._used + size_bytes <= self._limit

    def _take(self, size_bytes: int) -> Hold:
        self._used += size_bytes
        self._holders += 1
        return Hold(self, size_bytes)

    def _grant(self) -> None:
        while self._waiting and self._fits(self._waiting[0][0]):
            size_bytes, future = self._waiting.popleft()
            if not future.done():
                future.set_result(self._take(size_bytes))
