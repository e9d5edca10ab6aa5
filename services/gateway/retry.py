"""Patience with services that are restarted in the middle of an ingest."""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

from servicekit.errors import (
    Cancelled,
    DeadlineExceeded,
    LookalikeError,
    ResourceExhausted,
    Unavailable,
)

Out = TypeVar("Out")

_FIRST_DELAY_S = 0.05
_LONGEST_DELAY_S = 2.0


class Patience:
    """Repeats a call while the service behind it is away or busy.

    A service that does not answer is tried for `limit_s`, counted from its first silence; one that
    says it is full is alive, and is tried for as long as the caller waits. Everything else is an
    answer, and is raised at once.

    Args:
      limit_s: seconds of silence after which the last error is raised.
      on_retry: told the service's name before each repetition.
    """

    def __init__(self, limit_s: float, on_retry: Callable[[str], None]) -> None:
        self._limit_s = limit_s
        self._on_retry = on_retry

    async def call(self, service: str, attempt: Callable[[], Awaitable[Out]]) -> Out:
        """The first answer of `attempt`, which must be safe to repeat.

        Raises:
          LookalikeError: an answer that is an error.
          Unavailable: there was none for as long as patience lasts.
        """
        silent_since: float | None = None
        delay_s = _FIRST_DELAY_S
        while True:
            try:
                return await attempt()
            except LookalikeError as error:
                if is_busy(error):
                    silent_since = None
                elif is_silence(error):
                    now = time.monotonic()
                    silent_since = now if silent_since is None else silent_since
                    if now - silent_since >= self._limit_s:
                        if isinstance(error, Unavailable):
                            raise
                        # What timed out is our own attempt, not the caller's call.
                        raise Unavailable(
                            f"The {service} does not answer.",
                            reason="UPSTREAM_UNAVAILABLE",
                            metadata={"service": service},
                            retry_after_s=1.0,
                        ) from error
                else:
                    raise
                wait_s = max(delay_s, min(error.retry_after_s or 0.0, _LONGEST_DELAY_S))
            self._on_retry(service)
            # Jitter, or everything that waited for one restart comes back in the same instant.
            await asyncio.sleep(wait_s * random.uniform(0.5, 1.0))
            delay_s = min(2 * delay_s, _LONGEST_DELAY_S)


def is_busy(error: LookalikeError) -> bool:
    """Whether the service lives and has no room just now."""
    return isinstance(error, ResourceExhausted) and error.reason == "QUEUE_FULL"


def is_silence(error: LookalikeError) -> bool:
    """Whether the service gave no answer."""
    return isinstance(error, Unavailable | DeadlineExceeded | Cancelled)
