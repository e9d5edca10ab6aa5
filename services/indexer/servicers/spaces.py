"""SpaceService: parse, call, render."""

import asyncio
from typing import Any, Final

from google.rpc import status_pb2

from lookalike.indexer.v1 import spaces_pb2, spaces_pb2_grpc
from servicekit.errors import LookalikeError
from servicekit.status import to_status
from services.indexer.catalogue import Catalogue
from services.indexer.spaces import known_space
from services.indexer.wire import checks, spaces

FULL_SERVICE_NAME: Final = "lookalike.indexer.v1.SpaceService"


class SpaceServicer(spaces_pb2_grpc.SpaceServiceServicer):
    """Implements lookalike.indexer.v1.SpaceService."""

    def __init__(self, catalogue: Catalogue) -> None:
        self._catalogue = catalogue

    async def ListSpaces(
        self, request: spaces_pb2.ListSpacesRequest, context: Any
    ) -> spaces_pb2.ListSpacesResponse:
        found = await self._catalogue.spaces(request.count_products)
        return spaces_pb2.ListSpacesResponse(spaces=map(spaces.counted_message, found))

    async def BeginSpace(
        self, request: spaces_pb2.BeginSpaceRequest, context: Any
    ) -> spaces_pb2.BeginSpaceResponse:
        space = spaces.space(request)
        begun = known_space(await self._catalogue.store.begin_space(space), space.embedding_version)
        return spaces_pb2.BeginSpaceResponse(space=spaces.space_message(begun))

    async def ListLacking(
        self, request: spaces_pb2.ListLackingRequest, context: Any
    ) -> spaces_pb2.ListLackingResponse:
        found, count = await self._catalogue.lacking(
            spaces.version(request.embedding_version),
            request.after_product_id,
            checks.page_size(request.page_size, 100, 1_000),
        )
        return spaces_pb2.ListLackingResponse(
            products=map(spaces.lacking_message, found), lacking_count=count
        )

    async def PutVectors(
        self, request: spaces_pb2.PutVectorsRequest, context: Any
    ) -> spaces_pb2.PutVectorsResponse:
        checks.size(request.products, "products", 1, 1_000)
        # Off the loop, as all that checks many vectors.
        parsed = await asyncio.to_thread(spaces.product_vectors, request)
        fitting = [one for one in parsed if not isinstance(one, LookalikeError)]
        version, written = await self._catalogue.put_vectors(
            spaces.version(request.embedding_version), fitting
        )
        return spaces_pb2.PutVectorsResponse(
            written_product_ids=sorted(written),
            statuses=[
                to_status(one) if isinstance(one, LookalikeError) else status_pb2.Status()
                for one in parsed
            ],
            index_version=version,
        )

    async def SwitchSpace(
        self, request: spaces_pb2.SwitchSpaceRequest, context: Any
    ) -> spaces_pb2.SwitchSpaceResponse:
        done = await self._catalogue.switch(
            spaces.version(request.embedding_version), request.force
        )
        return spaces_pb2.SwitchSpaceResponse(
            index_version=done.index_version,
            previous_embedding_version=done.previous.embedding_version if done.previous else "",
        )

    async def DropSpace(
        self, request: spaces_pb2.DropSpaceRequest, context: Any
    ) -> spaces_pb2.DropSpaceResponse:
        dropped = await self._catalogue.store.drop_space(spaces.version(request.embedding_version))
        return spaces_pb2.DropSpaceResponse(dropped=dropped)
