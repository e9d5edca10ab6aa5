"""Memory of processes while something goes on."""

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

import numpy as np
import psutil

_EVERY_S = 0.5


class MemoryLog:
    """Resident bytes of each process against the work done so far."""

    def __init__(self) -> None:
        self._done: list[int] = []
        self._bytes: dict[str, list[int]] = {}

    def add(self, done: int, sizes: Mapping[str, int]) -> None:
        """One sample."""
        self._done.append(done)
        for name, size in sizes.items():
            self._bytes.setdefault(name, []).append(size)

    @property
    def names(self) -> list[str]:
        """The processes."""
        return sorted(self._bytes)

    def peak(self, name: str) -> int:
        """Most bytes it had."""
        return max(self._bytes[name])

    def slope(self, name: str) -> float:
        """Bytes per unit of work: least squares over the second half of the work.

        The first half is left out: pools and arenas fill until the largest batch was there.
        """
        done = np.asarray(self._done, dtype=np.float64)
        sizes = np.asarray(self._bytes[name], dtype=np.float64)
        later = done >= done[-1] / 2
        if np.ptp(done[later]) == 0:
            return 0.0
        return float(np.polyfit(done[later], sizes[later], 1)[0])


@contextmanager
def watching(pids: Mapping[str, int], done: Callable[[], int]) -> Iterator[MemoryLog]:
    """Samples twice a second until the end of the block."""
    processes = {name: psutil.Process(pid) for name, pid in pids.items()}
    log, stop = MemoryLog(), threading.Event()

    def sample() -> None:
        while not stop.wait(_EVERY_S):
            sizes = {name: process.memory_info().rss for name, process in processes.items()}
            log.add(done(), sizes)

    thread = threading.Thread(target=sample)
    thread.start()
    try:
        yield log
    finally:
        time.sleep(2 * _EVERY_S)  # the last sample sees the end
        stop.set()
        thread.join()
