"""One measured figure. Every ``tests/bench/bench_*.py`` has ``run(quick: bool) -> list[Row]``."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Row:
    """A figure with what it takes to judge it."""

    name: str
    """What was measured: `search p50, exact, 5 % filter`."""
    value: float
    unit: str
    """`ms`, `images/s`, `x` for a ratio, `` for a bare number."""
    load: str
    """Size of the index, number of clients, photographs, threads: in words."""
    target: float | None = None
    """What it must reach; None: told, not judged."""
    at_most: bool = False
    """Whether the target is an upper bound; else it is a lower one."""

    @property
    def ok(self) -> bool | None:
        """Whether the target is reached; None where there is none."""
        if self.target is None:
            return None
        return self.value <= self.target if self.at_most else self.value >= self.target
