"""Which models serve now: asked once, kept until an answer shows that they changed."""

from dataclasses import dataclass

from services.gateway.domain import Embedder, Segmenter
from services.gateway.values import GREEN_SCREEN, EmbedderInfo, SegmenterInfo

_CROP_RULES = "crops1"
"""What the gateway itself does between segmenter and embedder: one crop for each garment, on the
green screen, reduced to the side that the image tower sees. Another rule, another number."""


@dataclass(frozen=True, slots=True)
class PipelineModels:
    """The two models that make a vector, and the name of what they make together."""

    segmenter: SegmenterInfo
    embedder: EmbedderInfo

    @property
    def pipeline_version(self) -> str:
        green = f"{GREEN_SCREEN.red:02x}{GREEN_SCREEN.green:02x}{GREEN_SCREEN.blue:02x}"
        return f"{self.segmenter.version}+bg-{green}+{_CROP_RULES}+{self.embedder.version}"


class ModelCache:
    """The infos of the model services.

    Args:
      timeout_s: for one question to one service.
    """

    def __init__(self, segmenter: Segmenter, embedder: Embedder, timeout_s: float) -> None:
        self._ask_segmenter = segmenter
        self._ask_embedder = embedder
        self._timeout_s = timeout_s
        self._segmenter: SegmenterInfo | None = None
        self._embedder: EmbedderInfo | None = None

    async def embedder(self, timeout_s: float | None = None) -> EmbedderInfo:
        """The embedder that serves.

        Raises:
          LookalikeError: it was not known yet, and does not answer.
        """
        if self._embedder is None:
            self._embedder = await self._ask_embedder.info(
                timeout_s=min(self._timeout_s, timeout_s or self._timeout_s)
            )
        return self._embedder

    async def segmenter(self) -> SegmenterInfo:
        """The segmenter that serves; raises as `embedder` does."""
        if self._segmenter is None:
            self._segmenter = await self._ask_segmenter.info(timeout_s=self._timeout_s)
        return self._segmenter

    def forget_segmenter(self) -> None:
        """An answer came from another segmenter, or it was restarted."""
        self._segmenter = None

    def forget_embedder(self) -> None:
        """An answer came from another embedder, or it was restarted."""
        self._embedder = None
