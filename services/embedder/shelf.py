"""The models that are in memory: one serves those who name no space, others stand beside it."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from servicekit.batching import MicroBatcher
from servicekit.errors import FailedPrecondition, LookalikeError, NotFound
from services.embedder.domain import Embedder, ModelSpec, Pixels, Tokens, Vector

_CLOSE_S = 5.0


@dataclass(frozen=True, slots=True)
class RegisteredModel:
    """A model of the registry that embeds. problem: what is missing if it is not installed."""

    name: str
    embedding_version: str
    dimension: int
    installed: bool
    problem: str


@dataclass(frozen=True, slots=True)
class ServedModel:
    """A model in memory, with batchers of its own."""

    embedder: Embedder
    images: MicroBatcher[Pixels, Vector]
    texts: MicroBatcher[Tokens, Vector]
    execution_provider: str

    @property
    def spec(self) -> ModelSpec:
        return self.embedder.spec

    async def close(self, grace_s: float = 1.0) -> None:
        """Ends the batchers, once what they have is done."""
        await self.images.close(grace_s=grace_s)
        await self.texts.close(grace_s=grace_s)


class ModelShelf:
    """Keeps models by the space that they make.

    Args:
      first: the models that the service was started with; the first serves who names no space.
      load: a model by its name, warm; raises LookalikeError.
      registered: all that could be loaded; blocking.
    """

    def __init__(
        self,
        first: Sequence[ServedModel],
        load: Callable[[str], Awaitable[ServedModel]],
        registered: Callable[[], Sequence[RegisteredModel]],
    ) -> None:
        self._first = first
        self._load = load
        self._registered = registered
        self._served = {model.spec.embedding_version: model for model in first}
        # One at a time: loading takes memory and all cores.
        self._loading = asyncio.Lock()
        self._tasks: dict[tuple[str, str], asyncio.Task[ServedModel]] = {}

    @property
    def default(self) -> ServedModel:
        return self._first[0]

    @property
    def served(self) -> tuple[ServedModel, ...]:
        return tuple(self._served.values())

    def model(self, embedding_version: str) -> ServedModel:
        """The model of a space; the default one if none is named.

        Raises:
          FailedPrecondition: EMBEDDING_VERSION_MISMATCH, it is not in memory.
        """
        if not embedding_version:
            return self.default
        found = self._served.get(embedding_version)
        if found is None:
            serving = ", ".join(self._served)
            raise FailedPrecondition(
                f"This embedder serves {serving}.",
                reason="EMBEDDING_VERSION_MISMATCH",
                metadata={"wanted": embedding_version, "serving": serving},
                field="embedding_version",
            )
        return found

    async def registered(self) -> list[RegisteredModel]:
        """Every model that embeds, by name; those in memory as they are there."""
        return list(await asyncio.to_thread(self._registered))

    async def load(self, name: str, embedding_version: str) -> ServedModel:
        """Loads a model by its name, or else by its space, unless it is there.

        Raises:
          NotFound: MODEL_NOT_FOUND.
          FailedPrecondition: MODEL_MISSING, EXECUTION_PROVIDER_MISSING.
        """
        if not name and embedding_version in self._served:
            return self._served[embedding_version]
        key = (name, embedding_version)
        task = self._tasks.get(key)
        if task is None:
            task = self._tasks[key] = asyncio.create_task(self._load_one(*key))
            task.add_done_callback(lambda _: self._tasks.pop(key, None))
        # Shielded: a caller that gives up finds the model loaded when it comes again.
        return await asyncio.shield(task)

    async def _load_one(self, name: str, embedding_version: str) -> ServedModel:
        async with self._loading:
            known = await self.registered()
            wanted = [
                one
                for one in known
                if (one.name == name if name else one.embedding_version == embedding_version)
            ]
            if not wanted:
                raise _not_found(name or embedding_version, known)
            found = wanted[0]
            if found.embedding_version in self._served:
                return self._served[found.embedding_version]
            if not found.installed:
                raise FailedPrecondition(
                    found.problem, reason="MODEL_MISSING", metadata={"model": found.name}
                )
            loaded = await self._load(found.name)
            self._served[loaded.spec.embedding_version] = loaded
            return loaded

    async def unload(self, embedding_version: str) -> bool:
        """Frees a model's memory; whether it was there.

        Raises:
          FailedPrecondition: SPACE_CONFLICT, the service was started with it.
        """
        async with self._loading:
            if any(one.spec.embedding_version == embedding_version for one in self._first):
                raise FailedPrecondition(
                    "This service was started with that model: its settings name it.",
                    reason="SPACE_CONFLICT",
                    metadata={"embedding_version": embedding_version},
                )
            gone = self._served.pop(embedding_version, None)
            if gone is not None:
                await gone.close(_CLOSE_S)
            return gone is not None

    async def close(self) -> None:
        await asyncio.gather(*self._tasks.values(), return_exceptions=True)
        for model in self.served:
            await model.close()


def _not_found(wanted: str, known: Sequence[RegisteredModel]) -> LookalikeError:
    names = ", ".join(one.name for one in known)
    return NotFound(
        f"The registry has no model {wanted!r} that embeds; it has {names}.",
        reason="MODEL_NOT_FOUND",
        metadata={"resource_type": "model", "resource_name": wanted},
    )
