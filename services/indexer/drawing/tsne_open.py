"""t-SNE by openTSNE: an iteration's time grows with n, not n log n, and progress is told.

Source: Linderman et al., Fast interpolation-based t-SNE (2019).
"""

from collections.abc import Callable
from typing import Final, Literal

import numpy as np
from openTSNE import TSNEEmbedding
from openTSNE.affinity import PerplexityBasedNN
from openTSNE.nearest_neighbors import PrecomputedNeighbors

from services.indexer.drawing.tsne import EARLY_ITERATIONS, ITERATIONS, SEED, TsneOrder
from services.indexer.drawing.values import Places

# Below, trees are quicker; above, interpolation.
_TREES_BELOW: Final = 10_000
_TELL_EVERY: Final = 10


def place(order: TsneOrder, tell: Callable[[float], None]) -> Places:
    """See tsne.Place."""
    return place_by("bh" if len(order.start) < _TREES_BELOW else "fft", order, tell)


def place_by(
    method: Literal["bh", "fft"], order: TsneOrder, tell: Callable[[float], None]
) -> Places:
    """The same, with forces from a tree (bh) or by interpolation (fft)."""
    affinities = PerplexityBasedNN(
        knn_index=PrecomputedNeighbors(order.neighbours, order.distances),
        perplexity=order.perplexity,
        n_jobs=1,
        random_state=SEED,
    )
    embedding = TSNEEmbedding(
        order.start,
        affinities,
        negative_gradient_method=method,
        # More threads add forces up in another order, and the map would not be the same.
        n_jobs=1,
        random_state=SEED,
    )
    done = 0
    for iterations, exaggeration, momentum in (
        (EARLY_ITERATIONS, order.early_exaggeration, 0.5),
        (ITERATIONS, 1.0, 0.8),
    ):

        def told(iteration: int, error: float, embedding: object, before: int = done) -> None:
            tell((before + iteration) / (EARLY_ITERATIONS + ITERATIONS))

        embedding.optimize(
            n_iter=iterations,
            exaggeration=exaggeration,
            momentum=momentum,
            inplace=True,
            callbacks=[told],
            callbacks_every_iters=_TELL_EVERY,
        )
        done += iterations
    return np.asarray(embedding, np.float64)
