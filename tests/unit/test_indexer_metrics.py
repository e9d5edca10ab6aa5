"""L2 and L1 are exact too: whatever the vectors, the nearest are those of a full scan."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from services.indexer.matrix import Matrix, Query
from services.indexer.metric import Metric, nearness, score_of
from tests.unit.test_indexer_matrix import KINDS, unit_rows

ORDER = {Metric.L2: 2, Metric.L1: 1}


def full_scan(
    rows: NDArray[np.float32], query: NDArray[np.float32], metric: Metric, k: int
) -> dict[int, float]:
    """The k nearest rows and all that tie with the last, in float64 from beginning to end."""
    apart = rows.astype(np.float64) - query.astype(np.float64)
    distances = np.linalg.norm(apart, ord=ORDER[metric], axis=1)
    last = np.sort(distances)[: max(k, 1)][-1]
    # Sums in another order differ in their last digits: those that tie but for these may be there.
    return {n: float(d) for n, d in enumerate(distances) if d <= last * (1 + 1e-12) + 1e-12}


@settings(max_examples=60)
@given(
    seed=st.integers(0, 2**32),
    kind=st.sampled_from([*KINDS, "with nothing"]),
    dimension=st.integers(1, 70),
    count=st.integers(1, 1500),
    k=st.integers(1, 1600),
    metric=st.sampled_from([Metric.L2, Metric.L1]),
    share=st.sampled_from([None, 0.02, 0.6]),
)
def test_distances_equal_a_full_scan(
    seed: int,
    kind: str,
    dimension: int,
    count: int,
    k: int,
    metric: Metric,
    share: float | None,
) -> None:
    rng = np.random.default_rng(seed)
    rows = unit_rows(rng, count, dimension, "random" if kind == "with nothing" else kind)
    if kind == "with nothing":
        rows[rng.random(count) < 0.3] = 0
    matrix = Matrix(dimension)
    matrix.put(range(count), list(rows))
    among = np.arange(count) if share is None else np.flatnonzero(rng.random(count) < share)
    for query in (unit_rows(rng, 1, dimension, "random")[0], rows[0]):
        if not query.any():
            continue
        part = None if share is None else among
        [candidates] = matrix.search([Query(query, k, part, metric)])
        wanted = full_scan(rows[among], query, metric, k) if len(among) else {}
        found = dict(zip(candidates.rows.tolist(), (-candidates.scores).tolist(), strict=True))
        assert found.keys() <= {int(among[n]) for n in wanted}
        assert len(found) >= min(k, len(among))
        for n, distance in wanted.items():
            if int(among[n]) in found:
                assert found[int(among[n])] == pytest.approx(distance, abs=1e-9)


def test_cosine_and_distances_are_answered_in_one_call() -> None:
    rng = np.random.default_rng(3)
    rows = unit_rows(rng, 700, 24, "random")
    matrix = Matrix(24)
    matrix.put(range(700), list(rows))
    query = unit_rows(rng, 1, 24, "random")[0]
    cosine, l2, l1 = matrix.search([Query(query, 9, None, metric) for metric in Metric])
    assert set(cosine.rows.tolist()) == set(l2.rows.tolist())
    assert set(l1.rows.tolist()) == full_scan(rows, query, Metric.L1, 9).keys()


@pytest.mark.parametrize("metric", [Metric.L2, Metric.L1])
def test_a_score_of_a_distance_rises_as_it_falls(metric: Metric) -> None:
    one, near, far = (np.array(v, np.float32) for v in ([1, 0], [0.6, 0.8], [-1, 0]))
    assert nearness(metric, one, one) == 1.0
    assert nearness(metric, one, near) > nearness(metric, one, far) > 0
    assert score_of(0.0) == 1.0


def test_the_usual_cosine_is_the_mean_over_the_rows() -> None:
    rng = np.random.default_rng(5)
    matrix = Matrix(16)
    assert matrix.usual([np.ones(16, np.float32)])[1] == 0
    rows = unit_rows(rng, 3000, 16, "random") + np.float32(0.1)
    matrix.put(range(3000), list(rows))
    few = Matrix(16)
    few.put(range(50), list(rows[:50]))
    [mean], count = few.usual([rows[0]])
    assert (count, mean) == (50, pytest.approx(float((rows[:50] @ rows[0]).mean()), abs=1e-5))
    means, count = matrix.usual([rows[0], rows[1]])
    assert count <= 1024
    assert means == pytest.approx((rows @ rows[:2].T).mean(axis=0), abs=0.05)
