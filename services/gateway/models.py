"""Which models serve now: asked now and then, and when an answer shows that they changed.

The index says which space is searched, and which one is kept beside it; the embedder is asked to
load the model of a space that it does not have in memory, so that its restart mends itself.
"""

import asyncio
import time
from dataclasses import dataclass

from servicekit.errors import FailedPrecondition, LookalikeError, NotFound, Unavailable
from services.gateway.domain import Segmenter
from services.gateway.single_flight import SingleFlight
from services.gateway.spaces import ModelStore, SpaceInfo, SpaceRole, Spaces
from services.gateway.values import GREEN_SCREEN, EmbedderInfo, SegmenterInfo

_CROP_RULES = "crops1"
"""What the gateway itself does between segmenter and embedder: one crop for each garment, on the
green screen, reduced to the side that the image tower sees. Another rule, another number."""
_LOAD_S = 300.0
_FAILED_FOR_S = 5.0


@dataclass(frozen=True, slots=True)
class PipelineModels:
    """The two models that make a vector, and the name of what they make together.

    Attributes:
      others: models of spaces that are kept beside the searched one.
    """

    segmenter: SegmenterInfo
    embedder: EmbedderInfo
    others: tuple[EmbedderInfo, ...] = ()

    @property
    def pipeline_version(self) -> str:
        return self.version_with(self.embedder)

    def version_with(self, embedder: EmbedderInfo) -> str:
        """The name of what the segmenter and an embedder make together."""
        green = f"{GREEN_SCREEN.red:02x}{GREEN_SCREEN.green:02x}{GREEN_SCREEN.blue:02x}"
        return f"{self.segmenter.version}+bg-{green}+{_CROP_RULES}+{embedder.version}"


class ModelCache:
    """The infos of the model services and the spaces of the index.

    Args:
      timeout_s: for one question to one service.
      refresh_s: after this the spaces are asked for again.
    """

    def __init__(
        self,
        segmenter: Segmenter,
        embedder: ModelStore,
        spaces: Spaces,
        timeout_s: float,
        refresh_s: float = 1.0,
    ) -> None:
        self._ask_segmenter = segmenter
        self._ask_embedder = embedder
        self._ask_spaces = spaces
        self._timeout_s = timeout_s
        self._refresh_s = refresh_s
        self._segmenter: SegmenterInfo | None = None
        self._infos: dict[str, EmbedderInfo] = {}
        self._failed: dict[str, tuple[float, LookalikeError]] = {}
        self._spaces: tuple[SpaceInfo, ...] | None = None
        self._asked_at = 0.0
        self._loads: SingleFlight[str, EmbedderInfo] = SingleFlight()

    async def embedder(self, timeout_s: float | None = None) -> EmbedderInfo:
        """The model of the space that is searched; the embedder's own choice while the index is
        empty, or if it has not that model: then the index will say what is wrong.

        Raises:
          LookalikeError: it was not known yet, and nobody answers.
        """
        active = await self._active(timeout_s)
        if active is None:
            return await self._info("", timeout_s)
        try:
            return await self.of_space(active.version, timeout_s)
        except FailedPrecondition:
            return await self._info("", timeout_s)

    async def others(self) -> tuple[EmbedderInfo, ...]:
        """The models of the spaces beside the searched one, as far as they serve."""
        found = []
        for space in await self._known_spaces(None):
            if space.role is not SpaceRole.ACTIVE:
                try:
                    found.append(await self.of_space(space.version))
                except LookalikeError:
                    # What is written without this space is brought into it later.
                    continue
        return tuple(found)

    async def of_space(self, version: str, timeout_s: float | None = None) -> EmbedderInfo:
        """The model of a space, loaded if it was not.

        Raises:
          FailedPrecondition: EMBEDDING_VERSION_MISMATCH, the embedder has no such model;
            MODEL_MISSING, it is not installed.
          LookalikeError: it does not answer, or not in time.
        """
        if version in self._infos:
            return self._infos[version]
        failed_at, error = self._failed.get(version, (-_FAILED_FOR_S, None))
        if error is not None and time.monotonic() - failed_at < _FAILED_FOR_S:
            raise error
        try:
            return await self._info(version, timeout_s)
        except FailedPrecondition as unknown:
            if unknown.reason != "EMBEDDING_VERSION_MISMATCH":
                raise
        try:
            async with asyncio.timeout(timeout_s):
                return await self._loads.run(version, lambda: self._load(version))
        except TimeoutError:
            raise Unavailable(
                "The embedder loads the model of this space.",
                reason="WARMING_UP",
                metadata={"embedding_version": version},
                retry_after_s=2.0,
            ) from None
        except (NotFound, FailedPrecondition) as error:
            cannot = _cannot(version, error)
            self._failed[version] = (time.monotonic(), cannot)
            raise cannot from error

    async def segmenter(self) -> SegmenterInfo:
        """The segmenter that serves; raises as `embedder` does."""
        if self._segmenter is None:
            self._segmenter = await self._ask_segmenter.info(timeout_s=self._timeout_s)
        return self._segmenter

    async def info(self, *, timeout_s: float) -> EmbedderInfo:
        """Asks the embedder, whatever is known, about the model of the space that is searched."""
        try:
            active = await self._active(timeout_s)
        except LookalikeError:
            active = None
        version = active.version if active else ""
        try:
            return await self._ask_embedder.info(timeout_s=timeout_s, version=version)
        except FailedPrecondition:
            return await self._ask_embedder.info(timeout_s=timeout_s)

    def forget_segmenter(self) -> None:
        """An answer came from another segmenter, or it was restarted."""
        self._segmenter = None

    def forget_embedder(self) -> None:
        """An answer came from another embedder or of another space, or it was restarted."""
        self._infos.clear()
        self._failed.clear()
        self._spaces = None

    async def _active(self, timeout_s: float | None) -> SpaceInfo | None:
        spaces = await self._known_spaces(timeout_s)
        return next((one for one in spaces if one.role is SpaceRole.ACTIVE), None)

    async def _known_spaces(self, timeout_s: float | None) -> tuple[SpaceInfo, ...]:
        known = self._spaces
        if known is not None and time.monotonic() - self._asked_at < self._refresh_s:
            return known
        self._asked_at = time.monotonic()
        try:
            self._spaces = await self._ask_spaces.list(
                count_products=False, timeout_s=min(self._timeout_s, timeout_s or self._timeout_s)
            )
        except LookalikeError:
            if known is None:
                raise
            return known
        return self._spaces

    async def _info(self, version: str, timeout_s: float | None) -> EmbedderInfo:
        if version not in self._infos:
            self._infos[version] = await self._ask_embedder.info(
                timeout_s=min(self._timeout_s, timeout_s or self._timeout_s), version=version
            )
        return self._infos[version]

    async def _load(self, version: str) -> EmbedderInfo:
        found = await self._ask_embedder.load(name="", version=version, timeout_s=_LOAD_S)
        self._infos[version] = found
        return found


def _cannot(version: str, error: LookalikeError) -> LookalikeError:
    if error.reason == "MODEL_MISSING":
        return error
    return FailedPrecondition(
        f"The embedder has no model for {version!r}: {error.message}",
        reason="EMBEDDING_VERSION_MISMATCH",
        metadata={"wanted": version},
        field="embedding_version",
    )
