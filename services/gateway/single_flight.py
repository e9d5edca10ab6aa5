"""The same work asked for twice at once is done once."""

import asyncio
from collections.abc import Awaitable, Callable, Hashable
from dataclasses import dataclass
from typing import Generic, TypeVar

Key = TypeVar("Key", bound=Hashable)
Value = TypeVar("Value")


@dataclass(slots=True)
class _Flight(Generic[Value]):
    task: "asyncio.Task[Value]"
    waiters: int


class SingleFlight(Generic[Key, Value]):
    """Runs work by key; callers with the same key share one run and its result or error.

    The work belongs to nobody in particular: it goes on while anybody waits, and is cancelled with
    its last waiter.
    """

    def __init__(self) -> None:
        self._flights: dict[Key, _Flight[Value]] = {}

    async def run(self, key: Key, work: Callable[[], Awaitable[Value]]) -> Value:
        """The result of `work`, or of the same work already on its way."""
        flight = self._flights.get(key)
        if flight is None:
            flight = _Flight(asyncio.ensure_future(_as_coroutine(work)), 0)
            self._flights[key] = flight
            flight.task.add_done_callback(lambda task: self._land(key, task))
        flight.waiters += 1
        try:
            # Shielded: a caller that goes away must not take the work from the others.
            return await asyncio.shield(flight.task)
        finally:
            flight.waiters -= 1
            if flight.waiters == 0 and not flight.task.done():
                self._flights.pop(key, None)
                flight.task.cancel()

    def _land(self, key: Key, task: "asyncio.Task[Value]") -> None:
        flight = self._flights.get(key)
        if flight is not None and flight.task is task:
            del self._flights[key]
        if not task.cancelled():
            task.exception()  # seen, also if its waiters left in the same tick


async def _as_coroutine(work: Callable[[], Awaitable[Value]]) -> Value:
    return await work()
