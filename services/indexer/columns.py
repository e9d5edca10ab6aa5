"""One attribute of all products, as a column: what filters and facets are computed from."""

from collections.abc import Iterable
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from services.indexer.domain import AttributeValue, Scalar
from services.indexer.filters import AnyOf, NoneOf, Test, ValueKey, value_key, wanted

Mask: TypeAlias = NDArray[np.bool_]

# With its class, so that 1, 1.0 and True stay apart.
Spelling: TypeAlias = tuple[type, Scalar]

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
        self._names: list[Spelling] = []
        self._by_spelling: dict[Spelling, int] = {}
        self._by_key: dict[ValueKey, tuple[int, ...]] = {}
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

    def values(self) -> Iterable[tuple[ValueKey, tuple[int, ...]]]:
        """Every value with the codes of its spellings."""
        return self._by_key.items()

    def spelling(self, code: int) -> Scalar:
        return self._names[code][1]

    def add(self, additions: Iterable[tuple[int, AttributeValue]]) -> None:
        """Gives rows their values; a row that has some must have been removed before."""
        rows: list[int] = []
        codes: list[int] = []
        code_of = self._by_spelling.get
        for row, value in additions:
            if isinstance(value, tuple):
                # "blue" and "Blue" in one list are one value, spelled as it was first.
                for scalar in {value_key(scalar): scalar for scalar in reversed(value)}.values():
                    rows.append(row)
                    codes.append(self._code(scalar))
            else:
                code = code_of((value.__class__, value))
                rows.append(row)
                codes.append(self._code(value) if code is None else code)
        if not rows:
            return
        end = self._size + len(rows)
        if end > len(self._rows):
            capacity = max(end, 2 * len(self._rows))
            self._rows = np.resize(self._rows, capacity)
            self._codes = np.resize(self._codes, capacity)
        self._rows[self._size : end] = rows
        self._codes[self._size : end] = codes
        self._counts += np.bincount(codes, minlength=len(self._counts))
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

    def values_of(self, rows: Mask) -> dict[int, list[Scalar]]:
        """The values of those rows for which `rows` is true; of the others nothing."""
        pairs = np.flatnonzero(rows[self._rows[: self._size]])
        found: dict[int, list[Scalar]] = {}
        owners, codes = self._rows[pairs].tolist(), self._codes[pairs].tolist()
        for row, code in zip(owners, codes, strict=True):
            found.setdefault(row, []).append(self._names[code][1])
        return found

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
            found = [self._by_key.get(key, ()) for key in test.keys]
        else:
            accepts = wanted(test)
            found = [codes for key, codes in self._by_key.items() if accepts(key)]
        matching[[code for codes in found for code in codes]] = True
        return matching

    def _code(self, value: Scalar) -> int:
        name = (value.__class__, value)
        code = self._by_spelling.get(name)
        if code is not None:
            return code
        if self._free:
            code = self._free.pop()
            self._names[code] = name
        else:
            code = len(self._names)
            self._names.append(name)
        self._by_spelling[name] = code
        key = value_key(value)
        self._by_key[key] = (*self._by_key.get(key, ()), code)
        if code >= len(self._counts):
            self._counts = np.concatenate([self._counts, np.zeros_like(self._counts)])
        return code

    def _release(self, code: int) -> None:
        # A value that no product has any more must not be counted as distinct, nor kept for ever.
        name = self._names[code]
        del self._by_spelling[name]
        key = value_key(name[1])
        left = tuple(other for other in self._by_key[key] if other != code)
        if left:
            self._by_key[key] = left
        else:
            del self._by_key[key]
        self._free.append(code)
