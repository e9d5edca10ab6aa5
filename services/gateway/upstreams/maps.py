"""The indexer's map, handed on as it is: nothing in it is for the gateway to know."""

from collections.abc import AsyncIterator

from lookalike.gateway.v1 import map_pb2
from lookalike.indexer.v1 import map_pb2 as indexer_pb2
from lookalike.indexer.v1 import map_pb2_grpc as indexer_pb2_grpc
from servicekit.channels import TypedChannel
from services.gateway.upstreams.answers import answers

FULL_SERVICE_NAME = "lookalike.indexer.v1.MapService"


class MapsClient:
    """The Maps of servicers/maps.py."""

    def __init__(self, channel: TypedChannel) -> None:
        self._stub = indexer_pb2_grpc.MapServiceStub(channel)

    async def read(
        self, known_map_id: str, *, timeout_s: float
    ) -> AsyncIterator[map_pb2.GetMapResponse]:
        request = indexer_pb2.GetMapRequest(known_map_id=known_map_id)
        async for piece in answers("indexer", self._stub.GetMap(request, timeout=timeout_s)):
            if piece.HasField("header"):
                yield map_pb2.GetMapResponse(header=piece.header)
            else:
                yield map_pb2.GetMapResponse(points=piece.points)

    async def build(self, *, timeout_s: float) -> AsyncIterator[map_pb2.BuildMapResponse]:
        request = indexer_pb2.BuildMapRequest()
        async for told in answers("indexer", self._stub.BuildMap(request, timeout=timeout_s)):
            yield map_pb2.BuildMapResponse(
                stage=told.stage,
                fraction=told.fraction,
                header=told.header if told.HasField("header") else None,
            )
