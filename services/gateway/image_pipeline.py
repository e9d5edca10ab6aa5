"""One photograph through the models: bytes in, garments and vectors out."""

import asyncio
import time
from typing import Protocol

from servicekit.errors import Internal, InvalidArgument, LookalikeError
from services.gateway.catalogue import GarmentVector, ImageRecord, Stage
from services.gateway.domain import Embedder, Segmenter
from services.gateway.models import PipelineModels
from services.gateway.retry import Patience
from services.gateway.single_flight import SingleFlight
from services.gateway.values import (
    GREEN_SCREEN,
    EmbedderInfo,
    Encoded,
    Encoding,
    Lane,
    Picture,
    Segmentation,
    SegmentOptions,
)


class StageFailed(Exception):
    """A photograph could not be used: where, and why."""

    def __init__(self, stage: Stage, error: LookalikeError) -> None:
        super().__init__(error.message)
        self.stage = stage
        self.error = error


class ModelChanged(Exception):
    """A model service answered with another version than the pipeline began with."""


class StageObserver(Protocol):
    """Told how long a stage took."""

    def stage_seconds(self, stage: Stage, seconds: float) -> None: ...


def beside(found: Segmentation, space: EmbedderInfo) -> Picture | None:
    """The photograph to embed with its garments; None where the model does not look at it, or it
    stands for its garments already."""
    wanted = space.photograph_weight and not found.whole_image_fallback
    return found.photograph if wanted else None


class ImagePipeline:
    """Segments and embeds photographs, a bounded number of each at once.

    The bounds are wider than the services' batches, so that while one photograph is in a network
    others are being decoded, cropped and sent: no stage waits for another.

    Args:
      images_in_flight: photographs in the segmenter at once, and again in the embedder.
      segment_timeout_s, embed_timeout_s: for one attempt.
      max_image_bytes: larger files are refused before they are sent anywhere.
    """

    def __init__(
        self,
        segmenter: Segmenter,
        embedder: Embedder,
        patience: Patience,
        observer: StageObserver,
        *,
        images_in_flight: int,
        segment_timeout_s: float,
        embed_timeout_s: float,
        max_image_bytes: int,
    ) -> None:
        self._segmenter = segmenter
        self._embedder = embedder
        self._patience = patience
        self._observer = observer
        self._segment_slots = asyncio.Semaphore(images_in_flight)
        self._embed_slots = asyncio.Semaphore(images_in_flight)
        self._segment_timeout_s = segment_timeout_s
        self._embed_timeout_s = embed_timeout_s
        self._max_image_bytes = max_image_bytes
        self._flights: SingleFlight[tuple[str, str, tuple[str, ...]], ImageRecord] = SingleFlight()

    def refuse_cheaply(self, data: bytes) -> None:
        """Refuses what needs no decoder to be refused.

        Raises:
          StageFailed: IMAGE_EMPTY or IMAGE_TOO_LARGE.
        """
        if not data:
            raise StageFailed(
                Stage.DECODE, InvalidArgument("The image has no bytes.", reason="IMAGE_EMPTY")
            )
        if len(data) > self._max_image_bytes:
            error = InvalidArgument(
                f"The image has {len(data)} bytes; at most {self._max_image_bytes} are taken.",
                reason="IMAGE_TOO_LARGE",
                metadata={"size_bytes": str(len(data)), "max_bytes": str(self._max_image_bytes)},
            )
            raise StageFailed(Stage.DECODE, error)

    async def describe(self, sha256: str, data: bytes, models: PipelineModels) -> ImageRecord:
        """What the models say of a photograph; computed once, however many ask at the same time.
        It is cut out once, and embedded in every space.

        Raises:
          StageFailed: it cannot be used.
          ModelChanged: begin again with the models that serve now.
        """
        spaces = tuple(one.version for one in models.others)
        return await self._flights.run(
            (sha256, models.pipeline_version, spaces), lambda: self._compute(sha256, data, models)
        )

    async def _compute(self, sha256: str, data: bytes, models: PipelineModels) -> ImageRecord:
        async with self._segment_slots:
            found = await self._segment(data, models)
        async with self._embed_slots:
            vectors = await self._embed(found, models.embedder)
            others = {}
            for space in models.others:
                try:
                    others[space.version] = await self._embed(found, space)
                except (StageFailed, ModelChanged):
                    # The product is whole without it; the space is brought up to date later.
                    continue
        return ImageRecord(
            sha256=sha256,
            width_px=found.width_px,
            height_px=found.height_px,
            garments=found.garments,
            whole_image_fallback=found.whole_image_fallback,
            vectors=vectors,
            others=others,
        )

    async def _segment(self, data: bytes, models: PipelineModels) -> Segmentation:
        spaces = (models.embedder, *models.others)
        options = SegmentOptions(
            crops=True,
            max_side_px=max(one.image_side_px for one in spaces),
            encoding=Encoding.RAW_RGB,
            photograph=any(one.photograph_weight for one in spaces),
        )
        begun = time.monotonic()
        try:
            found = await self._patience.call(
                "segmenter",
                lambda: self._segmenter.segment(
                    Encoded(data), options, lane=Lane.INGEST, timeout_s=self._segment_timeout_s
                ),
            )
        except LookalikeError as error:
            decoding = error.reason.startswith("IMAGE_")
            raise StageFailed(Stage.DECODE if decoding else Stage.SEGMENT, error) from error
        finally:
            self._observer.stage_seconds(Stage.SEGMENT, time.monotonic() - begun)
        if found.segmenter_version != models.segmenter.version:
            raise ModelChanged
        if not found.crops:
            cause = Internal("The segmenter sent no crop.", reason="INTERNAL")
            raise StageFailed(Stage.SEGMENT, cause)
        return found

    async def _embed(self, found: Segmentation, space: EmbedderInfo) -> tuple[GarmentVector, ...]:
        begun = time.monotonic()
        try:
            vectors = await self._patience.call(
                "embedder",
                lambda: self._embedder.embed_images(
                    [crop.picture for crop in found.crops],
                    # The whole picture stands before its own background, not before ours.
                    background=None if found.whole_image_fallback else GREEN_SCREEN,
                    photograph=beside(found, space),
                    version=space.version,
                    lane=Lane.INGEST,
                    timeout_s=self._embed_timeout_s,
                ),
            )
        except LookalikeError as error:
            if error.reason == "EMBEDDING_VERSION_MISMATCH":
                raise ModelChanged from error
            raise StageFailed(Stage.EMBED, error) from error
        finally:
            self._observer.stage_seconds(Stage.EMBED, time.monotonic() - begun)
        return tuple(
            GarmentVector(crop.garment, values)
            for crop, values in zip(found.crops, vectors, strict=True)
        )
