"""What is drawn, and what a drawing is."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from services.indexer.maps import MapCluster, MapStage

Vectors: TypeAlias = NDArray[np.float32]
Places: TypeAlias = NDArray[np.float64]
"""Shapes: (n, 2): x from the left, y from the top."""
Clusters: TypeAlias = NDArray[np.int32]
"""Shapes: (n,): the neighbourhood of each point."""

Tell: TypeAlias = Callable[[MapStage, float], None]
"""Told the stage and the share of it that is done, 0 to 1."""


@dataclass(frozen=True, slots=True)
class Label:
    """The words that are known of a product: its name, and attributes by field."""

    name: str
    attributes: Mapping[str, tuple[str, ...]]


@dataclass(frozen=True, slots=True, eq=False)
class Drawing:
    """A map without the names of its products.

    Attributes:
      places: (n, 2), 0 to 1.
      cluster_of: (n,), positions in `clusters`.
      clusters: the largest first.
      method: how it was drawn, for people.
    """

    places: Places
    cluster_of: Clusters
    clusters: tuple[MapCluster, ...]
    method: str
