"""Vectors of a product in another space, from its stored photographs."""

from collections.abc import Sequence
from dataclasses import replace

from servicekit.errors import InvalidArgument, LookalikeError, Unavailable
from services.gateway.catalogue import (
    GarmentVector,
    ImageRecord,
    PlacedImage,
    ProductDraft,
    SpaceVectors,
    Stage,
)
from services.gateway.domain import Catalogue, Index
from services.gateway.image_pipeline import ImagePipeline, ModelChanged, StageFailed
from services.gateway.models import ModelCache, PipelineModels
from services.gateway.retry import Patience

_MODEL_CHANGES = 5


class Reembedder:
    """Takes stored photographs through the models again; what is known already is not computed.

    Args:
      timeout_s: for one attempt of one call to the indexer.
    """

    def __init__(
        self,
        images: ImagePipeline,
        models: ModelCache,
        catalogue: Catalogue,
        index: Index,
        patience: Patience,
        timeout_s: float,
    ) -> None:
        self._images = images
        self._models = models
        self._catalogue = catalogue
        self._index = index
        self._patience = patience
        self._timeout_s = timeout_s

    async def vectors(self, sha256s: Sequence[str], version: str) -> SpaceVectors:
        """The vectors of photographs in a space. One that cannot be used has none there.

        Raises:
          LookalikeError: none can be used (the first one's reason: IMAGE_NOT_FOUND if it is not
            stored), or a service was away for longer than patience lasts.
        """
        for _ in range(_MODEL_CHANGES):
            space = await self._patience.call(
                "embedder", lambda: self._models.of_space(version, self._timeout_s)
            )
            segmenter = await self._patience.call("segmenter", self._models.segmenter)
            models = PipelineModels(segmenter, space)
            try:
                return await self._all(sha256s, models)
            except ModelChanged:
                self._models.forget_segmenter()
                self._models.forget_embedder()
        raise Unavailable(
            "The models changed again and again while a product was embedded.",
            reason="UPSTREAM_UNAVAILABLE",
            retry_after_s=5.0,
        )

    async def redraft(self, draft: ProductDraft) -> ProductDraft | None:
        """A product that is on its way to the index, in the space that is searched by now; None if
        that has not changed.

        Raises: as `vectors`.
        """
        self._models.forget_embedder()
        space = await self._patience.call("embedder", self._models.embedder)
        if space.version == draft.space.version:
            return None
        found = await self.vectors([one.record.sha256 for one in draft.images], space.version)
        left = SpaceVectors(
            draft.space,
            draft.pipeline_version,
            tuple(image.record.vectors for image in draft.images),
        )
        others = [one for one in draft.others if one.space.version != space.version]
        return replace(
            draft,
            images=tuple(map(_with_vectors, draft.images, found.images)),
            pipeline_version=found.pipeline_version,
            space=found.space,
            others=(left, *others),
        )

    async def _all(
        self,
        sha256s: Sequence[str],
        models: PipelineModels,
    ) -> SpaceVectors:
        known = await self._patience.call(
            "indexer",
            lambda: self._catalogue.look_up(
                (),
                tuple(dict.fromkeys(sha256s)),
                models.pipeline_version,
                timeout_s=self._timeout_s,
            ),
        )
        images: list[tuple[GarmentVector, ...]] = []
        problems: list[LookalikeError] = []
        # One after the other: whoever calls has many products in hand at once.
        for sha256 in sha256s:
            try:
                record = known.images.get(sha256) or await self._computed(sha256, models)
                images.append(record.vectors)
            except StageFailed as failed:
                problems.append(failed.error)
                images.append(())
        if not any(images):
            raise (
                problems[0]
                if problems
                else InvalidArgument("The product has no photographs.", reason="PRODUCT_EMPTY")
            )
        return SpaceVectors(models.embedder, models.pipeline_version, tuple(images))

    async def _computed(self, sha256: str, models: PipelineModels) -> ImageRecord:
        try:
            stored = await self._patience.call(
                "indexer", lambda: self._index.get_image(sha256, timeout_s=self._timeout_s)
            )
        except LookalikeError as error:
            if error.reason == "IMAGE_NOT_FOUND":
                raise StageFailed(Stage.FETCH, error) from error
            raise
        return await self._images.describe(sha256, stored.data, models)


def _with_vectors(image: PlacedImage, vectors: tuple[GarmentVector, ...]) -> PlacedImage:
    return replace(image, record=replace(image.record, vectors=vectors, others={}))
