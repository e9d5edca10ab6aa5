"""The doorway: every method parses, calls and renders."""

import asyncio
from typing import Any, Final

from google.rpc import status_pb2

from lookalike.indexer.v1 import indexer_pb2, indexer_pb2_grpc
from servicekit.channels import deadline
from servicekit.errors import InvalidArgument, LookalikeError, NotFound
from servicekit.status import from_exception, to_status
from services.indexer.catalogue import Catalogue
from services.indexer.domain import Product
from services.indexer.metrics import IndexerMetrics
from services.indexer.wire import checks, filters, products, search, streams

FULL_SERVICE_NAME: Final = "lookalike.indexer.v1.IndexerService"

_PRODUCTS_AT_ONCE: Final = 100


class IndexerServicer(indexer_pb2_grpc.IndexerServiceServicer):
    """Implements lookalike.indexer.v1.IndexerService.

    Args:
      max_message_bytes: a page of products is cut short of it.
    """

    def __init__(
        self, catalogue: Catalogue, metrics: IndexerMetrics, max_message_bytes: int
    ) -> None:
        self._catalogue = catalogue
        self._metrics = metrics
        self._max_page_bytes = max_message_bytes // 2

    # Ingest streams

    async def OpenStream(
        self, request: indexer_pb2.OpenStreamRequest, context: Any
    ) -> indexer_pb2.OpenStreamResponse:
        opened = await self._catalogue.store.open_stream(streams.stream_key(request))
        return indexer_pb2.OpenStreamResponse(
            epoch=opened.epoch,
            last_durable_sequence=opened.last_durable_sequence,
            outcome_count=opened.outcome_count,
        )

    async def ListOutcomes(
        self, request: indexer_pb2.ListOutcomesRequest, context: Any
    ) -> indexer_pb2.ListOutcomesResponse:
        outcomes = await self._catalogue.store.list_outcomes(
            checks.text(request.stream_id, "stream_id", 256),
            checks.count(request.after_sequence, "after_sequence", 0, 2**63 - 1),
            checks.page_size(request.page_size, 1_000, streams.MAX_PAGE),
        )
        return indexer_pb2.ListOutcomesResponse(
            outcomes=[streams.outcome_message(outcome) for outcome in outcomes]
        )

    async def CommitOutcomes(
        self, request: indexer_pb2.CommitOutcomesRequest, context: Any
    ) -> indexer_pb2.CommitOutcomesResponse:
        # Off the loop: a thousand products take a tenth of a second to check.
        outcomes = await asyncio.to_thread(streams.committed_outcomes, request)
        committed = await self._catalogue.commit(
            request.stream_id, request.epoch, outcomes, request.complete
        )
        self._metrics.committed(outcome.state for outcome, _ in outcomes)
        return indexer_pb2.CommitOutcomesResponse(
            last_durable_sequence=committed.last_durable_sequence,
            index_version=committed.index_version,
        )

    async def LookUpKnown(
        self, request: indexer_pb2.LookUpKnownRequest, context: Any
    ) -> indexer_pb2.LookUpKnownResponse:
        keys, store = streams.known_keys(request), self._catalogue.store
        digests = list(request.image_sha256s)
        unchanged = await store.unchanged(keys, request.pipeline_version) if keys else {}
        images = await store.known_images(digests, request.pipeline_version) if digests else []
        return indexer_pb2.LookUpKnownResponse(
            unchanged_products=[
                indexer_pb2.KnownProduct(
                    product_id=product_id, image_failures=products.failure_messages(failures)
                )
                for product_id, failures in unchanged.items()
            ],
            images=[products.image_message(image) for image in images],
        )

    # Images

    async def PutImages(
        self, request: indexer_pb2.PutImagesRequest, context: Any
    ) -> indexer_pb2.PutImagesResponse:
        await self._catalogue.store.put_images(await asyncio.to_thread(search.blobs, request))
        return indexer_pb2.PutImagesResponse()

    async def GetImage(
        self, request: indexer_pb2.GetImageRequest, context: Any
    ) -> indexer_pb2.GetImageResponse:
        digest = checks.sha256(request.sha256, "sha256")
        blob = await self._catalogue.store.get_image(digest)
        if blob is None:
            raise NotFound(
                f"There is no image {digest}.",
                reason="IMAGE_NOT_FOUND",
                metadata={"resource_type": "image", "resource_name": digest},
            )
        return indexer_pb2.GetImageResponse(
            image=indexer_pb2.Blob(sha256=blob.sha256, data=blob.data, media_type=blob.media_type)
        )

    # Products

    async def UpsertProducts(
        self, request: indexer_pb2.UpsertProductsRequest, context: Any
    ) -> indexer_pb2.UpsertProductsResponse:
        checks.size(request.products, "products", 1, 1_000)
        parsed = await asyncio.to_thread(_parsed, request)
        fitting = [product for product in parsed if isinstance(product, Product)]
        version, problems = await self._catalogue.upsert(fitting)
        of_fitting = iter(problems)
        statuses = []
        for entry in parsed:
            problem = next(of_fitting) if isinstance(entry, Product) else entry
            statuses.append(
                status_pb2.Status() if problem is None else to_status(from_exception(problem))
            )
        return indexer_pb2.UpsertProductsResponse(statuses=statuses, index_version=version)

    async def GetProduct(
        self, request: indexer_pb2.GetProductRequest, context: Any
    ) -> indexer_pb2.GetProductResponse:
        found = await self._catalogue.product(
            checks.text(request.product_id, "product_id", 256),
            search.wants_vectors(request.view),
            search.min_index_version(request.min_index_version),
            deadline(context),
        )
        return indexer_pb2.GetProductResponse(product=products.product_message(found))

    async def ListProducts(
        self, request: indexer_pb2.ListProductsRequest, context: Any
    ) -> indexer_pb2.ListProductsResponse:
        vectors = search.wants_vectors(request.view)
        page = await self._catalogue.page(
            filters.conditions(request.filter),
            search.page_start(request),
            checks.page_size(request.page_size, 50, 1_000),
            search.min_index_version(request.min_index_version),
            deadline(context),
        )
        response = indexer_pb2.ListProductsResponse(total_size=page.total)
        size, last, more = 0, "", page.more
        for start in range(0, len(page.product_ids), _PRODUCTS_AT_ONCE):
            ids = page.product_ids[start : start + _PRODUCTS_AT_ONCE]
            for found in await self._catalogue.products(ids, vectors):
                message = products.product_message(found)
                size += message.ByteSize()
                if response.products and size > self._max_page_bytes:
                    more = True
                    break
                response.products.append(message)
                last = found.product_id
            else:
                last = ids[-1]
                continue
            break
        if more:
            response.next_page_token = search.page_token(last, request)
        return response

    async def DeleteProducts(
        self, request: indexer_pb2.DeleteProductsRequest, context: Any
    ) -> indexer_pb2.DeleteProductsResponse:
        checks.size(request.product_ids, "product_ids", 1, 1_000)
        gone = await self._catalogue.store.delete(list(request.product_ids))
        return indexer_pb2.DeleteProductsResponse(
            deleted_product_ids=gone.deleted,
            unknown_product_ids=gone.unknown,
            index_version=gone.index_version,
        )

    # Searching

    async def SearchProducts(
        self, request: indexer_pb2.SearchProductsRequest, context: Any
    ) -> indexer_pb2.SearchProductsResponse:
        answer = await self._catalogue.search(search.search_request(request), deadline(context))
        return search.search_response(answer)

    async def ListFacets(
        self, request: indexer_pb2.ListFacetsRequest, context: Any
    ) -> indexer_pb2.ListFacetsResponse:
        checks.size(request.fields, "fields", 0, 64)
        checks.count(request.max_values, "max_values", 0, 1_000)
        found = await self._catalogue.facets(
            list(request.fields),
            filters.conditions(request.filter),
            request.max_values or 50,
            search.min_index_version(request.min_index_version),
            deadline(context),
        )
        return indexer_pb2.ListFacetsResponse(
            facets=filters.facet_messages(found.facets), product_count=found.product_count
        )

    async def GetIndexInfo(
        self, request: indexer_pb2.GetIndexInfoRequest, context: Any
    ) -> indexer_pb2.GetIndexInfoResponse:
        info = await self._catalogue.info()
        return indexer_pb2.GetIndexInfoResponse(
            product_count=info.tally.product_count,
            image_count=info.tally.image_count,
            vector_count=info.tally.vector_count,
            embedding_version=info.space.embedding_version if info.space else "",
            dimension=info.space.dimension if info.space else 0,
            index_version=info.index_version,
            store=info.store,
            matrix_size_bytes=info.tally.matrix_size_bytes,
        )


def _parsed(request: indexer_pb2.UpsertProductsRequest) -> list[Product | LookalikeError]:
    parsed: list[Product | LookalikeError] = []
    for index, record in enumerate(request.products):
        try:
            parsed.append(products.product(record, f"products[{index}]"))
        except InvalidArgument as problem:
            parsed.append(problem)
    return parsed
