"""Products with one identifier take effect one after another; all others at once."""

import asyncio
from types import TracebackType


class Turn:
    """A place in the queue of one key; an async context manager that waits for those before."""

    def __init__(self, turns: "Turns", key: str, before: asyncio.Event | None) -> None:
        self._turns = turns
        self._key = key
        self._before = before
        self.over = asyncio.Event()

    async def __aenter__(self) -> None:
        if self._before is not None:
            await self._before.wait()

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.over.set()
        self._turns.leave(self._key, self)


class Turns:
    """Hands out turns by key, in the order in which they are asked for."""

    def __init__(self) -> None:
        self._last: dict[str, Turn] = {}

    def take(self, key: str) -> Turn:
        """The next turn of a key."""
        last = self._last.get(key)
        turn = Turn(self, key, last.over if last is not None else None)
        self._last[key] = turn
        return turn

    def leave(self, key: str, turn: Turn) -> None:
        """Forgets a key whose last turn is over."""
        if self._last.get(key) is turn:
            del self._last[key]
