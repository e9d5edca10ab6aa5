"""What the index knows already, asked for many products in one call."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from services.gateway.catalogue import ImageFailure, ImageRecord, Known, ProductKey
from services.gateway.coalesce import Coalescer
from services.gateway.domain import Catalogue
from services.gateway.incoming import CheckedProduct
from services.gateway.retry import Patience

# The indexer's own limits: 1 000 products, 10 000 images.
_MAX_PRODUCTS = 256
_MAX_IMAGES = 8_000


@dataclass(frozen=True, slots=True)
class KnownOfProduct:
    """What is known of one product.

    Attributes:
      unchanged: the failures it was stored with, if it is stored just so; else None.
      images: its photographs that are stored with vectors of the same pipeline, by digest.
    """

    unchanged: tuple[ImageFailure, ...] | None
    images: dict[str, ImageRecord]


@dataclass(frozen=True, slots=True)
class _Question:
    key: ProductKey
    sha256s: tuple[str, ...]
    pipeline_version: str


class KnownStates:
    """Asks the indexer what need not be computed again."""

    def __init__(self, catalogue: Catalogue, patience: Patience, timeout_s: float) -> None:
        self._catalogue = catalogue
        self._patience = patience
        self._timeout_s = timeout_s
        self._questions: Coalescer[_Question, KnownOfProduct] = Coalescer(
            self._ask,
            max_items=_MAX_PRODUCTS,
            max_weight=_MAX_IMAGES,
            weigh=lambda question: len(question.sha256s),
        )

    async def of(self, product: CheckedProduct, pipeline_version: str) -> KnownOfProduct:
        """What is known of a product and of its photographs under a pipeline.

        Raises:
          LookalikeError: the indexer did not answer for as long as patience lasts.
        """
        sha256s = dict.fromkeys(sha256 for sha256 in product.image_sha256s if sha256)
        key = ProductKey(product.incoming.product_id, product.content_digest)
        return await self._questions.submit(_Question(key, tuple(sha256s), pipeline_version))

    async def close(self) -> None:
        """Cancels the question in flight."""
        await self._questions.close()

    async def _ask(self, questions: Sequence[_Question]) -> list[KnownOfProduct]:
        by_version: dict[str, list[_Question]] = defaultdict(list)
        for question in questions:
            by_version[question.pipeline_version].append(question)
        answers = {
            version: await self._look_up(version, asked) for version, asked in by_version.items()
        }
        return [_part(*answers[question.pipeline_version], question) for question in questions]

    async def _look_up(
        self, pipeline_version: str, questions: list[_Question]
    ) -> tuple[Known, frozenset[ProductKey]]:
        # The answer names a product only, so one of its states can be asked for at a time. Where
        # two streams send two states together, one of them is just written again.
        keys = {question.key.product_id: question.key for question in questions}.values()
        sha256s = dict.fromkeys(sha256 for question in questions for sha256 in question.sha256s)
        known = await self._patience.call(
            "indexer",
            lambda: self._catalogue.look_up(
                tuple(keys), tuple(sha256s), pipeline_version, timeout_s=self._timeout_s
            ),
        )
        return known, frozenset(keys)


def _part(known: Known, asked: frozenset[ProductKey], question: _Question) -> KnownOfProduct:
    key = question.key
    return KnownOfProduct(
        unchanged=known.unchanged.get(key.product_id) if key in asked else None,
        images={
            sha256: known.images[sha256] for sha256 in question.sha256s if sha256 in known.images
        },
    )
