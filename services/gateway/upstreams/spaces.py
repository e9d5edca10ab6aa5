"""The indexer's spaces, called."""

from collections.abc import Sequence

from lookalike.indexer.v1 import spaces_pb2, spaces_pb2_grpc
from servicekit.channels import TypedChannel
from services.gateway.catalogue import SpaceVectors
from services.gateway.spaces import (
    LackingPage,
    LackingProduct,
    SpaceInfo,
    SpaceRole,
    Switch,
)
from services.gateway.upstreams.answers import answer
from services.gateway.values import EmbedderInfo
from services.gateway.wire import products

FULL_SERVICE_NAME = "lookalike.indexer.v1.SpaceService"


class SpacesClient:
    """The Spaces of spaces.py."""

    def __init__(self, channel: TypedChannel) -> None:
        self._stub = spaces_pb2_grpc.SpaceServiceStub(channel)

    async def list(self, *, count_products: bool, timeout_s: float) -> tuple[SpaceInfo, ...]:
        request = spaces_pb2.ListSpacesRequest(count_products=count_products)
        response = await answer("indexer", self._stub.ListSpaces(request, timeout=timeout_s))
        return tuple(
            SpaceInfo(
                one.embedding_version,
                one.dimension,
                one.model,
                SpaceRole(one.role),
                one.product_count,
                one.lacking_count,
            )
            for one in response.spaces
        )

    async def begin(self, space: EmbedderInfo, *, timeout_s: float) -> None:
        request = spaces_pb2.BeginSpaceRequest(
            embedding_version=space.version, dimension=space.dimension, model=space.model
        )
        await answer("indexer", self._stub.BeginSpace(request, timeout=timeout_s))

    async def lacking(
        self, version: str, after: str, *, page_size: int, timeout_s: float
    ) -> LackingPage:
        request = spaces_pb2.ListLackingRequest(
            embedding_version=version, after_product_id=after, page_size=page_size
        )
        response = await answer("indexer", self._stub.ListLacking(request, timeout=timeout_s))
        return LackingPage(
            tuple(
                LackingProduct(one.product_id, one.version, tuple(one.image_sha256s))
                for one in response.products
            ),
            response.lacking_count,
        )

    async def put(
        self,
        version: str,
        found: Sequence[tuple[LackingProduct, SpaceVectors]],
        *,
        timeout_s: float,
    ) -> frozenset[str]:
        request = spaces_pb2.PutVectorsRequest(
            embedding_version=version,
            products=[
                spaces_pb2.ProductVectors(
                    product_id=one.product_id,
                    version=one.version,
                    vectors=products.space_vectors_message(vectors),
                )
                for one, vectors in found
            ],
        )
        response = await answer("indexer", self._stub.PutVectors(request, timeout=timeout_s))
        return frozenset(response.written_product_ids)

    async def switch(self, version: str, *, force: bool, timeout_s: float) -> Switch:
        request = spaces_pb2.SwitchSpaceRequest(embedding_version=version, force=force)
        response = await answer("indexer", self._stub.SwitchSpace(request, timeout=timeout_s))
        return Switch(response.index_version, response.previous_embedding_version)

    async def drop(self, version: str, *, timeout_s: float) -> bool:
        request = spaces_pb2.DropSpaceRequest(embedding_version=version)
        response = await answer("indexer", self._stub.DropSpace(request, timeout=timeout_s))
        return bool(response.dropped)
