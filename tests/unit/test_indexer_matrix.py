"""Exact search is exact: whatever is written, removed and asked, it is what a full scan finds."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from services.indexer.matrix import Matrix, Query

Array = NDArray[np.float32]


def unit_rows(rng: np.random.Generator, count: int, dimension: int, kind: str) -> Array:
    """Vectors of several temperaments, some of them hostile to rounding."""
    rows = rng.standard_normal((count, dimension))
    if kind == "clustered":
        rows = 0.02 * rows + rng.standard_normal((3, dimension))[rng.integers(0, 3, count)]
    elif kind == "equal":
        rows[:] = rows[0] if count else 0
    elif kind == "sparse":
        rows[rng.random(rows.shape) < 0.9] = 0
        rows[:, 0] += 1e-3
    elif kind == "spiky":
        rows[:, 0] += 50
    elif kind == "tiny differences":
        rows = rng.standard_normal(dimension) + 1e-7 * rows
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    return (rows / np.where(lengths == 0, 1, lengths)).astype(np.float32)


KINDS = ["random", "clustered", "equal", "sparse", "spiky", "tiny differences"]


def full_scan(vectors: dict[int, Array], query: Array, k: int, among: set[int]) -> dict[int, float]:
    """The k best owners and all that tie with the last."""
    scored = {
        owner: np.float32(vector.astype(np.float64) @ query.astype(np.float64))
        for owner, vector in vectors.items()
        if owner in among
    }
    if not scored or k <= 0:
        return {}
    last = sorted(scored.values(), reverse=True)[:k][-1]
    return {owner: float(score) for owner, score in scored.items() if score >= last}


def found(matrix: Matrix, query: Array, k: int, among: set[int] | None) -> dict[int, float]:
    rows = None
    if among is not None:
        rows = np.flatnonzero(np.isin(matrix.owners, list(among)))
    [candidates] = matrix.search([Query(query, k, rows)])
    owners = matrix.owners[candidates.rows]
    return dict(zip(owners.tolist(), candidates.scores.tolist(), strict=True))


@given(
    seed=st.integers(0, 2**32),
    kind=st.sampled_from(KINDS),
    dimension=st.integers(1, 70),
    count=st.integers(0, 1500),
    k=st.integers(1, 2000),
    share=st.sampled_from([None, 0.01, 0.1, 0.6, 1.0]),
)
def test_search_equals_a_full_scan(
    seed: int, kind: str, dimension: int, count: int, k: int, share: float | None
) -> None:
    rng = np.random.default_rng(seed)
    rows = unit_rows(rng, count, dimension, kind)
    matrix = Matrix(dimension)
    matrix.put(range(count), list(rows))
    vectors = dict(enumerate(rows))
    queries = [
        unit_rows(rng, 1, dimension, "random")[0],
        rows[0] if count else unit_rows(rng, 1, dimension, "random")[0],
    ]
    among = None if share is None else {n for n in range(count) if rng.random() < share}
    for query in queries:
        expected = full_scan(vectors, query, k, set(vectors) if among is None else among)
        assert found(matrix, query, k, among) == expected


@given(seed=st.integers(0, 2**32), kind=st.sampled_from(KINDS), steps=st.integers(1, 25))
def test_search_equals_a_full_scan_after_any_updates_and_removals(
    seed: int, kind: str, steps: int
) -> None:
    rng = np.random.default_rng(seed)
    dimension = int(rng.integers(1, 40))
    matrix, vectors = Matrix(dimension), dict[int, Array]()
    for _ in range(steps):
        owners = rng.choice(200, int(rng.integers(1, 60)), replace=False).tolist()
        if rng.random() < 0.4:
            matrix.remove(owners)
            for owner in owners:
                vectors.pop(owner, None)
        else:
            rows = unit_rows(rng, len(owners), dimension, kind)
            matrix.put(owners, list(rows))
            vectors.update(zip(owners, rows, strict=True))
        assert len(matrix) == len(vectors)
        assert sorted(matrix.owners.tolist()) == sorted(vectors)
        query = unit_rows(rng, 1, dimension, "random")[0]
        k = int(rng.integers(1, 20))
        assert found(matrix, query, k, None) == full_scan(vectors, query, k, set(vectors))
    for owner, vector in vectors.items():
        stored = matrix.get(owner)
        assert stored is not None
        np.testing.assert_array_equal(stored, vector)


@given(seed=st.integers(0, 2**32), count=st.integers(1, 40))
def test_queries_that_are_answered_together_get_what_they_get_alone(seed: int, count: int) -> None:
    rng = np.random.default_rng(seed)
    rows = unit_rows(rng, 9000, 16, "clustered")
    matrix = Matrix(16)
    matrix.put(range(len(rows)), list(rows))
    queries = [
        Query(
            unit_rows(rng, 1, 16, "random")[0],
            int(rng.integers(1, 900)),
            None if rng.random() < 0.5 else np.flatnonzero(rng.random(9000) < rng.random()),
        )
        for _ in range(count)
    ]
    together = matrix.search(queries)
    for query, answer in zip(queries, together, strict=True):
        [alone] = matrix.search([query])
        assert sorted(zip(alone.rows, alone.scores, strict=True)) == sorted(
            zip(answer.rows, answer.scores, strict=True)
        )


def test_equal_vectors_score_equally_wherever_they_lie() -> None:
    rng = np.random.default_rng(3)
    rows = unit_rows(rng, 5000, 33, "random")
    twins = rng.choice(5000, 50, replace=False)
    rows[twins] = rows[twins[0]]
    matrix = Matrix(33)
    matrix.put(range(5000), list(rows))
    answer = found(matrix, rows[twins[0]], 50, None)
    assert set(answer) == set(twins.tolist())
    assert len(set(answer.values())) == 1


@pytest.mark.parametrize("query", [np.zeros(4), np.array([1, 0, 0, 0])])
def test_zero_vectors_are_found_with_score_zero(query: NDArray[Any]) -> None:
    matrix = Matrix(4)
    matrix.put([5], [np.zeros(4, np.float32)])
    assert found(matrix, query.astype(np.float32), 3, None) == {5: 0.0}
