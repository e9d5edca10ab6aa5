"""Waiting until the index in memory has seen a write."""

import asyncio
import time

from servicekit.errors import Unavailable

# Left to the answer on its way to the caller.
_MARGIN_S = 0.05
_NO_DEADLINE_S = 10.0


class VersionGate:
    """Knows the newest index version; made inside the event loop that waits.

    `reached` may be called from any thread.
    """

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._version = 0
        self._changed = asyncio.Event()

    def reached(self, version: int) -> None:
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._advance, version)

    def _advance(self, version: int) -> None:
        self._version = max(self._version, version)
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()

    async def wait(self, version: int, deadline: float | None) -> None:
        """Returns once the version is there.

        Args:
          deadline: on time.monotonic()'s clock; None: ten seconds from now.

        Raises:
          Unavailable: INDEX_BEHIND, shortly before the deadline.
        """
        if version <= self._version:
            return
        end = time.monotonic() + _NO_DEADLINE_S if deadline is None else deadline - _MARGIN_S
        while version > self._version:
            try:
                async with asyncio.timeout(max(end - time.monotonic(), 0.0)):
                    await self._changed.wait()
            except TimeoutError:
                raise Unavailable(
                    f"This replica is at index version {self._version}, not yet at {version}.",
                    reason="INDEX_BEHIND",
                    metadata={"index_version": str(self._version), "wanted": str(version)},
                    retry_after_s=0.1,
                ) from None
