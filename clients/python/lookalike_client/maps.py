"""The map of the catalogue: all products in two dimensions, those that look alike side by side."""

import array
import asyncio
import dataclasses
import sys
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, Final

import grpc

from lookalike.gateway.v1 import map_pb2, map_pb2_grpc
from lookalike.type.v1 import map_pb2 as type_pb2
from lookalike_client import errors
from lookalike_client.channel import Call
from lookalike_client.models import Value

_FIRST_WAIT_S: Final = 0.2
_LONGEST_WAIT_S: Final = 5.0
_WHOLE: Final = 65_535


class MapStage(StrEnum):
    """A step of building a map."""

    NEIGHBOURS = "neighbours"
    LAYOUT = "layout"
    CLUSTERS = "clusters"
    STORED = "stored"


@dataclasses.dataclass(frozen=True, slots=True)
class MapCluster(Value):
    """A neighbourhood: what it is called, its middle, and within which radius half of it lies."""

    words: tuple[str, ...]
    x: float
    y: float
    radius: float
    product_count: int


@dataclasses.dataclass(frozen=True, slots=True)
class MapPoint(Value):
    """A product on the map, 0 to 1 from the left and from the top."""

    product_id: str
    x: float
    y: float
    cluster: int | None
    """A position in `MapHeader.clusters`; None: in none."""


@dataclasses.dataclass(frozen=True, slots=True)
class MapHeader(Value):
    """What is true of a whole map."""

    map_id: str
    create_time: datetime
    embedding_version: str
    method: str
    product_count: int
    missing_count: int
    """Products of the index that are not on it: stored since, or without vectors in this space."""
    clusters: tuple[MapCluster, ...]
    """The largest first."""


@dataclasses.dataclass(frozen=True, slots=True)
class CatalogueMap(Value):
    """A map, point by point in order of identifier."""

    header: MapHeader
    points: tuple[MapPoint, ...]


@dataclasses.dataclass(frozen=True, slots=True)
class MapProgress(Value):
    """How far a map is."""

    stage: MapStage
    fraction: float
    """Of the whole work, 0 to 1."""
    header: MapHeader | None
    """Of the finished map, with the last word only."""


class AsyncMap:
    """The map. Every method raises a subclass of ApiError when it fails."""

    def __init__(self, channel: grpc.aio.Channel, call: Call, server: str) -> None:
        self._stub: Any = map_pb2_grpc.MapServiceStub(channel)
        self._call = call
        self._server = server

    async def read(self, *, known_map_id: str = "") -> CatalogueMap | None:
        """The map that was built last; None if that is the one of `known_map_id`.

        Raises:
          NotFound: MAP_NOT_FOUND, none was built yet.
        """

        async def pieces(request: Any, **options: Any) -> list[map_pb2.GetMapResponse]:
            return [piece async for piece in self._stub.GetMap(request, **options)]

        request = map_pb2.GetMapRequest(known_map_id=known_map_id)
        first, *others = await self._call(pieces, request)
        header = _header(first.header)
        if header.map_id == known_map_id:
            return None
        return CatalogueMap(header, tuple(point for one in others for point in _points(one.points)))

    async def build(self, *, patience_s: float = 120.0) -> AsyncIterator[MapProgress]:
        """Builds the map anew, and tells how far it is; the last value has the map's header.

        The work is the server's. Where the call breaks off the server is asked again, for so many
        seconds without an answer; it begins again only where it went away itself.

        Raises:
          FailedPrecondition: MAP_TOO_SMALL.
        """
        loop = asyncio.get_running_loop()
        heard, wait_s = loop.time(), _FIRST_WAIT_S
        while True:
            try:
                async for message in self._stub.BuildMap(map_pb2.BuildMapRequest()):
                    heard, wait_s = loop.time(), _FIRST_WAIT_S
                    yield _progress(message)
            except grpc.aio.AioRpcError as error:
                failure = errors.from_call(error, server=self._server)
                # No deadline is ours: no edge or gateway lets a call last for longer than it likes.
                passing = isinstance(
                    failure, errors.Unavailable | errors.Cancelled | errors.DeadlineExceeded
                )
                if not passing or loop.time() - heard > patience_s:
                    raise failure from error
            else:
                return
            await asyncio.sleep(wait_s)
            wait_s = min(2 * wait_s, _LONGEST_WAIT_S)


_STAGES: Final = dict(enumerate(MapStage, 1))


def _header(message: type_pb2.MapHeader) -> MapHeader:
    return MapHeader(
        message.map_id,
        message.create_time.ToDatetime(tzinfo=UTC),
        message.embedding_version,
        message.method,
        message.product_count,
        message.missing_count,
        tuple(
            MapCluster(tuple(one.words), one.x, one.y, one.radius, one.product_count)
            for one in message.clusters
        ),
    )


def _points(message: type_pb2.MapPoints) -> list[MapPoint]:
    xy = array.array("H", message.xy_u16)
    if sys.byteorder == "big":
        xy.byteswap()
    return [
        MapPoint(product_id, x / _WHOLE, y / _WHOLE, None if cluster < 0 else cluster)
        for product_id, x, y, cluster in zip(
            message.product_ids, xy[::2], xy[1::2], message.clusters, strict=True
        )
    ]


def _progress(message: map_pb2.BuildMapResponse) -> MapProgress:
    header = _header(message.header) if message.HasField("header") else None
    return MapProgress(_STAGES[message.stage], message.fraction, header)
