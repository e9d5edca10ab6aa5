"""IngestService: parse, call, render."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

from lookalike.gateway.v1 import ingest_pb2, ingest_pb2_grpc
from servicekit.channels import remaining
from services.gateway.batch_ingest import ingest_batch
from services.gateway.ingest_messages import BatchProgress, ServerMessage
from services.gateway.ingest_session import IngestNeeds, IngestSession
from services.gateway.wire import ingest as wire

FULL_SERVICE_NAME = "lookalike.gateway.v1.IngestService"


class IngestServicer(ingest_pb2_grpc.IngestServiceServicer):
    """See protos/lookalike/gateway/v1/ingest.proto."""

    def __init__(self, needs: IngestNeeds) -> None:
        self._needs = needs

    # grpc.aio lets the handler of a stream write instead of yield; the stubs know only the latter.
    async def Ingest(  # type: ignore[override]
        self, request_iterator: AsyncIterator[ingest_pb2.IngestRequest], context: Any
    ) -> None:
        writing = asyncio.Lock()  # one message at a time may be on its way to gRPC

        async def send(message: ServerMessage) -> None:
            async with writing:
                await context.write(wire.server_message(message))

        session = IngestSession(self._needs, send)
        await session.run(wire.client_messages(request_iterator))

    async def IngestBatch(  # type: ignore[override]
        self, request: ingest_pb2.IngestBatchRequest, context: Any
    ) -> None:
        async def send(progress: BatchProgress) -> None:
            await context.write(wire.batch_progress(progress))

        await ingest_batch(self._needs, wire.batch(request), send)

    async def DeleteProducts(
        self, request: ingest_pb2.DeleteProductsRequest, context: Any
    ) -> ingest_pb2.DeleteProductsResponse:
        timeout_s = remaining(context, at_most_s=self._needs.timeout_s)
        return wire.deleted(
            await self._needs.catalogue.delete(tuple(request.product_ids), timeout_s=timeout_s)
        )
