"""Places in two dimensions: t-SNE, begun from the two main directions of the vectors.

Source: van der Maaten and Hinton, Visualizing Data using t-SNE (2008). That it begins with PCA is
from Kobak and Berens, The art of using t-SNE for single-cell transcriptomics (2019).
"""

from collections.abc import Callable
from importlib.util import find_spec
from typing import Final

import numpy as np
from numpy.typing import NDArray

from services.indexer.drawing.tsne import SEED, Place, TsneOrder
from services.indexer.drawing.values import Places, Vectors

if find_spec("openTSNE") is not None:
    from services.indexer.drawing.tsne_open import place as quickest
else:  # there is none for this machine, see pyproject.toml
    from services.indexer.drawing.tsne_sklearn import place as quickest

# Points beyond the nearest that the affinities of a perplexity reach.
_REACH: Final = 3
_MOST_PERPLEXITY: Final = 30.0
_MOST_EXAGGERATION: Final = 12.0

MARGIN: Final = 0.03
"""What stays free at the edges of a map."""


def perplexity(count: int) -> float:
    """How many neighbours each of so many points is drawn towards, about."""
    return min(_MOST_PERPLEXITY, (count - 1) / _REACH)


def neighbour_count(count: int) -> int:
    """How many neighbours of each point `layout` needs."""
    return min(count - 1, int(_REACH * perplexity(count)))


def layout(
    vectors: Vectors,
    neighbours: NDArray[np.int32],
    distances: NDArray[np.float32],
    tell: Callable[[float], None],
    place: Place = quickest,
) -> Places:
    """A place for every vector; neighbours lie together. The same for the same vectors.

    Args:
      vectors: (n, d), n of 5 or more.
      neighbours, distances: (n, k); see neighbours.nearest and `neighbour_count`.
      tell: told the share that is done.
      place: what does the work; the quickest that this machine has.

    Returns:
      (n, 2), 0 to 1 with a margin; what is as far apart across as down is so on the map too.
    """
    count = len(vectors)
    order = TsneOrder(
        start=_start(vectors),
        neighbours=neighbours,
        distances=distances,
        perplexity=perplexity(count),
        early_exaggeration=_early_exaggeration(count),
    )
    return _framed(place(order, tell))


def _early_exaggeration(count: int) -> float:
    """How much stronger attraction is at first. Where almost everybody is everybody's neighbour,
    more of it would draw all points into one, out of which they never come again."""
    return min(max(count / neighbour_count(count), 1.0), _MOST_EXAGGERATION)


def _start(vectors: Vectors) -> Places:
    """The coordinates along the two main directions, tiny, as t-SNE wants them. Shapes: (n, 2)."""
    centred = vectors - vectors.mean(axis=0, dtype=np.float64).astype(np.float32)
    if centred.shape[1] < 2:
        centred = np.pad(centred, ((0, 0), (0, 1)))
    _, directions = np.linalg.eigh(centred.T @ centred)
    main = directions[:, -1:-3:-1]
    # A direction and its opposite are equally right: the one whose greatest part is positive.
    main = main * np.sign(main[np.abs(main).argmax(axis=0), [0, 1]])
    places = (centred @ main).astype(np.float64)
    # Equal vectors would stay in one point for ever, as nothing would tell them apart.
    noise = np.random.default_rng(SEED).standard_normal(places.shape)
    spread = places[:, 0].std()
    places += noise * (spread * 1e-3 if spread > 0 else 1.0)
    return np.asarray(places / places[:, 0].std() * 1e-4)


def _framed(places: Places) -> Places:
    low, high = places.min(axis=0), places.max(axis=0)
    extent = float((high - low).max()) or 1.0
    middle = (low + high) / 2
    framed: Places = (places - middle) / extent * (1 - 2 * MARGIN) + 0.5
    return framed
