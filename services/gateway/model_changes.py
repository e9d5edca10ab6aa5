"""Switching between the spaces of models, and what an operator wants to know before."""

import contextlib
from dataclasses import dataclass

from servicekit.errors import FailedPrecondition, LookalikeError, NotFound
from services.gateway.models import ModelCache
from services.gateway.space_builds import SpaceBuilds
from services.gateway.space_comparison import Ids, Overlap, SpaceComparison
from services.gateway.space_filler import Progress, SpaceFiller
from services.gateway.spaces import ModelStore, RegisteredModel, SpaceInfo, SpaceRole, Spaces
from services.gateway.values import Deadline

_CATCH_UPS = 10
_CATCH_UP_PRODUCTS = 500
"""A switch brings so many products into the space by itself; more is a build's work."""


@dataclass(frozen=True, slots=True)
class ListedModel:
    """A model, its space in the index if it has one, or a space without a model."""

    model: RegisteredModel | None
    space: SpaceInfo | None


@dataclass(frozen=True, slots=True)
class Switched:
    """What a switch did; see gateway.v1.SwitchModelResponse."""

    version: str
    previous_version: str
    caught_up: int
    index_version: int


@dataclass(frozen=True, slots=True)
class Comparison:
    """How much two spaces agree."""

    active_version: str
    other_version: str
    products: Overlap
    texts: Overlap


class ModelChanges:
    """The operator's side of the models.

    Args:
      timeout_s: for one call.
    """

    def __init__(
        self,
        embedder: ModelStore,
        spaces: Spaces,
        models: ModelCache,
        filler: SpaceFiller,
        builds: SpaceBuilds,
        comparison: SpaceComparison,
        timeout_s: float,
    ) -> None:
        self._embedder = embedder
        self._spaces = spaces
        self._models = models
        self._filler = filler
        self._builds = builds
        self._comparison = comparison
        self._timeout_s = timeout_s

    async def list(self) -> list[ListedModel]:
        """Those with a space first, the active one before all; the rest by name."""
        registered = {
            one.version: one for one in await self._embedder.models(timeout_s=self._timeout_s)
        }
        spaces = await self._spaces.list(count_products=True, timeout_s=self._timeout_s)
        listed = [ListedModel(registered.pop(space.version, None), space) for space in spaces]
        return listed + [ListedModel(model, None) for model in registered.values()]

    async def switch(self, model: str, force: bool) -> Switched:
        """Raises: LookalikeError: see ModelService.SwitchModel."""
        space = await self._space_of(model)
        return await self._switch(space.version, force)

    async def rollback(self, force: bool) -> Switched:
        """Raises: LookalikeError: see ModelService.RollbackModel."""
        spaces = await self._spaces.list(count_products=False, timeout_s=self._timeout_s)
        previous = [one for one in spaces if one.role is SpaceRole.PREVIOUS]
        if not previous:
            raise NotFound(
                "No space was active before; there is nothing to go back to.",
                reason="SPACE_NOT_FOUND",
                metadata={"resource_type": "vector space"},
            )
        return await self._switch(previous[0].version, force)

    async def drop(self, model: str) -> str:
        """The space that was dropped. Raises: LookalikeError: see ModelService.DropSpace."""
        space = await self._space_of(model)
        if space.role is SpaceRole.ACTIVE:
            raise FailedPrecondition(
                f"{space.version!r} is the active space; switch to another one first.",
                reason="SPACE_CONFLICT",
                metadata={"embedding_version": space.version},
            )
        await self._builds.stop(space.version)
        await self._spaces.drop(space.version, timeout_s=self._timeout_s)
        self._models.forget_embedder()
        # The embedder may have been started with that model, or be away: the space is gone anyway.
        with contextlib.suppress(LookalikeError):
            await self._embedder.unload(space.version, timeout_s=self._timeout_s)
        return space.version

    async def compare(
        self, sample: int, texts: tuple[str, ...], k: int, ids: Ids, deadline: Deadline
    ) -> Comparison:
        """Raises: LookalikeError: see ModelService.CompareSpaces."""
        spaces = await self._spaces.list(count_products=False, timeout_s=self._timeout_s)
        if len(spaces) < 2:
            raise NotFound(
                "The index has no second space to compare with; build one first.",
                reason="SPACE_NOT_FOUND",
                metadata={"resource_type": "vector space"},
            )
        active, other = sorted(spaces, key=lambda one: one.role is not SpaceRole.ACTIVE)
        versions = (active.version, other.version)
        return Comparison(
            *versions,
            await self._comparison.products(sample, versions, k, ids, deadline),
            await self._comparison.texts(texts, versions, k, ids, deadline),
        )

    async def _switch(self, version: str, force: bool) -> Switched:
        # Before anybody is told to search there, its model is in memory and warm.
        await self._models.of_space(version)
        progress = Progress()
        for attempt in range(_CATCH_UPS):
            try:
                done = await self._spaces.switch(version, force=force, timeout_s=self._timeout_s)
            except LookalikeError as error:
                if error.reason != "SPACE_INCOMPLETE" or attempt == _CATCH_UPS - 1:
                    raise
                if int(error.metadata.get("lacking_count", "0")) > _CATCH_UP_PRODUCTS:
                    raise
                before = progress.written
                await self._filler.fill(version, progress)
                if progress.written == before and progress.failed:
                    raise
                continue
            self._models.forget_embedder()
            return Switched(version, done.previous_version, progress.written, done.index_version)
        raise AssertionError("the last attempt returns or raises")

    async def _space_of(self, model: str) -> SpaceInfo:
        spaces = await self._spaces.list(count_products=False, timeout_s=self._timeout_s)
        registered = await self._embedder.models(timeout_s=self._timeout_s)
        versions = {one.version for one in registered if one.name == model}
        for space in spaces:
            if model in (space.version, space.model) or space.version in versions:
                return space
        if not versions:
            names = ", ".join(one.name for one in registered)
            raise NotFound(
                f"There is no model {model!r}; there are {names}.",
                reason="MODEL_NOT_FOUND",
                metadata={"resource_type": "model", "resource_name": model},
            )
        raise NotFound(
            f"The index has no space of {model!r}; build it first.",
            reason="SPACE_NOT_FOUND",
            metadata={"resource_type": "vector space", "resource_name": model},
        )
