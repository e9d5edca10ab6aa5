"""The vector spaces of the index, and the models that make them."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Protocol

from services.gateway.catalogue import SpaceVectors
from services.gateway.values import EmbedderInfo


class SpaceRole(IntEnum):
    """What a space is for; the numbers of indexer.v1.SpaceRole and of gateway.v1.ModelRole."""

    NONE = 0
    ACTIVE = 1
    PREVIOUS = 2
    BUILDING = 3


@dataclass(frozen=True, slots=True)
class SpaceInfo:
    """A space of the index. The counts are 0 where they were not asked for."""

    version: str
    dimension: int
    model: str
    role: SpaceRole
    product_count: int
    lacking_count: int


@dataclass(frozen=True, slots=True)
class RegisteredModel:
    """A model of the embedder's registry. problem: what is missing if it is not installed."""

    name: str
    version: str
    dimension: int
    installed: bool
    loaded: bool
    problem: str


@dataclass(frozen=True, slots=True)
class LackingProduct:
    """A product without vectors in a space. version: of the write that it is of."""

    product_id: str
    version: int
    image_sha256s: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class LackingPage:
    """Some of them, in order of identifier, and how many there are in all."""

    products: tuple[LackingProduct, ...]
    total: int


@dataclass(frozen=True, slots=True)
class Switch:
    """What a switch did. previous_version: empty if the space was active already."""

    index_version: int
    previous_version: str


class Spaces(Protocol):
    """The index's side; a method raises LookalikeError, no other."""

    async def list(self, *, count_products: bool, timeout_s: float) -> tuple[SpaceInfo, ...]: ...

    async def begin(self, space: EmbedderInfo, *, timeout_s: float) -> None: ...

    async def lacking(
        self, version: str, after: str, *, page_size: int, timeout_s: float
    ) -> LackingPage: ...

    async def put(
        self,
        version: str,
        products: Sequence[tuple[LackingProduct, SpaceVectors]],
        *,
        timeout_s: float,
    ) -> frozenset[str]: ...

    async def switch(self, version: str, *, force: bool, timeout_s: float) -> Switch: ...

    async def drop(self, version: str, *, timeout_s: float) -> bool: ...


class ModelStore(Protocol):
    """The embedder's side; a method raises LookalikeError, no other."""

    async def info(self, *, timeout_s: float, version: str = "") -> EmbedderInfo: ...

    async def models(self, *, timeout_s: float) -> tuple[RegisteredModel, ...]: ...

    async def load(self, *, name: str, version: str, timeout_s: float) -> EmbedderInfo: ...

    async def unload(self, version: str, *, timeout_s: float) -> None: ...
