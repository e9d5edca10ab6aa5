"""The indexer, called."""

from collections.abc import Sequence

from lookalike.indexer.v1 import indexer_pb2, indexer_pb2_grpc
from servicekit.channels import TypedChannel
from services.gateway.catalogue import (
    Committed,
    Deleted,
    Known,
    OpenedStream,
    ProductDraft,
    ProductKey,
    SequencedOutcome,
    Upserted,
)
from services.gateway.ranking import (
    Conditions,
    FacetCounts,
    Hits,
    IndexQuery,
    ListQuery,
    Neighbour,
    ProductPage,
    StoredImage,
    StoredProduct,
    View,
)
from services.gateway.upstreams.answers import answer
from services.gateway.values import IndexInfo
from services.gateway.wire import products, queries

FULL_SERVICE_NAME = "lookalike.indexer.v1.IndexerService"


class CatalogueClient:
    """The Catalogue of domain.py."""

    def __init__(self, channel: TypedChannel) -> None:
        self._stub = indexer_pb2_grpc.IndexerServiceStub(channel)

    async def open_stream(
        self, stream_id: str, fingerprint: str, run_id: str, client: str, *, timeout_s: float
    ) -> OpenedStream:
        request = indexer_pb2.OpenStreamRequest(
            stream_id=stream_id, source_fingerprint=fingerprint, run_id=run_id, client=client
        )
        return products.opened_stream(
            await answer("indexer", self._stub.OpenStream(request, timeout=timeout_s))
        )

    async def list_outcomes(
        self, stream_id: str, after_sequence: int, *, page_size: int, timeout_s: float
    ) -> tuple[SequencedOutcome, ...]:
        request = indexer_pb2.ListOutcomesRequest(
            stream_id=stream_id, after_sequence=after_sequence, page_size=page_size
        )
        response = await answer("indexer", self._stub.ListOutcomes(request, timeout=timeout_s))
        return tuple(map(products.stored_outcome, response.outcomes))

    async def commit(
        self,
        stream_id: str,
        epoch: int,
        outcomes: Sequence[SequencedOutcome],
        *,
        complete: bool,
        timeout_s: float,
    ) -> Committed:
        request = indexer_pb2.CommitOutcomesRequest(
            stream_id=stream_id,
            epoch=epoch,
            outcomes=map(products.committed_outcome, outcomes),
            complete=complete,
        )
        return products.committed(
            await answer("indexer", self._stub.CommitOutcomes(request, timeout=timeout_s))
        )

    async def put_image(
        self, sha256: str, data: bytes, media_type: str, *, timeout_s: float
    ) -> None:
        request = indexer_pb2.PutImagesRequest(
            images=[indexer_pb2.Blob(sha256=sha256, data=data, media_type=media_type)]
        )
        await answer("indexer", self._stub.PutImages(request, timeout=timeout_s))

    async def look_up(
        self,
        keys: Sequence[ProductKey],
        image_sha256s: Sequence[str],
        pipeline_version: str,
        *,
        timeout_s: float,
    ) -> Known:
        request = indexer_pb2.LookUpKnownRequest(
            products=[
                indexer_pb2.KnownProductKey(
                    product_id=key.product_id, content_digest=key.content_digest
                )
                for key in keys
            ],
            image_sha256s=image_sha256s,
            pipeline_version=pipeline_version,
        )
        return products.known(
            await answer("indexer", self._stub.LookUpKnown(request, timeout=timeout_s))
        )

    async def upsert(self, drafts: Sequence[ProductDraft], *, timeout_s: float) -> Upserted:
        request = indexer_pb2.UpsertProductsRequest(products=map(products.record_message, drafts))
        return products.upserted(
            await answer("indexer", self._stub.UpsertProducts(request, timeout=timeout_s))
        )

    async def index_version(self, *, timeout_s: float) -> int:
        request = indexer_pb2.GetIndexInfoRequest()
        response = await answer("indexer", self._stub.GetIndexInfo(request, timeout=timeout_s))
        return int(response.index_version)

    async def delete(self, product_ids: Sequence[str], *, timeout_s: float) -> Deleted:
        request = indexer_pb2.DeleteProductsRequest(product_ids=product_ids)
        response = await answer("indexer", self._stub.DeleteProducts(request, timeout=timeout_s))
        return Deleted(
            tuple(response.deleted_product_ids),
            tuple(response.unknown_product_ids),
            response.index_version,
        )


class IndexClient:
    """The Index of domain.py."""

    def __init__(self, channel: TypedChannel) -> None:
        self._stub = indexer_pb2_grpc.IndexerServiceStub(channel)

    async def search(self, query: IndexQuery, *, timeout_s: float) -> Hits:
        request = queries.search_request(query)
        return queries.hits(
            await answer("indexer", self._stub.SearchProducts(request, timeout=timeout_s))
        )

    async def neighbours(
        self, query: IndexQuery, field: str, *, timeout_s: float
    ) -> tuple[Neighbour, ...]:
        request = queries.search_request(query)
        return queries.neighbours(
            await answer("indexer", self._stub.SearchProducts(request, timeout=timeout_s)), field
        )

    async def attribute_words(
        self,
        field: str,
        conditions: Conditions | None,
        equal_attributes: tuple[tuple[str, str], ...],
        max_values: int,
        *,
        timeout_s: float,
    ) -> tuple[str, ...]:
        request = indexer_pb2.ListFacetsRequest(
            fields=[field],
            filter=queries.filter_message(conditions, equal_attributes),
            max_values=max_values,
        )
        return queries.facet_words(
            await answer("indexer", self._stub.ListFacets(request, timeout=timeout_s))
        )

    async def get_product(
        self, product_id: str, view: View, min_index_version: int, *, timeout_s: float
    ) -> StoredProduct:
        request = indexer_pb2.GetProductRequest(
            product_id=product_id,
            view=queries.view_number(view),
            min_index_version=min_index_version,
        )
        response = await answer("indexer", self._stub.GetProduct(request, timeout=timeout_s))
        return StoredProduct(response.product)

    async def list_products(self, query: ListQuery, *, timeout_s: float) -> ProductPage:
        request = queries.list_request(query)
        return queries.product_page(
            await answer("indexer", self._stub.ListProducts(request, timeout=timeout_s))
        )

    async def list_facets(
        self,
        fields: Sequence[str],
        conditions: Conditions | None,
        max_values: int,
        *,
        timeout_s: float,
    ) -> FacetCounts:
        request = indexer_pb2.ListFacetsRequest(
            fields=fields,
            filter=queries.filter_message(conditions, ()),
            max_values=max_values,
        )
        return queries.facet_counts(
            await answer("indexer", self._stub.ListFacets(request, timeout=timeout_s))
        )

    async def get_image(self, sha256: str, *, timeout_s: float) -> StoredImage:
        request = indexer_pb2.GetImageRequest(sha256=sha256)
        return queries.stored_image(
            await answer("indexer", self._stub.GetImage(request, timeout=timeout_s))
        )

    async def info(self, *, timeout_s: float) -> IndexInfo:
        request = indexer_pb2.GetIndexInfoRequest()
        return queries.index_info(
            await answer("indexer", self._stub.GetIndexInfo(request, timeout=timeout_s))
        )
