"""Exact top-k over a contiguous matrix: cosine and L2 in two passes, L1 in one.

The first pass reads an int8 copy, a quarter of the bytes, and bounds every row's true score by
Cauchy-Schwarz from the stored length of its rounding error. Only rows whose upper bound reaches
the k-th best lower bound can be among the k best; those are scored from the float32 rows. So the
result is that of a full scan, whatever the data: bad data costs time, never recall.

Among vectors of length 1, L2 orders as the cosine does, so it takes the same two passes and only
the last step differs. L1 has no such bound: every row that takes part is read.

Shapes: n rows, d dimensions. Rows and queries have length 1 (or 0).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

import numkong
import numpy as np
from numpy.typing import NDArray

from services.indexer.domain import Vector
from services.indexer.metric import Distances, Metric, distances

Rows: TypeAlias = NDArray[np.int64]
Scores: TypeAlias = NDArray[np.float32]

# Rounding of the arithmetic that the bounds themselves are computed with, generously.
_SLACK: Final = 4e-6
_BLOCK_ROWS: Final = 8192
# So few that several passes over them find them in the cache.
_CACHED_ROWS: Final = 512
_USUAL_ROWS: Final = 1024
_USUAL_DECIMALS: Final = 5
_GATHER_BELOW: Final = 1 / 8
_SMALL: Final = 512


@dataclass(frozen=True, slots=True, eq=False)
class Query:
    """What is searched in one matrix.

    Attributes:
      vector: (d,), of length 1.
      k: how many rows.
      rows: the only rows that take part, ascending; None: all.
    """

    vector: Vector
    k: int
    rows: Rows | None
    metric: Metric = Metric.COSINE


@dataclass(frozen=True, slots=True, eq=False)
class Candidates:
    """The k best rows and all that tie with the last of them, in no order.

    Shapes: rows and scores (m,). Scores are cosines, or distances below 0.
    """

    rows: Rows
    scores: Scores | Distances


class Matrix:
    """Rows of unit vectors, each with a number of its owner's; the last row fills a gap.

    Args:
      expected: rows that room is made for at once.
    """

    def __init__(self, dimension: int, expected: int = 0) -> None:
        self._dimension = dimension
        self._size = 0
        # Memory is taken only as far as it is written to.
        self._values = np.empty((expected, dimension), np.float32)
        self._rounded = np.empty((expected, dimension), np.int8)
        self._scale = np.empty(expected, np.float32)
        self._error = np.empty(expected, np.float32)
        self._owner = np.empty(expected, np.int32)
        self._row_of: dict[int, int] = {}

    def __len__(self) -> int:
        return self._size

    @property
    def size_bytes(self) -> int:
        """Bytes that the rows take."""
        return self._size * (5 * self._dimension + 12)

    @property
    def owners(self) -> NDArray[np.int32]:
        """The owner of each row. Shapes: (n,)."""
        return self._owner[: self._size]

    def get(self, owner: int) -> Vector | None:
        """The owner's vector; a copy. Shapes: (d,)."""
        row = self._row_of.get(owner)
        return None if row is None else self._values[row].copy()

    def gather(self, owners: Sequence[int]) -> tuple[list[int], NDArray[np.float32]]:
        """Those of the owners that have vectors, and these; copies. Shapes: (m, d)."""
        having = [owner for owner in owners if owner in self._row_of]
        return having, self._values[[self._row_of[owner] for owner in having]]

    def put(self, owners: Sequence[int], vectors: Sequence[Vector]) -> None:
        """Sets the vectors of owners, each named once. Shapes: vectors (d,) each."""
        first = self._size
        self._reserve(first + sum(owner not in self._row_of for owner in owners))
        rows = np.empty(len(owners), np.int64)
        for position, owner in enumerate(owners):
            row = self._row_of.get(owner)
            if row is None:
                row = self._row_of[owner] = self._size
                self._owner[row] = owner
                self._size += 1
            rows[position] = row
        appended = self._size - first == len(rows)
        for start in range(0, len(rows), _CACHED_ROWS):
            values = np.stack(vectors[start : start + _CACHED_ROWS])
            block: Rows | slice = rows[start : start + _CACHED_ROWS]
            if appended:
                block = slice(first + start, first + start + len(values))
            self._values[block] = values
            self._rounded[block], self._scale[block], self._error[block] = _rounded(values)

    def remove(self, owners: Sequence[int]) -> None:
        """Drops the vectors of owners; those without one are passed over."""
        for owner in owners:
            row = self._row_of.pop(owner, None)
            if row is None:
                continue
            last = self._size - 1
            if row != last:
                for array in (self._values, self._rounded, self._scale, self._error, self._owner):
                    array[row] = array[last]
                self._row_of[int(self._owner[row])] = row
            self._size = last

    def search(self, queries: Sequence[Query]) -> list[Candidates]:
        """The best rows for each query; one pass over the matrix for all that need all rows."""
        found: list[Candidates | None] = [None] * len(queries)
        whole: list[int] = []
        for index, query in enumerate(queries):
            count = self._size if query.rows is None else len(query.rows)
            if count == 0 or query.k <= 0:
                found[index] = Candidates(np.zeros(0, np.int64), np.zeros(0, np.float32))
            elif query.metric is Metric.L1:
                found[index] = self._search_l1(query)
            elif query.rows is not None and count < self._size * _GATHER_BELOW:
                found[index] = self._search_rows(query, query.rows)
            else:
                whole.append(index)
        for index, candidates in zip(whole, self._scan([queries[i] for i in whole]), strict=True):
            found[index] = candidates
        return [candidates for candidates in found if candidates is not None]

    def cosines(self, rows: Rows, vectors: Sequence[Vector]) -> NDArray[np.float64]:
        """Of some rows and vectors. Shapes: rows (m,), vectors p of (d,); returns (m, p)."""
        return self._values[rows].astype(np.float64) @ np.stack(vectors).astype(np.float64).T

    def usual(self, vectors: Sequence[Vector]) -> tuple[NDArray[np.float32], int]:
        """Each vector's mean cosine over all rows, or over 1 024 of them evenly spread.

        Returns:
          The means (p,), and over how many rows.
        """
        rows = self._values[: self._size : max(1, -(-self._size // _USUAL_ROWS))]
        if not len(rows):
            return np.zeros(len(vectors), np.float32), 0
        means = (rows @ np.stack(vectors).T).mean(axis=0, dtype=np.float64)
        # Rounded: the last digits follow the order of the rows, which a restart may change.
        return np.round(means, _USUAL_DECIMALS).astype(np.float32), len(rows)

    def _search_l1(self, query: Query) -> Candidates:
        count = self._size if query.rows is None else len(query.rows)
        apart = np.empty((_CACHED_ROWS, self._dimension), np.float32)
        ones = np.ones(self._dimension, np.float32)
        nearly = np.empty(count, np.float32)
        for start in range(0, count, _CACHED_ROWS):
            block = slice(start, min(start + _CACHED_ROWS, count))
            room = apart[: block.stop - start]
            values = self._values[block if query.rows is None else query.rows[block]]
            np.abs(np.subtract(values, query.vector, out=room), out=room)
            np.matmul(room, ones, out=nearly[block])
        rows = np.arange(count) if query.rows is None else query.rows
        if query.k < count:
            # What float32 rounds away of a sum of d values, generously; the few are summed again.
            worst = -_kth_largest(-nearly, query.k)
            rows = rows[nearly <= worst * np.float32(1 + 1e-6 * self._dimension) + _SLACK]
        return self._exact(query, rows)

    def _search_rows(self, query: Query, rows: Rows) -> Candidates:
        if len(rows) > max(_SMALL, 2 * query.k):
            split = _Split.of(query.vector)
            approximate = _dots(self._rounded[rows], split.high[None])[:, 0] * self._scale[rows]
            approximate *= split.high_scale
            if query.metric is Metric.L2:
                approximate[self._scale[rows] == 0] = 0.5
            rows = self._narrowed(query, split, rows, approximate)
        return self._exact(query, rows)

    def _scan(self, queries: Sequence[Query]) -> list[Candidates]:
        if not queries:
            return []
        splits = [_Split.of(query.vector) for query in queries]
        high = np.stack([split.high for split in splits])
        approximate = np.empty((len(queries), self._size), np.float32)
        # Of one query the whole matrix at once: its products need no transposing.
        step = self._size if len(queries) == 1 else _BLOCK_ROWS
        for start in range(0, self._size, step):
            block = slice(start, min(start + step, self._size))
            products = _dots(self._rounded[block], high)
            np.multiply(products.T, self._scale[block], out=approximate[:, block], casting="unsafe")
        found = []
        for query, split, scores in zip(queries, splits, approximate, strict=True):
            scores *= split.high_scale
            if query.metric is Metric.L2:
                # The one length that is not 1: from no vector the distance is 1, as at cosine 0.5.
                scores[self._scale[: self._size] == 0] = 0.5
            if query.rows is not None:
                scores = scores[query.rows]
            found.append(self._exact(query, self._narrowed(query, split, query.rows, scores)))
        return found

    def _narrowed(
        self, query: Query, split: "_Split", rows: Rows | None, approximate: Scores
    ) -> Rows:
        """The rows that may be among the k best.

        Args:
          rows: None: all rows.
          approximate: for each of them, the product of the rounded row and the query's high part.
        """
        chosen: Rows | slice = slice(0, self._size) if rows is None else rows
        reaching = _reaching(approximate, self._error[chosen], split.high_error, query.k)
        rows = reaching if rows is None else rows[reaching]
        if len(rows) <= max(_SMALL, 2 * query.k):
            return rows
        # The query's low part takes its own rounding out of the bound, for the rows left only.
        low = _dots(self._rounded[rows], split.low[None])[:, 0] * self._scale[rows]
        finer = approximate[reaching] + (low * split.low_scale).astype(np.float32)
        return rows[_reaching(finer, self._error[rows], split.low_error, query.k)]

    def _exact(self, query: Query, rows: Rows) -> Candidates:
        """Scores rows from their float32 values."""
        measured = query.metric is not Metric.COSINE
        scores: Scores | Distances = (
            np.empty(len(rows), np.float64) if measured else np.empty(len(rows), np.float32)
        )
        for start in range(0, len(rows), _BLOCK_ROWS):
            values = self._values[rows[start : start + _BLOCK_ROWS]]
            if measured:
                scores[start : start + len(values)] = -distances(query.metric, values, query.vector)
                continue
            # This kernel sums in float64, row by row: equal vectors score equally.
            products = np.asarray(numkong.dot(values, query.vector[None]))
            scores[start : start + len(values)] = products.reshape(-1)
        if query.k < len(scores):
            best = scores >= _kth_largest(scores, query.k)
            rows, scores = rows[best], scores[best]
        return Candidates(rows, scores)

    def _reserve(self, size: int) -> None:
        if size <= len(self._values):
            return
        capacity = max(size, len(self._values) + len(self._values) // 2, 256)
        for name in ("_values", "_rounded", "_scale", "_error", "_owner"):
            old = getattr(self, name)
            new = np.empty((capacity, *old.shape[1:]), old.dtype)
            new[: self._size] = old[: self._size]
            setattr(self, name, new)


@dataclass(frozen=True, slots=True, eq=False)
class _Split:
    """A query as two int8 vectors: high * high_scale + low * low_scale is nearly the query.

    Shapes: high and low (d,). The errors bound the length of what is left out: of the query less
    the high part, and of the query less both.
    """

    high: NDArray[np.int8]
    high_scale: np.float32
    high_error: float
    low: NDArray[np.int8]
    low_scale: np.float32
    low_error: float

    @classmethod
    def of(cls, vector: Vector) -> "_Split":
        high, high_scale, high_error = _rounded(vector[None])
        rest = vector[None] - high * high_scale[:, None]
        low, low_scale, low_error = _rounded(rest)
        return cls(
            high[0],
            high_scale[0],
            float(high_error[0]),
            low[0],
            low_scale[0],
            float(low_error[0]),
        )


def _reaching(approximate: Scores, errors: Scores, query_error: float, k: int) -> Rows:
    """Positions whose upper bound reaches the k-th best lower bound.

    Args:
      errors: for each row, the length of its rounding error.
      query_error: the same of the query.
    """
    if k >= len(approximate):
        return np.arange(len(approximate))
    # |x.q - x'.q'| <= |x| |q - q'| + |x - x'| |q'|, x' and q' being the rounded ones.
    bound = errors * np.float32(1.0 + query_error) + np.float32(query_error * 1.0001 + _SLACK)
    threshold = _kth_largest(approximate - bound, k)
    return np.flatnonzero(approximate + bound >= threshold)


def _rounded(
    values: NDArray[np.float32],
) -> tuple[NDArray[np.int8], NDArray[np.float32], NDArray[np.float32]]:
    """Rounds rows to int8, each with a scale of its own.

    Shapes: values (m, d); returns rounded (m, d), scale (m,), and (m,) upper bounds of the length
    of values - rounded * scale.
    """
    scale = np.maximum(values.max(axis=1), -values.min(axis=1)) / np.float32(127)
    # Below this a reciprocal overflows; the row counts as zero and its length as its error.
    safe = np.where(scale > 1e-30, scale, np.float32(np.inf))
    scaled = values / safe[:, None]
    rounded = np.rint(scaled, out=scaled).astype(np.int8)
    scale = np.where(scale > 1e-30, scale, np.float32(0)).astype(np.float32)
    rest = values - rounded * scale[:, None]
    error = np.sqrt(np.einsum("ij,ij->i", rest, rest)) * np.float32(1.001) + np.float32(1e-7)
    return rounded, scale, error.astype(np.float32)


def _dots(rows: NDArray[np.int8], queries: NDArray[np.int8]) -> NDArray[np.float64 | np.int32]:
    """Shapes: rows (m, d), queries (q, d); returns (m, q), integers exactly."""
    if len(queries) == 1:
        # The matrix-vector kernel takes two thirds of the time of the matrix-matrix one.
        return np.asarray(numkong.dot(rows, queries)).reshape(len(rows), 1)
    return np.asarray(numkong.dots_packed(rows, numkong.dots_pack(queries)))


def _kth_largest(scores: Scores | Distances, k: int) -> np.floating[Any]:
    position = max(len(scores) - k, 0)
    kth: np.floating[Any] = np.partition(scores, position)[position]
    return kth
