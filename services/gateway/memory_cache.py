"""Values kept in memory for a while, within a bound in bytes."""

import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

Key = TypeVar("Key", bound=Hashable)
Value = TypeVar("Value")


class MemoryCache(Generic[Key, Value]):
    """Keeps what was used last.

    Args:
      max_bytes: of all values together; a larger value is not kept at all, 0 keeps none.
      keep_s: after this a value is gone, however often it is used.
      size_of: a value's bytes.
      now: the clock, in seconds.
    """

    def __init__(
        self,
        max_bytes: int,
        keep_s: float,
        size_of: Callable[[Value], int],
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._max_bytes = max_bytes
        self._keep_s = keep_s
        self._size_of = size_of
        self._now = now
        # What was used last is last; what was put last is last.
        self._kept: OrderedDict[Key, Value] = OrderedDict()
        self._put_at: OrderedDict[Key, float] = OrderedDict()
        self._held_bytes = 0

    def get(self, key: Key) -> Value | None:
        """The value, unless it was never put, is too old, or had to make room."""
        self._forget_old()
        if key not in self._kept:
            return None
        self._kept.move_to_end(key)
        return self._kept[key]

    def put(self, key: Key, value: Value) -> None:
        """Keeps a value in place of the one of the same key."""
        self._forget(key)
        self._forget_old()
        size_bytes = self._size_of(value)
        if size_bytes > self._max_bytes:
            return
        self._kept[key] = value
        self._put_at[key] = self._now()
        self._held_bytes += size_bytes
        while self._held_bytes > self._max_bytes:
            self._forget(next(iter(self._kept)))

    def _forget_old(self) -> None:
        # All of them at each use, so that "gone" is true of what nobody asks for again, too.
        limit = self._now() - self._keep_s
        while self._put_at and self._put_at[oldest := next(iter(self._put_at))] < limit:
            self._forget(oldest)

    def _forget(self, key: Key) -> None:
        if key in self._kept:
            del self._put_at[key]
            self._held_bytes -= self._size_of(self._kept.pop(key))
