"""t-SNE by scikit-learn, where there is no openTSNE: some times slower with very many products, and
without a word in between.

Source: van der Maaten, Accelerating t-SNE using tree-based algorithms (2014).
"""

from collections.abc import Callable

import numpy as np
from scipy.sparse import csr_array
from sklearn.manifold import TSNE
from threadpoolctl import threadpool_limits

from services.indexer.drawing.tsne import EARLY_ITERATIONS, ITERATIONS, SEED, TsneOrder
from services.indexer.drawing.values import Places


def place(order: TsneOrder, tell: Callable[[float], None]) -> Places:
    """See tsne.Place."""
    count, k = order.neighbours.shape
    # A graph of neighbours has every point first among its own.
    indices = np.column_stack([np.arange(count, dtype=np.int32), order.neighbours])
    # scikit-learn squares what it is given.
    lengths = np.sqrt(2 * order.distances)
    distances = np.column_stack([np.zeros(count, np.float32), lengths])
    graph = csr_array(
        (distances.ravel(), indices.ravel(), np.arange(0, count * (k + 1) + 1, k + 1)),
        shape=(count, count),
    )
    tsne = TSNE(
        metric="precomputed",
        init=order.start.astype(np.float32),
        # It takes one neighbour more than three times as many, and there are k.
        perplexity=(k - 0.01) / 3,
        early_exaggeration=order.early_exaggeration,
        max_iter=EARLY_ITERATIONS + ITERATIONS,
        random_state=SEED,
    )
    # More threads add forces up in another order, and the map would not be the same.
    with threadpool_limits(1):
        places: Places = tsne.fit_transform(graph).astype(np.float64)
    tell(1.0)
    return places
