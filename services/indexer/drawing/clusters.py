"""Neighbourhoods of a map: its points parted by nearness, as a city is into districts.

By k-means on the places, not by density: a t-SNE of clothes is one continent of gradual changes, of
which HDBSCAN makes either a few giants or crumbs with a fifth of the products left over.
"""

import math
from typing import Final

import numpy as np
from sklearn.cluster import KMeans
from threadpoolctl import threadpool_limits

from services.indexer.drawing.tsne import SEED
from services.indexer.drawing.values import Clusters, Places

_STARTS: Final = 4
_FEWEST: Final = 2
_MOST: Final = 48


def cluster_count(count: int) -> int:
    """How many neighbourhoods so many products make: few enough to be read as names on a map."""
    return min(max(round(math.sqrt(count)), _FEWEST), _MOST)


def clusters(places: Places) -> Clusters:
    """The neighbourhood of every place, numbered from the largest. The same for the same places."""
    count = min(cluster_count(len(places)), len(np.unique(places, axis=0)))
    # As in the layout: with more threads sums would differ in their last digits.
    with threadpool_limits(1):
        found = KMeans(count, n_init=_STARTS, random_state=SEED).fit_predict(places)
    # Of two that are equally large, the one with the first product.
    numbers, first, sizes = np.unique(found, return_index=True, return_counts=True)
    rank = np.empty(numbers.max() + 1, np.int32)
    rank[numbers[np.lexsort((first, -sizes))]] = np.arange(len(numbers))
    renumbered: Clusters = rank[found]
    return renumbered
