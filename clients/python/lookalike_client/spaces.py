"""Changing the model that searches are answered with: the operator's part of the client."""

import asyncio
import dataclasses
from collections.abc import AsyncIterator, Iterable
from enum import StrEnum
from typing import Any, Final

import grpc
from google.protobuf.message import Message

from lookalike.gateway.v1 import model_pb2, model_pb2_grpc
from lookalike_client import errors
from lookalike_client.channel import Call
from lookalike_client.models import Value

_LOADING_S: Final = 300.0
_FIRST_WAIT_S: Final = 0.2
_LONGEST_WAIT_S: Final = 5.0
_COMPARE_S: Final = 3600.0


class ModelRole(StrEnum):
    """What a model's space is for."""

    NONE = ""
    ACTIVE = "active"
    PREVIOUS = "previous"
    BUILDING = "building"


class BuildState(StrEnum):
    """How a build is."""

    RUNNING = "running"
    COMPLETE = "complete"
    INCOMPLETE = "incomplete"
    """It ended, and some products could not be embedded."""
    BROKEN = "broken"


@dataclasses.dataclass(frozen=True, slots=True)
class Model(Value):
    """A model that embeds, and its space in the index if it has one."""

    model: str
    embedding_version: str
    dimension: int
    installed: bool
    loaded: bool
    role: ModelRole
    product_count: int
    lacking_count: int
    problem: str


@dataclasses.dataclass(frozen=True, slots=True)
class BuildFailure(Value):
    """A product that could not be embedded."""

    product_id: str
    reason: str
    message: str


@dataclasses.dataclass(frozen=True, slots=True)
class BuildProgress(Value):
    """How far a build is."""

    model: str
    embedding_version: str
    state: BuildState
    done_count: int
    total_count: int
    failed_count: int
    images_per_second: float
    remaining_seconds: float | None
    failures: tuple[BuildFailure, ...]
    problem: str


@dataclasses.dataclass(frozen=True, slots=True)
class Switched(Value):
    """What a switch did."""

    embedding_version: str
    previous_embedding_version: str
    caught_up_count: int
    index_version: int


@dataclasses.dataclass(frozen=True, slots=True)
class QuestionOverlap(Value):
    """One question's answers in two spaces."""

    question: str
    overlap_at_k: float


@dataclasses.dataclass(frozen=True, slots=True)
class Overlap(Value):
    """Answers of two spaces, compared."""

    question_count: int
    overlap_at_k: float
    same_best: float
    least: tuple[QuestionOverlap, ...]


@dataclasses.dataclass(frozen=True, slots=True)
class Comparison(Value):
    """How much two spaces agree."""

    active_embedding_version: str
    other_embedding_version: str
    products: Overlap
    texts: Overlap


class AsyncSpaces:
    """The models and their spaces. Every method raises a subclass of ApiError when it fails."""

    def __init__(self, channel: grpc.aio.Channel, call: Call, server: str) -> None:
        self._stub: Any = model_pb2_grpc.ModelServiceStub(channel)
        self._call = call
        self._server = server

    async def list(self) -> tuple[Model, ...]:
        """The models; those with a space first, the active one before all."""
        response = await self._call(self._stub.ListModels, model_pb2.ListModelsRequest())
        return tuple(map(_model, response.models))

    async def build(self, model: str, *, patience_s: float = 120.0) -> AsyncIterator[BuildProgress]:
        """Builds a model's space, and tells how far it is; the last value says how it ended.

        The work is the gateway's. Where the gateway goes away it is asked again, and goes on from
        where it was, for so many seconds without an answer.
        """
        loop = asyncio.get_running_loop()
        heard, wait_s = loop.time(), _FIRST_WAIT_S
        while True:
            try:
                async for message in self._stub.BuildSpace(
                    model_pb2.BuildSpaceRequest(model=model)
                ):
                    heard, wait_s = loop.time(), _FIRST_WAIT_S
                    yield (progress := _progress(message.progress))
                    if progress.state is not BuildState.RUNNING:
                        return
            except grpc.aio.AioRpcError as error:
                failure = errors.from_call(error, server=self._server)
                passing = isinstance(failure, errors.Unavailable | errors.Cancelled)
                if not passing or loop.time() - heard > patience_s:
                    raise failure from error
            await asyncio.sleep(wait_s)
            wait_s = min(2 * wait_s, _LONGEST_WAIT_S)

    async def progress(self) -> BuildProgress:
        """How far the newest build is."""
        response = await self._call(self._stub.GetBuild, model_pb2.GetBuildRequest())
        return _progress(response.progress)

    async def switch(self, model: str, *, force: bool = False) -> Switched:
        """Makes a model's space the one that is searched."""
        request = model_pb2.SwitchModelRequest(model=model, force=force)
        return await self._switched(self._stub.SwitchModel, request)

    async def rollback(self, *, force: bool = False) -> Switched:
        """Goes back to the space that was active before."""
        request = model_pb2.RollbackModelRequest(force=force)
        return await self._switched(self._stub.RollbackModel, request)

    async def drop(self, model: str) -> str:
        """Forgets a space that is not active; returns which it was."""
        request = model_pb2.DropSpaceRequest(model=model)
        response = await self._call(self._stub.DropSpace, request)
        return str(response.embedding_version)

    async def compare(
        self, *, sample_size: int = 100, texts: Iterable[str] = (), k: int = 10
    ) -> Comparison:
        """Asks both spaces of the index the same questions."""
        request = model_pb2.CompareSpacesRequest(sample_size=sample_size, texts=texts, k=k)
        response = await self._call(self._stub.CompareSpaces, request, timeout_s=_COMPARE_S)
        return Comparison(
            response.active_embedding_version,
            response.other_embedding_version,
            _overlap(response.products),
            _overlap(response.texts),
        )

    async def _switched(self, method: Any, request: Message) -> Switched:
        response = await self._call(method, request, timeout_s=_LOADING_S)
        return Switched(
            response.embedding_version,
            response.previous_embedding_version,
            response.caught_up_count,
            response.index_version,
        )


_ROLES: Final = dict(enumerate(ModelRole))
_STATES: Final = dict(enumerate(BuildState, 1))


def _model(message: model_pb2.Model) -> Model:
    return Model(
        message.model,
        message.embedding_version,
        message.dimension,
        message.installed,
        message.loaded,
        _ROLES[message.role],
        message.product_count,
        message.lacking_count,
        message.problem,
    )


def _progress(message: model_pb2.BuildProgress) -> BuildProgress:
    return BuildProgress(
        message.model,
        message.embedding_version,
        _STATES[message.state],
        message.done_count,
        message.total_count,
        message.failed_count,
        message.images_per_second,
        message.remaining_seconds if message.HasField("remaining_seconds") else None,
        tuple(BuildFailure(one.product_id, one.reason, one.message) for one in message.failures),
        message.problem,
    )


def _overlap(message: model_pb2.Overlap) -> Overlap:
    return Overlap(
        message.question_count,
        message.overlap_at_k,
        message.same_best,
        tuple(QuestionOverlap(one.question, one.overlap_at_k) for one in message.least),
    )
