"""A gateway in memory that keeps the contract's promises and checks the client's.

It computes nothing: bytes that begin with `bad` are an undecodable image, everything else a
usable one. Faults are scripted per connection.
"""

import asyncio
import contextlib
import dataclasses
import hashlib
from collections.abc import AsyncIterator
from typing import Any

import grpc
import pytest
from google.protobuf import duration_pb2
from google.rpc import code_pb2, error_details_pb2, status_pb2

from lookalike.gateway.v1 import (
    ingest_pb2,
    ingest_pb2_grpc,
    map_pb2,
    map_pb2_grpc,
    search_pb2,
    search_pb2_grpc,
)
from lookalike.type.v1 import filter_pb2, image_pb2, product_pb2
from lookalike.type.v1 import map_pb2 as type_pb2


@dataclasses.dataclass(frozen=True)
class Fault:
    """What goes wrong on one connection."""

    refuse_open: bool = False
    after_products: int | None = None
    """The line breaks when so many products have come in, before their results are told."""
    code: grpc.StatusCode = grpc.StatusCode.UNAVAILABLE
    reason: str = ""
    lose: bool = False
    """The last products are not stored either."""


@dataclasses.dataclass
class StreamState:
    """What the indexer would hold of a stream."""

    fingerprint: str = ""
    run_id: str = ""
    epoch: int = 0
    complete: bool = False
    outcomes: dict[int, ingest_pb2.IngestResult] = dataclasses.field(default_factory=dict)
    durable: int = 0


def status_of(code: int, reason: str, message: str = "", **metadata: str) -> status_pb2.Status:
    status = status_pb2.Status(code=code, message=message or reason)
    info = error_details_pb2.ErrorInfo(reason=reason, domain="lookalike.dev", metadata=metadata)
    status.details.add().Pack(info)
    return status


async def abort(context: Any, code: grpc.StatusCode, reason: str = "", message: str = "") -> None:
    message = message or reason or code.name
    if not reason:
        await context.abort(code, message)
    status = status_of(code.value[0], reason, message)
    if code is grpc.StatusCode.UNAVAILABLE:
        retry = error_details_pb2.RetryInfo(retry_delay=duration_pb2.Duration(nanos=1_000_000))
        status.details.add().Pack(retry)
    trailers = (("grpc-status-details-bin", status.SerializeToString()), ("x-request-id", "r-1"))
    await context.abort(code, message, trailers)


class GatewayTwin(
    ingest_pb2_grpc.IngestServiceServicer,
    map_pb2_grpc.MapServiceServicer,
    search_pb2_grpc.SearchServiceServicer,
):
    def __init__(self, *, window_products: int = 4, window_bytes: int = 4_000) -> None:
        self.window_products = window_products
        self.window_bytes = window_bytes
        self.faults: list[Fault] = []
        self.call_faults: list[tuple[grpc.StatusCode, str]] = []
        self.streams: dict[str, StreamState] = {}
        self.products: dict[str, product_pb2.Product] = {}
        self.digests: dict[str, str] = {}
        self.received: list[tuple[int, str]] = []
        self.opens: list[ingest_pb2.IngestOpen] = []
        self.requests: list[Any] = []
        self.unserving: set[str] = set()
        self.breaking = 0
        """So many builds of a map break off after their first word."""
        self.most_in_flight = 0

    # --- the stream ---------------------------------------------------------------------------

    async def Ingest(self, requests: Any, context: Any) -> AsyncIterator[Any]:
        first = await anext(requests)
        if first.WhichOneof("message") != "open":
            await abort(context, grpc.StatusCode.FAILED_PRECONDITION, "STREAM_PROTOCOL_VIOLATION")
        self.opens.append(first.open)
        fault = self.faults.pop(0) if self.faults else Fault()
        if fault.refuse_open:
            await abort(context, fault.code, fault.reason)
        state = self._open(first.open)
        epoch = state.epoch
        missing = next(n for n in range(1, len(state.outcomes) + 2) if n not in state.outcomes)
        again = [
            state.outcomes[n] for n in sorted(state.outcomes) if n > first.open.confirmed_sequence
        ]
        credit = ingest_pb2.IngestCredit(products=self.window_products, bytes=self.window_bytes)
        yield ingest_pb2.IngestResponse(
            opened=ingest_pb2.IngestOpened(
                epoch=epoch,
                last_durable_sequence=state.durable,
                credit=credit,
                replay_count=len(again),
            )
        )
        for told in again:
            replay = ingest_pb2.IngestResult()
            replay.CopyFrom(told)
            replay.replayed = True
            yield ingest_pb2.IngestResponse(result=replay)
        inbox: asyncio.Queue[Any] = asyncio.Queue()
        reader = asyncio.create_task(_read(requests, inbox))
        try:
            async for response in self._work(inbox, state, epoch, missing, fault, context):
                yield response
        finally:
            reader.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await reader

    async def _work(
        self, inbox: Any, state: StreamState, epoch: int, missing: int, fault: Fault, context: Any
    ) -> AsyncIterator[Any]:
        waiting: list[ingest_pb2.SequencedProduct] = []
        last: int | None = None
        count = 0
        ended = False
        while not ended or waiting:
            if inbox.empty() and waiting:
                # Results may come in any order.
                for product in reversed(waiting):
                    if state.epoch != epoch:
                        await abort(context, grpc.StatusCode.ABORTED, "STREAM_FENCED")
                    result = self._store(state, product)
                    yield ingest_pb2.IngestResponse(result=result)
                waiting.clear()
                yield ingest_pb2.IngestResponse(
                    durable=ingest_pb2.IngestDurable(sequence=state.durable)
                )
                continue
            request = await inbox.get()
            if request is None:
                ended = True
                continue
            product = request.product
            if (last is None and product.sequence > missing) or (
                last is not None and product.sequence != last + 1
            ):
                await abort(
                    context, grpc.StatusCode.FAILED_PRECONDITION, "STREAM_PROTOCOL_VIOLATION"
                )
            last = product.sequence
            count += 1
            self.received.append((product.sequence, product.product.product_id))
            waiting.append(product)
            in_flight = sum(map(_bytes, waiting))
            self.most_in_flight = max(self.most_in_flight, len(waiting))
            if len(waiting) > self.window_products or (
                len(waiting) > 1 and in_flight > self.window_bytes
            ):
                await abort(context, grpc.StatusCode.RESOURCE_EXHAUSTED, "CREDIT_EXCEEDED")
            if count == fault.after_products:
                for kept in [] if fault.lose else waiting:
                    self._store(state, kept)
                await abort(context, fault.code, fault.reason)
        state.complete = True

    def _open(self, request: ingest_pb2.IngestOpen) -> StreamState:
        state = self.streams.setdefault(request.stream_id, StreamState())
        another_run = request.run_id != state.run_id
        if request.source_fingerprint != state.fingerprint or (another_run and state.complete):
            state.outcomes, state.durable = {}, 0
        state.complete = False
        state.fingerprint, state.run_id = request.source_fingerprint, request.run_id
        state.epoch += 1
        return state

    def _store(
        self, state: StreamState, sent: ingest_pb2.SequencedProduct
    ) -> ingest_pb2.IngestResult:
        before = sent.sequence in state.outcomes
        if not before:
            result = self._take(sent.product)
            result.sequence = sent.sequence
            state.outcomes[sent.sequence] = result
            while state.durable + 1 in state.outcomes:
                state.durable += 1
        told = ingest_pb2.IngestResult()
        told.CopyFrom(state.outcomes[sent.sequence])
        told.replayed = before
        told.credit.products = 1
        told.credit.bytes = _bytes(sent)
        return told

    def _take(self, sent: ingest_pb2.IngestProduct) -> ingest_pb2.IngestResult:
        result = ingest_pb2.IngestResult(product_id=sent.product_id)
        stored = product_pb2.Product(
            product_id=sent.product_id, name=sent.name, attributes=sent.attributes
        )
        for place, image in enumerate(sent.images):
            if (why := _fault_of(image)) is None:
                sha256 = hashlib.sha256(image.data).hexdigest()
                stored.images.add(sha256=sha256, label=image.label, size_bytes=len(image.data))
                continue
            stage, reason, message = why
            result.image_failures.add(
                image_index=place,
                label=image.label,
                stage=stage,
                status=status_of(code_pb2.INVALID_ARGUMENT, reason, message),
            )
        digest = hashlib.sha256(sent.SerializeToString(deterministic=True)).hexdigest()
        if not stored.images:
            reason = "NO_USABLE_IMAGE" if sent.images else "PRODUCT_EMPTY"
            result.state = ingest_pb2.INGEST_STATE_REFUSED
            result.status.CopyFrom(status_of(code_pb2.INVALID_ARGUMENT, reason))
        elif self.digests.get(sent.product_id) == digest:
            result.state = ingest_pb2.INGEST_STATE_UNCHANGED
        else:
            result.state = ingest_pb2.INGEST_STATE_STORED
            result.index_version = len(self.products) + 1
            self.products[sent.product_id] = stored
            self.digests[sent.product_id] = digest
        return result

    async def DeleteProducts(self, request: Any, context: Any) -> Any:
        await self._note(request, context)
        known = [name for name in request.product_ids if self.products.pop(name, None)]
        return ingest_pb2.DeleteProductsResponse(
            deleted_product_ids=known,
            unknown_product_ids=[name for name in request.product_ids if name not in known],
            index_version=7,
        )

    async def IngestBatch(self, request: Any, context: Any) -> AsyncIterator[Any]:
        await abort(context, grpc.StatusCode.UNIMPLEMENTED, "NOT_SUPPORTED")
        yield  # a stream, as the contract has it

    # --- searching ----------------------------------------------------------------------------

    async def SearchProducts(self, request: Any, context: Any) -> Any:
        await self._note(request, context)
        if request.page_size <= 0:
            await abort(
                context, grpc.StatusCode.INVALID_ARGUMENT, "FIELD_INVALID", "page_size is 1 to 1000"
            )
        chosen = self._chosen(request.filter)
        start = int(request.page_token or 0)
        page = chosen[start : start + request.page_size]
        end = start + len(page)
        response = search_pb2.SearchProductsResponse(
            candidate_count=len(chosen),
            index_version=3,
            next_page_token=str(end) if end < len(chosen) else "",
        )
        for place, product in enumerate(page, start):
            result = response.results.add(product=product, best_garment=1, best_image_score=0.5)
            if request.parts:
                result.score = 1 / (place + 1)
                result.weak = place >= 2
                result.match_probability = 0.8 / (place + 1)
                if request.metric > 1:
                    result.distance = place / 2
        if request.parts:
            response.no_good_match = "nothing" in request.parts[0].text
            response.score_meaning.fitted_on = "a shop"
            response.score_meaning.weak_below = 0.3
        for _ in request.parts:
            report = response.part_reports.add(words="words")
            if request.features.category == "auto":
                report.category_guess.category = "Dresses"
                report.category_guess.confidence = 0.75
                report.category_guess.applied = True
        return response

    async def FindSimilarProducts(self, request: Any, context: Any) -> Any:
        await self._note(request, context)
        if request.product_id not in self.products:
            await abort(
                context, grpc.StatusCode.NOT_FOUND, "PRODUCT_NOT_FOUND", "There is no such product."
            )
        others = [p for p in self._chosen(request.filter) if p.product_id != request.product_id]
        response = search_pb2.FindSimilarProductsResponse(index_version=3)
        for product in others[: request.k]:
            response.results.add(product=product, score=0.9)
        return response

    async def GetProduct(self, request: Any, context: Any) -> Any:
        await self._note(request, context)
        if request.product_id not in self.products:
            await abort(
                context, grpc.StatusCode.NOT_FOUND, "PRODUCT_NOT_FOUND", "There is no such product."
            )
        return search_pb2.GetProductResponse(product=self.products[request.product_id])

    async def ListProducts(self, request: Any, context: Any) -> Any:
        await self._note(request, context)
        chosen = self._chosen(request.filter)
        start = int(request.page_token or 0)
        end = start + request.page_size
        return search_pb2.ListProductsResponse(
            products=chosen[start:end],
            next_page_token=str(end) if end < len(chosen) else "",
            total_size=len(chosen),
        )

    async def ListFacets(self, request: Any, context: Any) -> Any:
        await self._note(request, context)
        counts: dict[str, int] = {}
        for product in self._chosen(request.filter):
            if colour := product.attributes.fields["colour"].string_value:
                counts[colour] = counts.get(colour, 0) + 1
        facet = filter_pb2.Facet(field="colour", distinct_values=len(counts))
        for colour, count in sorted(counts.items()):
            facet.values.add(product_count=count).value.string_value = colour
        return search_pb2.ListFacetsResponse(facets=[facet], product_count=len(self.products))

    async def SegmentImage(self, request: Any, context: Any) -> Any:
        await self._note(request, context)
        response = search_pb2.SegmentImageResponse(width_px=40, height_px=60)
        box = image_pb2.BoundingBox(left_px=1, top_px=2, width_px=3, height_px=4)
        response.garments.add(garment=1, bounding_box=box, area_fraction=0.25, confidence=0.5)
        if request.output:
            response.picture.encoded = b"picture"
        return response

    async def GetImage(self, request: Any, context: Any) -> Any:
        await self._note(request, context)
        return search_pb2.GetImageResponse(data=b"bytes", media_type="image/jpeg")

    async def GetStatus(self, request: Any, context: Any) -> Any:
        await self._note(request, context)
        response = search_pb2.GetStatusResponse(product_count=len(self.products), store="sqlite")
        for name in ("gateway", "segmenter", "embedder", "indexer"):
            service = response.services.add(name=name, state=search_pb2.SERVING_STATE_SERVING)
            if name in self.unserving:
                service.state = search_pb2.SERVING_STATE_NOT_SERVING
                service.status.CopyFrom(status_of(code_pb2.UNAVAILABLE, "WARMING_UP"))
        return response

    async def GetMap(self, request: Any, context: Any) -> AsyncIterator[Any]:
        await self._note(request, context)
        header = type_pb2.MapHeader(map_id="1", product_count=1)
        header.clusters.add(words=["red", "skirts"], x=0.5, y=0.25, product_count=1)
        yield map_pb2.GetMapResponse(header=header)
        if request.known_map_id != "1":
            points = type_pb2.MapPoints(product_ids=["a"], xy_u16=b"\xff\x7f\0\0", clusters=[-1])
            yield map_pb2.GetMapResponse(points=points)

    async def BuildMap(self, request: Any, context: Any) -> AsyncIterator[Any]:
        await self._note(request, context)
        for share in (0.25, 0.75):
            yield map_pb2.BuildMapResponse(stage=type_pb2.MAP_STAGE_LAYOUT, fraction=share)
            if self.breaking:
                self.breaking -= 1
                await abort(context, grpc.StatusCode.UNAVAILABLE)
        stored = map_pb2.BuildMapResponse(stage=type_pb2.MAP_STAGE_STORED, fraction=1)
        stored.header.map_id = "1"
        yield stored

    async def _note(self, request: Any, context: Any) -> None:
        self.requests.append(request)
        if self.call_faults:
            await abort(context, *self.call_faults.pop(0))

    def _chosen(self, wanted: filter_pb2.Filter) -> list[product_pb2.Product]:
        chosen = []
        for name in sorted(self.products):
            fields = self.products[name].attributes.fields
            if all(
                fields[condition.field] in condition.any_of.values
                for condition in wanted.conditions
                if condition.HasField("any_of")
            ):
                chosen.append(self.products[name])
        return chosen


@contextlib.asynccontextmanager
async def serving(twin: GatewayTwin, *, port: int = 0, **options: int) -> AsyncIterator[str]:
    """Serves the twin; yields its address."""
    settings = {"grpc.max_receive_message_length": -1, "grpc.so_reuseport": 0, **options}
    server = grpc.aio.server(options=list(settings.items()))
    ingest_pb2_grpc.add_IngestServiceServicer_to_server(twin, server)
    map_pb2_grpc.add_MapServiceServicer_to_server(twin, server)
    search_pb2_grpc.add_SearchServiceServicer_to_server(twin, server)
    bound = server.add_insecure_port(f"127.0.0.1:{port}")
    await server.start()
    try:
        yield f"127.0.0.1:{bound}"
    finally:
        await server.stop(None)


def _fault_of(image: ingest_pb2.IngestImage) -> tuple[Any, str, str] | None:
    match image.WhichOneof("source"):
        case "uri":
            return product_pb2.INGEST_STAGE_FETCH, "IMAGE_URL_UNSUPPORTED", "no URLs"
        case "unreadable_reason":
            return product_pb2.INGEST_STAGE_FETCH, "IMAGE_UNREADABLE", image.unreadable_reason
    if not image.data:
        return product_pb2.INGEST_STAGE_DECODE, "IMAGE_EMPTY", "no bytes"
    if image.data.startswith(b"bad"):
        return product_pb2.INGEST_STAGE_DECODE, "IMAGE_UNDECODABLE", "no image"
    return None


def _bytes(sent: ingest_pb2.SequencedProduct) -> int:
    return sum(len(image.data) for image in sent.product.images)


async def _read(requests: Any, inbox: Any) -> None:
    async for request in requests:
        await inbox.put(request)
    await inbox.put(None)


@pytest.fixture
def twin() -> GatewayTwin:
    return GatewayTwin()


@pytest.fixture
async def server(twin: GatewayTwin) -> AsyncIterator[str]:
    async with serving(twin) as address:
        yield address
