"""Every vector's nearest others, exactly.

All pairs are compared, a block of rows at a time: n² d multiplications, which a core does at some
60 thousand million a second, so that 140,000 vectors of 256 numbers take minutes and 20,000 a few
seconds. An approximate index (Annoy, HNSW) would be quicker above that and is not used: it misses
neighbours, and which ones depends on the number of its threads, so that a map drawn again would
not be the same.
"""

from collections.abc import Callable
from typing import Final

import numpy as np
from numpy.typing import NDArray

from services.indexer.drawing.values import Vectors

_BLOCK_ROWS: Final = 256
_GROUP: Final = 64


def nearest(
    vectors: Vectors, k: int, tell: Callable[[float], None]
) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
    """The k nearest others of every vector by cosine, nearest first.

    Args:
      vectors: (n, d), each of length 1; n > k.
      tell: told the share that is done.

    Returns:
      Their positions and their cosine distances, (n, k) each; equals in order of position.
    """
    count = len(vectors)
    columns = np.ascontiguousarray(vectors.T)
    # Room for whole groups; what is beyond the last vector is nearest to nobody.
    cosines = np.full((_BLOCK_ROWS, -(-count // _GROUP) * _GROUP), -np.inf, np.float32)
    positions = np.empty((count, k), np.int32)
    distances = np.empty((count, k), np.float32)
    for start in range(0, count, _BLOCK_ROWS):
        rows = np.arange(start, min(start + _BLOCK_ROWS, count))
        block = cosines[: len(rows)]
        np.matmul(vectors[rows], columns, out=block[:, :count])
        # Nobody is its own neighbour.
        block[rows - start, rows] = -np.inf
        chosen = _largest(block, k)
        values = np.take_along_axis(block, chosen, axis=1)
        order = np.lexsort((chosen, -values), axis=1)
        positions[rows] = np.take_along_axis(chosen, order, axis=1)
        distances[rows] = 1 - np.take_along_axis(values, order, axis=1)
        tell((int(rows[-1]) + 1) / count)
    # Rounding makes the cosine of equal vectors greater than 1.
    return positions, np.maximum(distances, 0, out=distances)


def _largest(values: NDArray[np.float32], k: int) -> NDArray[np.int64]:
    """The positions of the k largest of each row, in no order.

    A partition of whole rows would take longer than their multiplication. The k largest are in the
    k groups with the largest maxima, and finding these maxima is one pass over the memory.
    """
    groups = values.reshape(len(values), -1, _GROUP)
    if groups.shape[1] > k:
        maxima = groups.max(axis=2)
        best = np.argpartition(maxima, maxima.shape[1] - k, axis=1)[:, -k:]
        found = (best[:, :, None] * _GROUP + np.arange(_GROUP)).reshape(len(values), -1)
    else:
        found = np.broadcast_to(np.arange(values.shape[1]), values.shape)
    few = np.take_along_axis(values, found, axis=1)
    chosen = np.argpartition(few, few.shape[1] - k, axis=1)[:, -k:]
    return np.take_along_axis(found, chosen, axis=1)
