"""The catalogue's map: what the gateway hands on of it."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from enum import IntEnum
from typing import Protocol


class MapStage(IntEnum):
    """A step of building a map; the numbers of gateway.v1.MapStage, and of the indexer's."""

    NEIGHBOURS = 1
    LAYOUT = 2
    CLUSTERS = 3
    STORED = 4


@dataclass(frozen=True, slots=True)
class MapCluster:
    """A neighbourhood; see gateway.v1.MapCluster."""

    words: tuple[str, ...]
    x: float
    y: float
    radius: float
    product_count: int


@dataclass(frozen=True, slots=True)
class MapHeader:
    """What is true of the whole map; see gateway.v1.MapHeader."""

    map_id: str
    create_time_us: int
    embedding_version: str
    method: str
    product_count: int
    missing_count: int
    clusters: tuple[MapCluster, ...]


@dataclass(frozen=True, slots=True)
class MapPoints:
    """Some points, by column; see gateway.v1.MapPoints."""

    product_ids: tuple[str, ...]
    xy_u16: bytes
    clusters: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class MapProgress:
    """How far a map is. header: of the finished one, with the last word only."""

    stage: MapStage
    fraction: float
    header: MapHeader | None


class Maps(Protocol):
    """The map of the space that is searched. Methods raise LookalikeError, no other."""

    def read(self, known_map_id: str, *, timeout_s: float) -> AsyncIterator[MapHeader | MapPoints]:
        """The header, then the points; the header only, if the caller has the map already."""
        ...

    def build(self, *, timeout_s: float) -> AsyncIterator[MapProgress]:
        """A new map's progress; the work goes on when nobody listens."""
        ...
