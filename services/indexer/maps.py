"""The map of a space: what is stored of it, and what is shown of that."""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from enum import IntEnum
from typing import Final

import numpy as np
from numpy.typing import NDArray

from servicekit.errors import FailedPrecondition, NotFound

FEWEST_PRODUCTS: Final = 5
"""A map of fewer says nothing that a list does not."""


class MapStage(IntEnum):
    """A step of building a map; numbered as lookalike.type.v1.MapStage."""

    NEIGHBOURS = 1
    LAYOUT = 2
    CLUSTERS = 3
    STORED = 4


@dataclass(frozen=True, slots=True)
class MapProgress:
    """How far a map is. fraction: of the whole work, 0 to 1."""

    stage: MapStage
    fraction: float


@dataclass(frozen=True, slots=True)
class MapCluster:
    """A neighbourhood of a map; see lookalike.type.v1.MapCluster."""

    words: tuple[str, ...]
    x: float
    y: float
    radius: float
    product_count: int


@dataclass(frozen=True, slots=True, eq=False)
class CatalogueMap:
    """A map as it was built.

    Attributes:
      map_id: unique to the build; see `without` for what it becomes.
      method: how it was drawn, for people.
      clusters: the largest first.
      product_ids: in order.
      xy: (n, 2), 0 to 65 535 from the left and from the top.
      cluster_of: (n,), positions in `clusters`; -1: none.
    """

    map_id: str
    create_time_us: int
    method: str
    clusters: tuple[MapCluster, ...]
    product_ids: tuple[str, ...]
    xy: NDArray[np.uint16]
    cluster_of: NDArray[np.int32]

    def without(self, gone: Callable[[Sequence[str]], Sequence[bool]]) -> "CatalogueMap":
        """The map without the products that there are no more.

        Its identifier says which are left out, so that readers who hold a map know when theirs is
        no longer what they would be sent.
        """
        left_out = np.array(gone(self.product_ids), np.bool_)
        if not left_out.any():
            return self
        digest = hashlib.sha256()
        for position in np.flatnonzero(left_out):
            digest.update(self.product_ids[position].encode() + b"\0")
        kept = np.flatnonzero(~left_out)
        return replace(
            self,
            map_id=f"{self.map_id}-{digest.hexdigest()[:12]}",
            product_ids=tuple(self.product_ids[position] for position in kept),
            xy=self.xy[kept],
            cluster_of=self.cluster_of[kept],
        )


@dataclass(frozen=True, slots=True, eq=False)
class ShownMap:
    """A map as it is shown now. missing_count: products of the index that are not on it."""

    drawn: CatalogueMap
    embedding_version: str
    missing_count: int


def map_not_found() -> NotFound:
    return NotFound(
        "No map was built in the active space yet.",
        reason="MAP_NOT_FOUND",
        metadata={"resource_type": "map"},
    )


def map_too_small(product_count: int) -> FailedPrecondition:
    return FailedPrecondition(
        f"{product_count} products have vectors; a map needs {FEWEST_PRODUCTS}.",
        reason="MAP_TOO_SMALL",
        metadata={"product_count": str(product_count), "wanted": str(FEWEST_PRODUCTS)},
    )
