"""The doorway: parse, call, render."""

from functools import partial
from typing import Any

from lookalike.embedder.v1 import embedder_pb2, embedder_pb2_grpc
from servicekit.channels import deadline
from services.embedder import wire
from services.embedder.metrics import EmbedderMetrics
from services.embedder.shelf import ModelShelf

FULL_SERVICE_NAME = "lookalike.embedder.v1.EmbedderService"


class EmbedderServicer(embedder_pb2_grpc.EmbedderServiceServicer):
    """See protos/lookalike/embedder/v1/embedder.proto."""

    def __init__(self, shelf: ModelShelf, metrics: EmbedderMetrics) -> None:
        self._shelf = shelf
        self._metrics = metrics

    async def EmbedImages(
        self, request: embedder_pb2.EmbedImagesRequest, context: Any
    ) -> embedder_pb2.EmbedImagesResponse:
        model = self._shelf.model(request.embedding_version)
        submit = partial(
            model.images.submit, lane=wire.lane(request.priority), deadline=deadline(context)
        )
        outcomes = await model.embedder.embed_images(
            wire.images(request), wire.background(request), submit, wire.photograph(request)
        )
        self._metrics.embedded(model.spec.model, "image", outcomes)
        return embedder_pb2.EmbedImagesResponse(
            results=wire.results(outcomes), embedding_version=model.spec.embedding_version
        )

    async def EmbedTexts(
        self, request: embedder_pb2.EmbedTextsRequest, context: Any
    ) -> embedder_pb2.EmbedTextsResponse:
        model = self._shelf.model(request.embedding_version)
        submit = partial(
            model.texts.submit, lane=wire.lane(request.priority), deadline=deadline(context)
        )
        outcomes = await model.embedder.embed_texts(request.texts, submit)
        self._metrics.embedded(model.spec.model, "text", outcomes)
        return embedder_pb2.EmbedTextsResponse(
            results=wire.results(outcomes), embedding_version=model.spec.embedding_version
        )

    async def GetModelInfo(
        self, request: embedder_pb2.GetModelInfoRequest, context: Any
    ) -> embedder_pb2.GetModelInfoResponse:
        model = self._shelf.model(request.embedding_version)
        return wire.model_info(model.spec, model.execution_provider)

    async def ListModels(
        self, request: embedder_pb2.ListModelsRequest, context: Any
    ) -> embedder_pb2.ListModelsResponse:
        loaded = {model.spec.embedding_version for model in self._shelf.served}
        default = self._shelf.default.spec.embedding_version
        return embedder_pb2.ListModelsResponse(
            models=[
                wire.registered_model(found, loaded, default)
                for found in await self._shelf.registered()
            ]
        )

    async def LoadModel(
        self, request: embedder_pb2.LoadModelRequest, context: Any
    ) -> embedder_pb2.LoadModelResponse:
        name, version = wire.wanted_model(request)
        model = await self._shelf.load(name, version)
        return embedder_pb2.LoadModelResponse(
            info=wire.model_info(model.spec, model.execution_provider)
        )

    async def UnloadModel(
        self, request: embedder_pb2.UnloadModelRequest, context: Any
    ) -> embedder_pb2.UnloadModelResponse:
        unloaded = await self._shelf.unload(request.embedding_version)
        if unloaded:
            self._metrics.model_unloaded(request.embedding_version)
        return embedder_pb2.UnloadModelResponse(unloaded=unloaded)
