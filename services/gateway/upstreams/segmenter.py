"""The segmenter, called."""

from lookalike.segmenter.v1 import segmenter_pb2, segmenter_pb2_grpc
from servicekit.channels import TypedChannel
from services.gateway.upstreams.answers import answer
from services.gateway.values import Lane, Picture, Segmentation, SegmenterInfo, SegmentOptions
from services.gateway.wire import pictures

FULL_SERVICE_NAME = "lookalike.segmenter.v1.SegmenterService"


class SegmenterClient:
    """The Segmenter of domain.py."""

    def __init__(self, channel: TypedChannel) -> None:
        self._stub = segmenter_pb2_grpc.SegmenterServiceStub(channel)

    async def segment(
        self, photograph: Picture, options: SegmentOptions, *, lane: Lane, timeout_s: float
    ) -> Segmentation:
        request = pictures.segment_request(photograph, options, lane)
        return pictures.segmentation(
            await answer("segmenter", self._stub.SegmentImage(request, timeout=timeout_s))
        )

    async def info(self, *, timeout_s: float) -> SegmenterInfo:
        request = segmenter_pb2.GetModelInfoRequest()
        return pictures.segmenter_info(
            await answer("segmenter", self._stub.GetModelInfo(request, timeout=timeout_s))
        )
