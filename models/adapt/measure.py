"""Retrieval in a shop's space, before and after: ranks of held-out products among all products.

Ranks count from 0, a tie counts against. Products that were trained on stand in the gallery as
what one may be confused with; where they would be right answers to words they are left out, so
that only held-out products are ever found.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from models.adapt.captions import FALSE, TRUE

Vectors = npt.NDArray[np.float32]
Numbers = npt.NDArray[np.int64]
_AT_ONCE = 512
# Closer cosines than this are a tie: sums in another order differ so much.
_SAME = 1e-7


@dataclass(frozen=True, slots=True, eq=False)
class Ranks:
    """ranks: of the first right answer of each query; queries: what asked (a photo, a question)."""

    ranks: Numbers
    queries: Numbers

    def recall(self, k: int) -> npt.NDArray[np.bool_]:
        """(queries,): whether a right answer is among the first k."""
        return self.ranks < k

    @property
    def mean_reciprocal(self) -> float:
        """0 without queries."""
        return float((1.0 / (self.ranks + 1)).mean()) if len(self.ranks) else 0.0


def product_vectors(photos: Vectors, products: Numbers, count: int) -> Vectors:
    """Normalised mean of each product's photographs, (count, dimension)."""
    sums = np.zeros((count, photos.shape[1]), np.float64)
    np.add.at(sums, products, photos.astype(np.float64))
    return _unit(sums).astype(np.float32)


def view_ranks(
    photos: Vectors, products: Numbers, asked: Numbers, gallery: Numbers, count: int
) -> Ranks:
    """Each photograph of `asked` products searches its product, which stands without it.

    Args:
      photos: (photographs, dimension), as ingested; products: the product of each.
      asked, gallery: numbers of products; those asked for stand in the gallery too.
      count: of all products.
    """
    sums = np.zeros((count, photos.shape[1]), np.float64)
    np.add.at(sums, products, photos.astype(np.float64))
    vectors = _unit(sums)
    standing = np.zeros(count, bool)
    standing[gallery] = standing[asked] = True
    several = np.bincount(products, minlength=count) > 1
    queries = np.flatnonzero(np.isin(products, asked) & several[products])
    ranks = np.zeros(len(queries), np.int64)
    for start in range(0, len(queries), _AT_ONCE):
        rows = queries[start : start + _AT_ONCE]
        own, asking = products[rows], photos[rows].astype(np.float64)
        mine = (_unit(sums[own] - asking) * asking).sum(axis=1)
        rivals = asking @ vectors.T >= mine[:, None] - _SAME
        rivals[:, ~standing] = False
        rivals[np.arange(len(rows)), own] = False
        ranks[start : start + _AT_ONCE] = rivals.sum(axis=1)
    return Ranks(ranks, queries)


def word_ranks(
    questions: Vectors,
    table: npt.NDArray[np.int8],
    products: Vectors,
    asked: Numbers,
    gallery: Numbers,
) -> Ranks:
    """Each question searches the products that answer it.

    Args:
      questions: (questions, dimension); products: (products, dimension).
      table: (questions, products): TRUE, PERHAPS or FALSE.
      asked: numbers of products that count as right answers; gallery: those that stand in the way.
    """
    scores = questions @ products.T
    mine = np.zeros(len(products), bool)
    mine[asked] = True
    standing = np.zeros(len(products), bool)
    standing[gallery] = True
    ranks, queries = [], []
    for number, (row, truth) in enumerate(zip(scores, table, strict=True)):
        right = mine & (truth == TRUE)
        if not right.any():
            continue
        wrong = (mine | standing) & (truth == FALSE)
        ranks.append(int((row[wrong] >= row[right].max()).sum()))
        queries.append(number)
    return Ranks(np.array(ranks, np.int64), np.array(queries, np.int64))


def nearest_words(products: Vectors, words: Vectors) -> Numbers:
    """For each product the number of the word that is nearest to it."""
    return np.asarray((products @ words.T).argmax(axis=1), np.int64)


def balanced(right: npt.NDArray[np.bool_], labels: Sequence[str]) -> float:
    """The mean over labels of the share of right answers."""
    names = np.asarray(labels)
    return float(np.mean([right[names == name].mean() for name in np.unique(names)]))


def _unit(rows: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    return np.asarray(rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12))
