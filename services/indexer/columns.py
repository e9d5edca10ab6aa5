"""One attribute of all products, as a column: what filters and facets are computed from."""

from collections.abc import Iterable, Sequence
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from services.indexer.domain import Scalar
from services.indexer.filters import AnyOf, NoneOf, Test, ValueKey, value_key, wanted

Mask: TypeAlias = NDArray[np.bool_]

NOBODY: Final = 0
"""The row that belongs to no product: where dead pairs point."""


class Column:
    """Pairs (row of a product, code of a spelling), in no order; a list has several pairs.

    Pairs, and not a code for every row: a field that few products have costs little. Spellings,
    and not values: how most products spell a value is then a count like any other.
    """

    __slots__ = (
        "_by_key",
        "_by_spelling",
        "_codes",
        "_counts",
        "_free",
        "_live",
        "_names",
        "_rows",
        "_size",
    )

    def __init__(self) -> None:
        self._by_spelling: dict[tuple[int, Scalar], int] = {}
        self._by_key: dict[ValueKey, list[tuple[int, Scalar]]] = {}
        self._names: list[tuple[int, Scalar]] = []
        self._counts = np.zeros(8, np.int64)
        self._free: list[int] = []
        self._rows = np.zeros(8, np.int32)
        self._codes = np.zeros(8, np.int32)
        self._size = 0
        self._live = 0

    @property
    def distinct(self) -> int:
        """Values that some product has."""
        return len(self._by_key)

    @property
    def repeats(self) -> bool:
        """Whether two products share a value."""
        return self._live > self.distinct

    def values(self) -> Iterable[tuple[ValueKey, Sequence[tuple[int, Scalar]]]]:
        """Every value with the codes and spellings it occurs under."""
        return self._by_key.items()

    def add(self, additions: Iterable[tuple[int, Sequence[Scalar]]]) -> None:
        """Gives rows their values; a row that has some must have been removed before."""
        rows: list[int] = []
        codes: list[int] = []
        for row, values in additions:
            spellings = {value_key(value): value for value in reversed(values)}
            for key, spelling in spellings.items():
                rows.append(row)
                codes.append(self._code(key, spelling))
        if not rows:
            return
        end = self._size + len(rows)
        if end > len(self._rows):
            capacity = max(end, 2 * len(self._rows))
            self._rows = np.resize(self._rows, capacity)
            self._codes = np.resize(self._codes, capacity)
        self._rows[self._size : end] = rows
        self._codes[self._size : end] = codes
        np.add.at(self._counts, codes, 1)
        self._size = end
        self._live += len(rows)

    def remove(self, gone: Mask) -> None:
        """Takes all values away from the rows for which `gone` is true."""
        pairs = np.flatnonzero(gone[self._rows[: self._size]])
        if not len(pairs):
            return
        codes, counts = np.unique(self._codes[pairs], return_counts=True)
        self._counts[codes] -= counts
        for code in codes[self._counts[codes] == 0]:
            self._release(int(code))
        self._rows[pairs] = NOBODY
        self._live -= len(pairs)
        if self._live * 2 < self._size:
            live = np.flatnonzero(self._rows[: self._size] != NOBODY)
            self._rows[: len(live)] = self._rows[live]
            self._codes[: len(live)] = self._codes[live]
            self._size = len(live)

    def holds(self, test: Test, row_count: int) -> Mask:
        """For every row whether the test holds. Shapes: returns (row_count,)."""
        rows, codes = self._rows[: self._size], self._codes[: self._size]
        hit: Mask = np.zeros(row_count, np.bool_)
        hit[rows[self._matching(test)[codes]]] = True
        return ~hit if isinstance(test, NoneOf) else hit

    def count(self, rows: Mask | None) -> NDArray[np.int64]:
        """How many of the rows have each code; None: all rows. Shapes: returns (codes,)."""
        if rows is None:
            return self._counts
        chosen = rows[self._rows[: self._size]]
        found = np.bincount(self._codes[: self._size][chosen], minlength=len(self._counts))
        return found.astype(np.int64)

    def _matching(self, test: Test) -> Mask:
        matching: Mask = np.zeros(len(self._counts), np.bool_)
        if isinstance(test, AnyOf | NoneOf):
            found = [self._by_key.get(key, []) for key in test.keys]
        else:
            accepts = wanted(test)
            found = [entries for key, entries in self._by_key.items() if accepts(key)]
        matching[[code for entries in found for code, _ in entries]] = True
        return matching

    def _code(self, key: ValueKey, spelling: Scalar) -> int:
        name = (key[0], spelling)
        code = self._by_spelling.get(name)
        if code is None:
            if self._free:
                code = self._free.pop()
                self._names[code] = name
            else:
                code = len(self._names)
                self._names.append(name)
            self._by_spelling[name] = code
            self._by_key.setdefault(key, []).append((code, spelling))
            if code >= len(self._counts):
                self._counts = np.concatenate([self._counts, np.zeros_like(self._counts)])
        return code

    def _release(self, code: int) -> None:
        # A value that no product has any more must not be counted as distinct, nor kept for ever.
        name = self._names[code]
        key = value_key(name[1])
        del self._by_spelling[name]
        self._by_key[key] = [entry for entry in self._by_key[key] if entry[0] != code]
        if not self._by_key[key]:
            del self._by_key[key]
        self._free.append(code)
