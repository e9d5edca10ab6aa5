"""MapService: parse, call, render."""

from collections.abc import AsyncIterator
from typing import Any, Final

from lookalike.indexer.v1 import map_pb2, map_pb2_grpc
from services.indexer.map_builds import CatalogueMaps
from services.indexer.wire import maps

FULL_SERVICE_NAME: Final = "lookalike.indexer.v1.MapService"


class MapServicer(map_pb2_grpc.MapServiceServicer):
    """Implements lookalike.indexer.v1.MapService."""

    def __init__(self, catalogue_maps: CatalogueMaps) -> None:
        self._maps = catalogue_maps

    async def GetMap(
        self, request: map_pb2.GetMapRequest, context: Any
    ) -> AsyncIterator[map_pb2.GetMapResponse]:
        known = maps.known_map_id(request)
        shown = await self._maps.shown()
        yield map_pb2.GetMapResponse(header=maps.header(shown))
        if shown.drawn.map_id != known:
            for points in maps.points(shown):
                yield map_pb2.GetMapResponse(points=points)

    async def BuildMap(
        self, request: map_pb2.BuildMapRequest, context: Any
    ) -> AsyncIterator[map_pb2.BuildMapResponse]:
        async for told in self._maps.follow():
            yield maps.build_message(told)
