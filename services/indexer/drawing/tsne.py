"""What t-SNE is asked for, whichever library does it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from services.indexer.drawing.values import Places

EARLY_ITERATIONS: Final = 250
ITERATIONS: Final = 500
SEED: Final = 0
"""Whatever is random is the same in every run."""


@dataclass(frozen=True, slots=True, eq=False)
class TsneOrder:
    """Where t-SNE begins and what it is drawn towards.

    Attributes:
      start: (n, 2), tiny.
      neighbours, distances: (n, k), of every point; see neighbours.nearest.
    """

    start: Places
    neighbours: NDArray[np.int32]
    distances: NDArray[np.float32]
    perplexity: float
    early_exaggeration: float


Place: TypeAlias = Callable[[TsneOrder, Callable[[float], None]], Places]
"""Finds the places, of any scale, and tells the share that is done."""
