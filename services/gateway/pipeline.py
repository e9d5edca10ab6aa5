"""One product from what a client sent to an outcome that can be written down."""

import asyncio
import logging
from collections.abc import Mapping
from dataclasses import replace
from typing import Protocol

from servicekit.errors import (
    Internal,
    InvalidArgument,
    LookalikeError,
    Unavailable,
)
from services.gateway.catalogue import (
    ImageFailure,
    ImageRecord,
    Outcome,
    PlacedImage,
    ProductDraft,
    SpaceVectors,
    Stage,
    State,
)
from services.gateway.domain import Catalogue
from services.gateway.image_pipeline import ImagePipeline, ModelChanged, StageFailed
from services.gateway.incoming import (
    MAX_ID_BYTES,
    CheckedProduct,
    ImageData,
    ImageUri,
    IncomingImage,
    IncomingProduct,
    Unreadable,
    check,
)
from services.gateway.known import KnownOfProduct, KnownStates
from services.gateway.media_types import media_type
from services.gateway.models import ModelCache, PipelineModels
from services.gateway.retry import Patience, is_silence

_log = logging.getLogger(__name__)

_MODEL_CHANGES = 5
"""So many changes of model during one product are followed; more is no roll-out but a fight."""


class PipelineObserver(Protocol):
    """Told how images came to their vectors, or why not."""

    def image_computed(self) -> None: ...

    def image_known(self) -> None: ...

    def image_failed(self, stage: Stage) -> None: ...


class ProductPipeline:
    """Takes products through the models; what is known already is not computed again.

    Args:
      blob_timeout_s: for one attempt to store one photograph.
    """

    def __init__(
        self,
        images: ImagePipeline,
        models: ModelCache,
        known: KnownStates,
        catalogue: Catalogue,
        patience: Patience,
        observer: PipelineObserver,
        *,
        blob_timeout_s: float,
    ) -> None:
        self._images = images
        self._models = models
        self._known = known
        self._catalogue = catalogue
        self._patience = patience
        self._observer = observer
        self._blob_timeout_s = blob_timeout_s

    async def process(self, product: IncomingProduct) -> Outcome:
        """The product's outcome. The bytes of its usable photographs are durable by then.

        Raises:
          LookalikeError: the indexer or a model service was away for longer than patience lasts,
            before it was clear what the product needs. Faults of the product are in the outcome.
        """
        try:
            checked = await check(product)
        except LookalikeError as error:
            return _refused(product, error)
        try:
            return await self._process(checked)
        except LookalikeError:
            raise
        except Exception:
            # A bug that one product wakes is that product's fault as far as its neighbours go.
            _log.exception(
                "a product could not be processed", extra={"images": len(product.images)}
            )
            return _refused(product, Internal("See the log.", reason="INTERNAL"))

    async def _process(self, product: CheckedProduct) -> Outcome:
        for _ in range(_MODEL_CHANGES):
            models = PipelineModels(
                await self._patience.call("segmenter", self._models.segmenter),
                await self._patience.call("embedder", self._models.embedder),
                await self._patience.call("indexer", self._models.others),
            )
            known = await self._known.of(product, models.pipeline_version)
            if known.unchanged is not None:
                product_id = product.incoming.product_id
                return Outcome(product_id, State.UNCHANGED, failures=known.unchanged)
            beside = {
                space.version: (await self._known.of(product, models.version_with(space))).images
                for space in models.others
            }
            try:
                results = await self._describe_all(product, _with_others(known, beside), models)
            except ModelChanged:
                self._models.forget_segmenter()
                self._models.forget_embedder()
                continue
            return _outcome(product, models, results)
        raise Unavailable(
            "The models changed again and again while the product was processed.",
            reason="UPSTREAM_UNAVAILABLE",
            retry_after_s=5.0,
        )

    async def _describe_all(
        self, product: CheckedProduct, known: KnownOfProduct, models: PipelineModels
    ) -> list[PlacedImage | ImageFailure]:
        images = product.incoming.images
        results = await asyncio.gather(
            *(
                self._image(position, image, sha256, known, models)
                for position, (image, sha256) in enumerate(
                    zip(images, product.image_sha256s, strict=True)
                )
            ),
            return_exceptions=True,
        )
        # All have ended by now: none goes on behind the back of whoever handles the error.
        done: list[PlacedImage | ImageFailure] = []
        raised: list[BaseException] = []
        for result in results:
            if isinstance(result, BaseException):
                raised.append(result)
            else:
                done.append(result)
        for error in sorted(raised, key=lambda error: isinstance(error, ModelChanged)):
            raise error
        return done

    async def _image(
        self,
        position: int,
        image: IncomingImage,
        sha256: str | None,
        known: KnownOfProduct,
        models: PipelineModels,
    ) -> PlacedImage | ImageFailure:
        try:
            data = _bytes_of(image)
            self._images.refuse_cheaply(data)
            assert sha256 is not None  # there are bytes, so there is a digest
            record = await self._record(sha256, data, known, models)
            await self._store(sha256, data)
        except StageFailed as failed:
            self._observer.image_failed(failed.stage)
            return _failure(position, image, failed)
        return PlacedImage(record=record, label=image.label, size_bytes=len(data))

    async def _record(
        self, sha256: str, data: bytes, known: KnownOfProduct, models: PipelineModels
    ) -> ImageRecord:
        record = known.images.get(sha256)
        if record is not None:
            self._observer.image_known()
            return record
        record = await self._images.describe(sha256, data, models)
        self._observer.image_computed()
        return record

    async def _store(self, sha256: str, data: bytes) -> None:
        # Known photographs too: whoever deletes the product that they were known from deletes
        # their bytes with it, and the indexer leaves alone what it has.
        try:
            await self._patience.call(
                "indexer",
                lambda: self._catalogue.put_image(
                    sha256, data, media_type(data), timeout_s=self._blob_timeout_s
                ),
            )
        except LookalikeError as error:
            if is_silence(error):
                raise
            raise StageFailed(Stage.INDEX, error) from error


def _with_others(
    known: KnownOfProduct, beside: Mapping[str, Mapping[str, ImageRecord]]
) -> KnownOfProduct:
    """What is known of photographs, with what is known of them in other spaces."""
    if not beside:
        return known
    images = {
        sha256: replace(
            record,
            others={
                version: images[sha256].vectors
                for version, images in beside.items()
                if sha256 in images
            },
        )
        for sha256, record in known.images.items()
    }
    return replace(known, images=images)


def _in_others(images: tuple[PlacedImage, ...], models: PipelineModels) -> tuple[SpaceVectors, ...]:
    """The product in those other spaces that all of its photographs have vectors of."""
    return tuple(
        SpaceVectors(
            space,
            models.version_with(space),
            tuple(image.record.others[space.version] for image in images),
        )
        for space in models.others
        if all(space.version in image.record.others for image in images)
    )


def _bytes_of(image: IncomingImage) -> bytes:
    match image.source:
        case ImageData(data):
            return data
        case ImageUri():
            error = InvalidArgument(
                "The image is given by URL; this gateway fetches none. Send its bytes.",
                reason="IMAGE_URL_UNSUPPORTED",
            )
        case Unreadable(reason):
            error = InvalidArgument(
                f"The client could not read the image: {reason or 'it did not say why'}",
                reason="IMAGE_UNREADABLE",
            )
        case None:
            error = InvalidArgument(
                "The image has neither bytes nor URL.", reason="FIELD_INVALID", field="source"
            )
    raise StageFailed(Stage.FETCH, error)


def _failure(position: int, image: IncomingImage, failed: StageFailed) -> ImageFailure:
    label = image.label
    if not label and isinstance(image.source, ImageUri):
        label = image.source.uri[:1_024]
    return ImageFailure(
        image_index=position,
        label=label,
        stage=failed.stage,
        error=failed.error,
        retryable=failed.error.retryable,
    )


def _refused(product: IncomingProduct, error: LookalikeError) -> Outcome:
    # An identifier that is refused for its length must still fit where outcomes are kept.
    product_id = product.product_id.encode()[:MAX_ID_BYTES].decode(errors="ignore")
    return Outcome(product_id, State.REFUSED, error=error)


def _outcome(
    product: CheckedProduct, models: PipelineModels, results: list[PlacedImage | ImageFailure]
) -> Outcome:
    incoming = product.incoming
    usable = tuple(result for result in results if isinstance(result, PlacedImage))
    failures = tuple(result for result in results if isinstance(result, ImageFailure))
    if not usable:
        error = InvalidArgument(
            f"None of the product's {len(failures)} images could be used; each says why.",
            reason="NO_USABLE_IMAGE",
        )
        return Outcome(incoming.product_id, State.REFUSED, error=error, failures=failures)
    draft = ProductDraft(
        product_id=incoming.product_id,
        name=incoming.name,
        attributes=product.attributes,
        images=usable,
        failures=failures,
        content_digest=product.content_digest,
        pipeline_version=models.pipeline_version,
        space=models.embedder,
        others=_in_others(usable, models),
    )
    return Outcome(incoming.product_id, State.STORED, failures=failures, draft=draft)
