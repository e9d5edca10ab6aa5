"""The embedder, called."""

from collections.abc import Sequence

from lookalike.embedder.v1 import embedder_pb2, embedder_pb2_grpc
from servicekit.channels import TypedChannel
from servicekit.errors import LookalikeError
from servicekit.status import from_status
from services.gateway.spaces import RegisteredModel
from services.gateway.upstreams.answers import answer
from services.gateway.values import Colour, EmbedderInfo, Lane, Picture, TextVector
from services.gateway.wire import pictures

FULL_SERVICE_NAME = "lookalike.embedder.v1.EmbedderService"


class EmbedderClient:
    """The Embedder of domain.py."""

    def __init__(self, channel: TypedChannel) -> None:
        self._stub = embedder_pb2_grpc.EmbedderServiceStub(channel)

    async def embed_images(
        self,
        images: Sequence[Picture],
        *,
        background: Colour | None,
        photograph: Picture | None,
        version: str,
        lane: Lane,
        timeout_s: float,
    ) -> tuple[bytes, ...]:
        request = embedder_pb2.EmbedImagesRequest(
            images=map(pictures.picture_message, images),
            embedding_version=version,
            priority=pictures.priority(lane),
            background=pictures.colour_message(background) if background is not None else None,
            photograph=pictures.picture_message(photograph) if photograph is not None else None,
        )
        response = await answer("embedder", self._stub.EmbedImages(request, timeout=timeout_s))
        vectors = []
        for result in response.results:
            if result.HasField("status"):
                raise from_status(result.status)
            vectors.append(result.embedding.values_f32)
        return tuple(vectors)

    async def embed_texts(
        self, texts: Sequence[str], *, version: str, lane: Lane, timeout_s: float
    ) -> tuple[TextVector | LookalikeError, ...]:
        request = embedder_pb2.EmbedTextsRequest(
            texts=texts, embedding_version=version, priority=pictures.priority(lane)
        )
        response = await answer("embedder", self._stub.EmbedTexts(request, timeout=timeout_s))
        return tuple(
            from_status(result.status)
            if result.HasField("status")
            else TextVector(result.embedding.values_f32, result.truncated)
            for result in response.results
        )

    async def info(self, *, timeout_s: float, version: str = "") -> EmbedderInfo:
        request = embedder_pb2.GetModelInfoRequest(embedding_version=version)
        return pictures.embedder_info(
            await answer("embedder", self._stub.GetModelInfo(request, timeout=timeout_s))
        )

    async def models(self, *, timeout_s: float) -> tuple[RegisteredModel, ...]:
        request = embedder_pb2.ListModelsRequest()
        response = await answer("embedder", self._stub.ListModels(request, timeout=timeout_s))
        return tuple(
            RegisteredModel(
                one.model,
                one.embedding_version,
                one.dimension,
                one.installed,
                one.loaded,
                one.problem,
            )
            for one in response.models
        )

    async def load(self, *, name: str, version: str, timeout_s: float) -> EmbedderInfo:
        request = embedder_pb2.LoadModelRequest(model=name, embedding_version=version)
        response = await answer("embedder", self._stub.LoadModel(request, timeout=timeout_s))
        return pictures.embedder_info(response.info)

    async def unload(self, version: str, *, timeout_s: float) -> None:
        request = embedder_pb2.UnloadModelRequest(embedding_version=version)
        await answer("embedder", self._stub.UnloadModel(request, timeout=timeout_s))
