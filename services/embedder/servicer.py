"""The doorway: parse, call, render."""

from functools import partial
from typing import Any

from lookalike.embedder.v1 import embedder_pb2, embedder_pb2_grpc
from servicekit.batching import MicroBatcher
from servicekit.channels import deadline
from services.embedder import wire
from services.embedder.domain import Embedder, Pixels, Tokens, Vector
from services.embedder.metrics import EmbedderMetrics

FULL_SERVICE_NAME = "lookalike.embedder.v1.EmbedderService"


class EmbedderServicer(embedder_pb2_grpc.EmbedderServiceServicer):
    """See protos/lookalike/embedder/v1/embedder.proto."""

    def __init__(
        self,
        embedder: Embedder,
        images: MicroBatcher[Pixels, Vector],
        texts: MicroBatcher[Tokens, Vector],
        metrics: EmbedderMetrics,
        execution_provider: str,
    ) -> None:
        self._embedder = embedder
        self._images = images
        self._texts = texts
        self._metrics = metrics
        self._execution_provider = execution_provider

    async def EmbedImages(
        self, request: embedder_pb2.EmbedImagesRequest, context: Any
    ) -> embedder_pb2.EmbedImagesResponse:
        self._embedder.check_version(request.embedding_version)
        submit = partial(
            self._images.submit, lane=wire.lane(request.priority), deadline=deadline(context)
        )
        outcomes = await self._embedder.embed_images(
            wire.images(request), wire.background(request), submit
        )
        self._metrics.embedded("image", outcomes)
        return embedder_pb2.EmbedImagesResponse(
            results=wire.results(outcomes),
            embedding_version=self._embedder.spec.embedding_version,
        )

    async def EmbedTexts(
        self, request: embedder_pb2.EmbedTextsRequest, context: Any
    ) -> embedder_pb2.EmbedTextsResponse:
        self._embedder.check_version(request.embedding_version)
        submit = partial(
            self._texts.submit, lane=wire.lane(request.priority), deadline=deadline(context)
        )
        outcomes = await self._embedder.embed_texts(request.texts, submit)
        self._metrics.embedded("text", outcomes)
        return embedder_pb2.EmbedTextsResponse(
            results=wire.results(outcomes),
            embedding_version=self._embedder.spec.embedding_version,
        )

    async def GetModelInfo(
        self, request: embedder_pb2.GetModelInfoRequest, context: Any
    ) -> embedder_pb2.GetModelInfoResponse:
        return wire.model_info(self._embedder.spec, self._execution_provider)
