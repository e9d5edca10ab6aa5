"""What this gateway has done within the last minute.

Counts in slots of a second, of which the oldest is used again, and times in bins: memory and work
do not depend on how much there is to do, and nothing is swept.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum
from typing import Final

import numpy as np
from numpy.typing import NDArray

_SLOTS: Final = 60
# Each bin ends a tenth above the one before: 0.1 ms to 3 minutes, told at most a tenth too high.
_FIRST_BIN_S: Final = 1e-4
_BIN_STEP: Final = 1.1
_BINS: Final = 152
# Shorter windows, after a start, would make many of a single search.
_SHORTEST_S: Final = 1.0


@dataclass(frozen=True, slots=True)
class Load:
    """What was done within a window of time that ends now; see gateway.v1.GatewayLoad."""

    window_s: float
    searches_per_s: float
    search_p50_ms: float
    search_p95_ms: float
    ingested_products_per_s: float
    ingested_images_per_s: float
    open_ingest_calls: int
    errors_per_s: float


class _Count(IntEnum):
    SEARCHES = 0
    PRODUCTS = 1
    IMAGES = 2
    ERRORS = 3


class LoadWindow:
    """Counts what it is told of; in the event loop's thread only.

    Args:
      searches, ingests: methods, as `package.Service/Method`.
      clock: seconds that only grow.
    """

    def __init__(
        self, searches: frozenset[str], ingests: frozenset[str], clock: Callable[[], float]
    ) -> None:
        self._searches = searches
        self._ingests = ingests
        self._clock = clock
        self._start = clock()
        self._open_ingest_calls = 0
        self._counts = np.zeros((_SLOTS, len(_Count)), np.int64)
        self._times = np.zeros((_SLOTS, _BINS), np.int64)
        # Which second each slot is of.
        self._seconds = np.full(_SLOTS, -1, np.int64)

    def call_began(self, method: str) -> None:
        if method in self._ingests:
            self._open_ingest_calls += 1

    def call_ended(self, method: str, code: str, seconds: float) -> None:
        if method in self._ingests:
            self._open_ingest_calls -= 1
        if code == "OK":
            if method in self._searches:
                slot = self._count(_Count.SEARCHES)
                self._times[slot, _bin(seconds)] += 1
        elif code != "CANCELLED":
            # A page that asks anew takes its question back; nothing went wrong.
            self._count(_Count.ERRORS)

    def product_ingested(self) -> None:
        self._count(_Count.PRODUCTS)

    def image_ingested(self) -> None:
        self._count(_Count.IMAGES)

    def now(self) -> Load:
        """The window that ends now."""
        elapsed = self._clock() - self._start
        second = int(elapsed)
        # The slot that is being filled counts for as much of its second as has passed.
        window_s = max(min(elapsed, _SLOTS - 1 + elapsed - second), _SHORTEST_S)
        fresh = self._seconds > second - _SLOTS
        counts = self._counts[fresh].sum(axis=0)
        times = self._times[fresh].sum(axis=0)
        return Load(
            window_s=window_s,
            searches_per_s=float(counts[_Count.SEARCHES]) / window_s,
            search_p50_ms=_quantile_ms(times, 0.5),
            search_p95_ms=_quantile_ms(times, 0.95),
            ingested_products_per_s=float(counts[_Count.PRODUCTS]) / window_s,
            ingested_images_per_s=float(counts[_Count.IMAGES]) / window_s,
            open_ingest_calls=self._open_ingest_calls,
            errors_per_s=float(counts[_Count.ERRORS]) / window_s,
        )

    def _count(self, what: _Count) -> int:
        second = int(self._clock() - self._start)
        slot = second % _SLOTS
        if self._seconds[slot] != second:
            self._seconds[slot] = second
            self._counts[slot] = 0
            self._times[slot] = 0
        self._counts[slot, what] += 1
        return slot


def _bin(seconds: float) -> int:
    if seconds <= _FIRST_BIN_S:
        return 0
    return min(math.ceil(math.log(seconds / _FIRST_BIN_S, _BIN_STEP)), _BINS - 1)


def _quantile_ms(times: NDArray[np.int64], share: float) -> float:
    """The end of the bin within which this share of the times is; 0 without any."""
    total = int(times.sum())
    if not total:
        return 0.0
    place = int(np.searchsorted(times.cumsum(), math.ceil(share * total)))
    return float(_FIRST_BIN_S * _BIN_STEP**place * 1e3)
