"""The doorway: parse, call, render."""

import asyncio
import time
from concurrent.futures import Executor
from typing import Any

from lookalike.segmenter.v1 import segmenter_pb2, segmenter_pb2_grpc
from servicekit.batching import MicroBatcher
from servicekit.errors import LookalikeError
from services.segmenter import wire
from services.segmenter.domain import (
    BackendSpec,
    NetworkInput,
    Scores,
    Segmentation,
    Segmenter,
    Submit,
)
from services.segmenter.metrics import SegmenterMetrics

FULL_SERVICE_NAME = "lookalike.segmenter.v1.SegmenterService"
# Of one batch call: enough to keep the network and the threads around it busy.
_AT_ONCE = 8


class SegmenterServicer(segmenter_pb2_grpc.SegmenterServiceServicer):
    """See protos/lookalike/segmenter/v1/segmenter.proto."""

    def __init__(
        self,
        segmenter: Segmenter,
        batcher: MicroBatcher[NetworkInput, Scores],
        executor: Executor,
        metrics: SegmenterMetrics,
        spec: BackendSpec,
        segmenter_version: str,
    ) -> None:
        self._segmenter = segmenter
        self._batcher = batcher
        self._executor = executor
        self._metrics = metrics
        self._spec = spec
        self._segmenter_version = segmenter_version

    async def SegmentImage(
        self, request: segmenter_pb2.SegmentImageRequest, context: Any
    ) -> segmenter_pb2.SegmentImageResponse:
        outputs = wire.outputs(request.outputs)
        submit = self._submit(request.priority, context, wait=False)
        try:
            found = await self._segmenter.segment(wire.source(request.image), outputs, submit)
        except Exception as error:
            self._metrics.segmented(error)
            raise
        self._metrics.segmented(found)
        return await self._render(found, request.outputs)

    async def BatchSegmentImages(
        self, request: segmenter_pb2.BatchSegmentImagesRequest, context: Any
    ) -> segmenter_pb2.BatchSegmentImagesResponse:
        outputs = wire.outputs(request.outputs)
        submit = self._submit(request.priority, context, wait=True)
        outcomes = await self._segmenter.segment_each(
            [wire.source(image) for image in request.images], outputs, submit, _AT_ONCE
        )
        response = segmenter_pb2.BatchSegmentImagesResponse()
        for outcome in outcomes:
            self._metrics.segmented(outcome)
            rendered: segmenter_pb2.SegmentImageResponse | LookalikeError
            if isinstance(outcome, LookalikeError):
                rendered = outcome
            else:
                try:
                    rendered = await self._render(outcome, request.outputs)
                except LookalikeError as error:
                    rendered = error
            response.results.append(wire.result(rendered))
        return response

    async def GetModelInfo(
        self, request: segmenter_pb2.GetModelInfoRequest, context: Any
    ) -> segmenter_pb2.GetModelInfoResponse:
        return wire.model_info(self._spec, self._segmenter_version)

    def _submit(self, priority: int, context: Any, *, wait: bool) -> Submit:
        lane, deadline = wire.lane(priority), _deadline(context)

        async def submit(network_input: NetworkInput, size_bytes: int) -> Scores:
            return await self._batcher.submit(
                network_input, size_bytes=size_bytes, lane=lane, wait=wait, deadline=deadline
            )

        return submit

    async def _render(
        self, found: Segmentation, options: segmenter_pb2.OutputOptions
    ) -> segmenter_pb2.SegmentImageResponse:
        # Compressing a picture takes longer than everything else on the loop together.
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(
            self._executor, wire.response, found, options, self._segmenter_version
        )


def _deadline(context: Any) -> float | None:
    """On time.monotonic()'s clock."""
    left_s = context.time_remaining()
    return None if left_s is None else time.monotonic() + left_s
