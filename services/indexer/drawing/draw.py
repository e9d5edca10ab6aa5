"""A whole map, step by step."""

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Final

import numpy as np

from services.indexer.drawing.clusters import clusters
from services.indexer.drawing.layout import layout, neighbour_count, perplexity
from services.indexer.drawing.neighbours import nearest
from services.indexer.drawing.values import Drawing, Label, Places, Tell, Vectors
from services.indexer.drawing.words import cluster_words
from services.indexer.maps import MapCluster, MapStage

# Seconds of one core, about, that the steps took for n products of d numbers: n² d of neighbours,
# n of the others. They only part the progress between the steps.
_NEIGHBOURS_S: Final = 4e-11
_LAYOUT_S: Final = 2e-3
_CLUSTERS_S: Final = 5e-5
_STORING_SHARE: Final = 0.01


def draw(vectors: Vectors, labels: Sequence[Label], tell: Tell) -> Drawing:
    """A map of products. The same for the same products.

    Args:
      vectors: (n, d), each of length 1; n of 5 or more.
      labels: of each.
      tell: told the stage, and the share of the whole work that is done.
    """
    count, dimension = vectors.shape
    costs = (_NEIGHBOURS_S * count * count * dimension, _LAYOUT_S * count, _CLUSTERS_S * count)
    total = sum(costs) / (1 - _STORING_SHARE)
    ends = [0.0, *(sum(costs[: step + 1]) / total for step in range(len(costs)))]

    def teller(stage: MapStage, start: float, end: float) -> Callable[[float], None]:
        return lambda share: tell(stage, start + share * (end - start))

    stages = (MapStage.NEIGHBOURS, MapStage.LAYOUT, MapStage.CLUSTERS)
    told = [teller(stage, *bounds) for stage, bounds in zip(stages, pairwise(ends), strict=True)]
    told[0](0.0)
    positions, distances = nearest(vectors, neighbour_count(count), told[0])
    told[1](0.0)
    places = layout(vectors, positions, distances, told[1])
    told[2](0.0)
    cluster_of = clusters(places)
    words = cluster_words(labels, cluster_of)
    told[2](1.0)
    return Drawing(
        places,
        cluster_of,
        tuple(
            _cluster(places[cluster_of == number], words[number]) for number in range(len(words))
        ),
        f"t-SNE, perplexity {perplexity(count):.3g}",
    )


def _cluster(places: Places, words: tuple[str, ...]) -> MapCluster:
    middle = np.median(places, axis=0)
    radius = np.median(np.linalg.norm(places - middle, axis=1))
    return MapCluster(words, float(middle[0]), float(middle[1]), float(radius), len(places))
