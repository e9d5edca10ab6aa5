"""ModelService: parse, call, render."""

from collections.abc import AsyncIterator
from typing import Any

from lookalike.gateway.v1 import model_pb2, model_pb2_grpc
from servicekit.channels import remaining
from services.gateway.model_changes import ModelChanges
from services.gateway.space_builds import BuildState, SpaceBuilds
from services.gateway.values import Deadline
from services.gateway.wire import model as wire

FULL_SERVICE_NAME = "lookalike.gateway.v1.ModelService"

_TELL_S = 1.0
_COMPARE_S = 3600.0


class ModelServicer(model_pb2_grpc.ModelServiceServicer):
    """See protos/lookalike/gateway/v1/model.proto."""

    def __init__(self, changes: ModelChanges, builds: SpaceBuilds) -> None:
        self._changes = changes
        self._builds = builds

    async def ListModels(
        self, request: model_pb2.ListModelsRequest, context: Any
    ) -> model_pb2.ListModelsResponse:
        return model_pb2.ListModelsResponse(
            models=map(wire.listed_model, await self._changes.list())
        )

    async def BuildSpace(
        self, request: model_pb2.BuildSpaceRequest, context: Any
    ) -> AsyncIterator[model_pb2.BuildSpaceResponse]:
        await self._builds.start(request.model)
        while True:
            progress = self._builds.progress()
            yield model_pb2.BuildSpaceResponse(progress=wire.progress(progress))
            if progress.state is not BuildState.RUNNING:
                return
            await self._builds.wait(_TELL_S)

    async def GetBuild(
        self, request: model_pb2.GetBuildRequest, context: Any
    ) -> model_pb2.GetBuildResponse:
        return model_pb2.GetBuildResponse(progress=wire.progress(self._builds.progress()))

    async def SwitchModel(
        self, request: model_pb2.SwitchModelRequest, context: Any
    ) -> model_pb2.SwitchModelResponse:
        done = await self._changes.switch(request.model, request.force)
        return model_pb2.SwitchModelResponse(
            embedding_version=done.version,
            previous_embedding_version=done.previous_version,
            caught_up_count=done.caught_up,
            index_version=done.index_version,
        )

    async def RollbackModel(
        self, request: model_pb2.RollbackModelRequest, context: Any
    ) -> model_pb2.RollbackModelResponse:
        done = await self._changes.rollback(request.force)
        return model_pb2.RollbackModelResponse(
            embedding_version=done.version,
            previous_embedding_version=done.previous_version,
            caught_up_count=done.caught_up,
            index_version=done.index_version,
        )

    async def DropSpace(
        self, request: model_pb2.DropSpaceRequest, context: Any
    ) -> model_pb2.DropSpaceResponse:
        return model_pb2.DropSpaceResponse(
            embedding_version=await self._changes.drop(request.model)
        )

    async def CompareSpaces(
        self, request: model_pb2.CompareSpacesRequest, context: Any
    ) -> model_pb2.CompareSpacesResponse:
        sample, texts, k = wire.questions(request)
        deadline = Deadline.after(remaining(context, at_most_s=_COMPARE_S))
        return wire.comparison(
            await self._changes.compare(sample, texts, k, wire.product_ids, deadline)
        )
