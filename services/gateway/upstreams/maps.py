"""The indexer's map, called."""

from collections.abc import AsyncIterator

from lookalike.indexer.v1 import map_pb2, map_pb2_grpc
from servicekit.channels import TypedChannel
from services.gateway.maps import MapCluster, MapHeader, MapPoints, MapProgress, MapStage
from services.gateway.upstreams.answers import answers

FULL_SERVICE_NAME = "lookalike.indexer.v1.MapService"


class MapsClient:
    """The Maps of maps.py."""

    def __init__(self, channel: TypedChannel) -> None:
        self._stub = map_pb2_grpc.MapServiceStub(channel)

    async def read(
        self, known_map_id: str, *, timeout_s: float
    ) -> AsyncIterator[MapHeader | MapPoints]:
        request = map_pb2.GetMapRequest(known_map_id=known_map_id)
        async for message in answers("indexer", self._stub.GetMap(request, timeout=timeout_s)):
            if message.HasField("header"):
                yield _header(message.header)
            else:
                points = message.points
                yield MapPoints(tuple(points.product_ids), points.xy_u16, tuple(points.clusters))

    async def build(self, *, timeout_s: float) -> AsyncIterator[MapProgress]:
        request = map_pb2.BuildMapRequest()
        async for message in answers("indexer", self._stub.BuildMap(request, timeout=timeout_s)):
            header = _header(message.header) if message.HasField("header") else None
            yield MapProgress(MapStage(message.stage), message.fraction, header)


def _header(message: map_pb2.MapHeader) -> MapHeader:
    return MapHeader(
        message.map_id,
        message.create_time.ToMicroseconds(),
        message.embedding_version,
        message.method,
        message.product_count,
        message.missing_count,
        tuple(
            MapCluster(tuple(one.words), one.x, one.y, one.radius, one.product_count)
            for one in message.clusters
        ),
    )
