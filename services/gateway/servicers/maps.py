"""MapService: what the indexer says, under a deadline."""

from collections.abc import AsyncIterator
from typing import Any, Protocol

from lookalike.gateway.v1 import map_pb2, map_pb2_grpc
from servicekit.channels import remaining

FULL_SERVICE_NAME = "lookalike.gateway.v1.MapService"

# Also the longest that the edge keeps a stream open; the build goes on, and another call follows.
_BUILD_S = 3600.0


class Maps(Protocol):
    """The map of the space that is searched. Methods raise LookalikeError, no other."""

    def read(self, known_map_id: str, *, timeout_s: float) -> AsyncIterator[map_pb2.GetMapResponse]:
        """The header, then the points; the header only, if the caller has the map already."""
        ...

    def build(self, *, timeout_s: float) -> AsyncIterator[map_pb2.BuildMapResponse]:
        """A new map's progress; the work goes on when nobody listens."""
        ...


class MapServicer(map_pb2_grpc.MapServiceServicer):
    """See protos/lookalike/gateway/v1/map.proto.

    Args:
      timeout_s: for reading, where the caller set no nearer deadline.
    """

    def __init__(self, maps: Maps, timeout_s: float) -> None:
        self._maps = maps
        self._timeout_s = timeout_s

    async def GetMap(
        self, request: map_pb2.GetMapRequest, context: Any
    ) -> AsyncIterator[map_pb2.GetMapResponse]:
        timeout_s = remaining(context, at_most_s=self._timeout_s)
        async for piece in self._maps.read(request.known_map_id, timeout_s=timeout_s):
            yield piece

    async def BuildMap(
        self, request: map_pb2.BuildMapRequest, context: Any
    ) -> AsyncIterator[map_pb2.BuildMapResponse]:
        timeout_s = remaining(context, at_most_s=_BUILD_S)
        async for progress in self._maps.build(timeout_s=timeout_s):
            yield progress
