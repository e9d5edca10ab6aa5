"""What comes out: one outcome for each product, and their sum."""

import dataclasses
from enum import StrEnum
from typing import Any

from lookalike_client.models import ImageFailure, Value


class OutcomeState(StrEnum):
    """What became of a product."""

    INDEXED = "indexed"
    UNCHANGED = "unchanged"
    FAILED = "failed"


@dataclasses.dataclass(frozen=True, slots=True)
class ProductOutcome(Value):
    """What became of a product. Each product of an ingest has exactly one."""

    sequence: int
    """Its place in the stream, from 1; 0 if it was never sent."""
    product_id: str
    state: OutcomeState
    reason: str = ""
    """Why it failed: a name of lookalike.type.v1.ErrorReason, or SOURCE_INVALID (a line that is
    no product)."""
    message: str = ""
    where: str = ""
    """Where in the source, if it was refused there."""
    image_failures: tuple[ImageFailure, ...] = ()
    index_version: int = 0
    """A read with this `min_index_version` sees the product; 0: not told."""


@dataclasses.dataclass(frozen=True, slots=True)
class FailedImage(Value):
    """A photograph that could not be used."""

    product_id: str
    image: str
    index: int
    stage: str
    """`fetch`, `decode`, `segment`, `embed` or `index`."""
    reason: str
    message: str
    retryable: bool


@dataclasses.dataclass(frozen=True, slots=True)
class FailedProduct(Value):
    """A product that was not written."""

    product_id: str
    where: str
    reason: str
    message: str


@dataclasses.dataclass(frozen=True, slots=True)
class IngestSummary(Value):
    """The sum of an ingest. indexed + unchanged + failed = the products given, once it is over."""

    indexed: int
    unchanged: int
    failed: int
    images_failed: tuple[FailedImage, ...]
    products_failed: tuple[FailedProduct, ...]
    images: int
    """Photographs of the products that were finished in this run, good or bad."""
    seconds: float
    """From the first product sent to the end."""
    index_version: int
    """A read with this `min_index_version` sees everything that was written."""

    @property
    def images_per_second(self) -> float:
        """The rate of this run; 0 if nothing was sent."""
        return self.images / self.seconds if self.seconds > 0 else 0.0

    @property
    def finished(self) -> int:
        """Products that have an outcome."""
        return self.indexed + self.unchanged + self.failed

    @property
    def nothing_failed(self) -> bool:
        """Whether every product and every photograph went in."""
        return not self.failed and not self.images_failed

    def to_dict(self) -> dict[str, Any]:
        """All fields, and `images_per_second`."""
        fields = Value.to_dict(self)
        fields["seconds"] = round(self.seconds, 3)
        return {**fields, "images_per_second": round(self.images_per_second, 3)}


class Tally:
    """Adds outcomes up."""

    def __init__(self) -> None:
        self._counts = dict.fromkeys(OutcomeState, 0)
        self._images_failed: list[FailedImage] = []
        self._products_failed: list[FailedProduct] = []
        self._images = 0
        self._index_version = 0

    def add(self, outcome: ProductOutcome, *, images: int = 0) -> None:
        """Counts an outcome, and its photographs if they were finished in this run."""
        self._counts[outcome.state] += 1
        self._images += images
        self._index_version = max(self._index_version, outcome.index_version)
        for failure in outcome.image_failures:
            self._images_failed.append(
                FailedImage(
                    product_id=outcome.product_id,
                    image=failure.image,
                    index=failure.index,
                    stage=failure.stage or "",
                    reason=failure.reason,
                    message=failure.message,
                    retryable=failure.retryable,
                )
            )
        if outcome.state is OutcomeState.FAILED:
            self._products_failed.append(
                FailedProduct(outcome.product_id, outcome.where, outcome.reason, outcome.message)
            )

    def summary(self, *, seconds: float) -> IngestSummary:
        """The sum so far."""
        return IngestSummary(
            indexed=self._counts[OutcomeState.INDEXED],
            unchanged=self._counts[OutcomeState.UNCHANGED],
            failed=self._counts[OutcomeState.FAILED],
            images_failed=tuple(self._images_failed),
            products_failed=tuple(self._products_failed),
            images=self._images,
            seconds=seconds,
            index_version=self._index_version,
        )
