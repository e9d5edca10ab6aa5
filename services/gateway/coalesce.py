"""Group commit: whatever is ready goes together, one call in flight, nobody waits for a clock."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

Item = TypeVar("Item")
Out = TypeVar("Out")


class Coalescer(Generic[Item, Out]):
    """Turns single submissions into calls with many items.

    The first item goes at once; those that come while a call is in flight share the next one. An
    exception of a call fails all of its items.

    Args:
      run: takes 1 or more items and returns one result for each, in order.
      max_items: in one call.
      weigh: an item's weight; a call's weight stays below `max_weight` unless one item exceeds it.
    """

    def __init__(
        self,
        run: Callable[[Sequence[Item]], Awaitable[Sequence[Out]]],
        *,
        max_items: int,
        max_weight: int,
        weigh: Callable[[Item], int],
    ) -> None:
        self._run = run
        self._max_items = max_items
        self._max_weight = max_weight
        self._weigh = weigh
        self._waiting: deque[tuple[Item, asyncio.Future[Out]]] = deque()
        self._runner: asyncio.Task[None] | None = None

    async def submit(self, item: Item) -> Out:
        """The item's own result."""
        future: asyncio.Future[Out] = asyncio.get_running_loop().create_future()
        self._waiting.append((item, future))
        if self._runner is None:
            self._runner = asyncio.create_task(self._drain())
        return await future

    async def close(self) -> None:
        """Cancels what is in flight and whoever waits."""
        if self._runner is not None:
            self._runner.cancel()
            await asyncio.gather(self._runner, return_exceptions=True)

    async def _drain(self) -> None:
        batch: list[tuple[Item, asyncio.Future[Out]]] = []
        try:
            while batch := self._next():
                try:
                    outs = await self._run([item for item, _ in batch])
                except Exception as error:
                    for _, future in batch:
                        if not future.done():
                            future.set_exception(error)
                    continue
                for (_, future), out in zip(batch, outs, strict=True):
                    if not future.done():
                        future.set_result(out)
        finally:
            self._runner = None
            for _, future in [*batch, *self._waiting]:
                future.cancel()
            self._waiting.clear()

    def _next(self) -> list[tuple[Item, "asyncio.Future[Out]"]]:
        batch: list[tuple[Item, asyncio.Future[Out]]] = []
        weight = 0
        while self._waiting and len(batch) < self._max_items:
            item, future = self._waiting[0]
            if future.done():  # its caller left
                self._waiting.popleft()
                continue
            weight += self._weigh(item)
            if batch and weight > self._max_weight:
                break
            batch.append(self._waiting.popleft())
        return batch
