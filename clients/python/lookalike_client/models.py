"""What the client returns: frozen values, each with `to_dict()` for JSON."""

import dataclasses
import math
from collections.abc import Mapping
from datetime import datetime
from enum import Enum, StrEnum
from typing import Any


class Garment(StrEnum):
    """A part of an outfit."""

    UPPER = "upper"
    LOWER = "lower"
    FULL = "full"
    UNION = "union"


class Metric(StrEnum):
    """How nearness is measured."""

    COSINE = "cosine"
    L2 = "l2"
    """Euclidean distance."""
    L1 = "l1"
    """Manhattan distance."""


class Stage(StrEnum):
    """Where an image failed."""

    FETCH = "fetch"
    DECODE = "decode"
    SEGMENT = "segment"
    EMBED = "embed"
    INDEX = "index"


class SegmentOutput(StrEnum):
    """A picture of a segmentation."""

    COMPOSITE = "composite"
    MASK = "mask"
    CROP = "crop"


class ServingState(StrEnum):
    """Whether a service serves."""

    SERVING = "serving"
    NOT_SERVING = "not_serving"
    UNREACHABLE = "unreachable"


def as_json(value: object) -> Any:
    """A value of this package as what `json.dumps` takes; numbers JSON lacks become None."""
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, Value):
        return value.to_dict()
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, datetime):
        return value.isoformat().replace("+00:00", "Z")
    if isinstance(value, Mapping):
        return {str(key): as_json(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [as_json(item) for item in value]
    return value


# Vectors and pictures are long and rarely asked for: without them the key is left out.
_IF_ANY: Mapping[str, Any] = {"if_any": True}
_NEVER: Mapping[str, Any] = {"never": True}


class Value:
    """The base of all values here."""

    __slots__ = ()

    def to_dict(self) -> dict[str, Any]:
        """The value as JSON would hold it: every field by its name."""
        return {
            field.name: as_json(getattr(self, field.name))
            for field in dataclasses.fields(self)  # type: ignore[arg-type]
            if not field.metadata.get("never")
            and (getattr(self, field.name) or not field.metadata.get("if_any"))
        }


@dataclasses.dataclass(frozen=True, slots=True)
class BoundingBox(Value):
    """A rectangle in pixels of the upright image."""

    left_px: int
    top_px: int
    width_px: int
    height_px: int


@dataclasses.dataclass(frozen=True, slots=True)
class ImageGarment(Value):
    """A garment found in a photograph; `area_fraction` and `confidence` are 0 to 1."""

    garment: Garment | None
    bounding_box: BoundingBox
    area_fraction: float
    confidence: float


@dataclasses.dataclass(frozen=True, slots=True)
class ProductImage(Value):
    """One usable photograph of a product. `AsyncLookalike.image` takes its `sha256`."""

    sha256: str
    uri: str
    label: str
    width_px: int
    height_px: int
    size_bytes: int
    garments: tuple[ImageGarment, ...]
    whole_image_fallback: bool
    embeddings: Mapping[Garment, tuple[float, ...]] = dataclasses.field(
        default_factory=dict, metadata=_IF_ANY
    )
    """The vectors by garment, of Euclidean length 1. Only if asked for."""


@dataclasses.dataclass(frozen=True, slots=True)
class ImageFailure(Value):
    """A photograph of a product that could not be used."""

    index: int
    """Position in the product's list of images as sent, from 0."""
    image: str
    """Its label or URL."""
    stage: Stage | None
    reason: str
    """A name of lookalike.type.v1.ErrorReason."""
    message: str
    retryable: bool


@dataclasses.dataclass(frozen=True, slots=True)
class Product(Value):
    """A product of the catalogue."""

    product_id: str
    name: str
    attributes: Mapping[str, Any]
    images: tuple[ProductImage, ...]
    image_failures: tuple[ImageFailure, ...]
    own_garment: Garment | None
    pipeline_version: str
    create_time: datetime | None
    update_time: datetime | None
    embedding: tuple[float, ...] = dataclasses.field(default=(), metadata=_IF_ANY)
    """The product's own vector, of Euclidean length 1. Only if asked for."""


@dataclasses.dataclass(frozen=True, slots=True)
class ProductPage(Value):
    """A page of a listing; `next_page_token` is empty on the last."""

    products: tuple[Product, ...]
    next_page_token: str
    total_size: int


@dataclasses.dataclass(frozen=True, slots=True)
class SearchResult(Value):
    """A product and how near it is."""

    product: Product
    score: float | None
    """How near it is, greater is nearer: the cosine, -1 to 1, or 1 / (1 + distance) where a
    distance was asked for; None where nothing ranks."""
    weak: bool
    """The best there is, but below what counts as a match."""
    best_image_index: int
    """The nearest photograph, as a position in `product.images`."""
    best_garment: Garment | None
    best_image_score: float
    match_probability: float | None = None
    """That a person would call it a match, 0 to 1; None where the model was not calibrated."""
    distance: float | None = None
    """Of query and product; None with the cosine."""

    @property
    def best_image(self) -> ProductImage | None:
        """The nearest photograph."""
        images = self.product.images
        return images[self.best_image_index] if 0 <= self.best_image_index < len(images) else None

    def to_dict(self) -> dict[str, Any]:
        """Score first, then the product's own fields on the same level."""
        best = self.best_image
        return {
            "product_id": self.product.product_id,
            "score": as_json(self.score),
            "match_probability": as_json(self.match_probability),
            "weak": self.weak,
            **({} if self.distance is None else {"distance": as_json(self.distance)}),
            "best_image_index": self.best_image_index,
            "best_image": best.sha256 if best else None,
            "best_garment": as_json(self.best_garment),
            "best_image_score": as_json(self.best_image_score),
            **self.product.to_dict(),
        }


@dataclasses.dataclass(frozen=True, slots=True)
class CategoryGuess(Value):
    """The category of the catalogue that a photograph shows, and whether it was searched alone."""

    category: str
    confidence: float
    applied: bool


@dataclasses.dataclass(frozen=True, slots=True)
class ScoreMeaning(Value):
    """What probabilities rest on; results below `weak_below` are weak."""

    embedding_version: str
    fitted_on: str
    weak_below: float


@dataclasses.dataclass(frozen=True, slots=True)
class PartReport(Value):
    """What was made of a part of a query."""

    words: str
    text_truncated: bool
    garments: tuple[ImageGarment, ...]
    whole_image_fallback: bool
    category_guess: CategoryGuess | None = None
    """Of a photograph, where the category `auto` was asked for."""


@dataclasses.dataclass(frozen=True, slots=True)
class SearchResults(Value):
    """Products, best first."""

    results: tuple[SearchResult, ...]
    index_version: int
    candidate_count: int | None = None
    """Products that took part; None where the call does not tell."""
    next_page_token: str = ""
    parts: tuple[PartReport, ...] = ()
    no_good_match: bool | None = None
    """Whether nothing good was found at all; None where that is not known."""
    score_meaning: ScoreMeaning | None = None
    embedding_version: str = ""
    """The space that ranked all of them; empty where nothing ranks."""


@dataclasses.dataclass(frozen=True, slots=True)
class FacetValue(Value):
    """A value and how many products have it."""

    value: Any
    count: int


@dataclasses.dataclass(frozen=True, slots=True)
class Facet(Value):
    """The values of one attribute, the most frequent first."""

    field: str
    values: tuple[FacetValue, ...]
    distinct_values: int


@dataclasses.dataclass(frozen=True, slots=True)
class Facets(Value):
    """Facets, and how many products pass the whole filter."""

    facets: tuple[Facet, ...]
    product_count: int


@dataclasses.dataclass(frozen=True, slots=True)
class Deletion(Value):
    """What a deletion did."""

    deleted: tuple[str, ...]
    unknown: tuple[str, ...]
    index_version: int


@dataclasses.dataclass(frozen=True, slots=True)
class Segmentation(Value):
    """The garments of a photograph, largest first, the union last."""

    width_px: int
    height_px: int
    garments: tuple[ImageGarment, ...]
    whole_image_fallback: bool
    picture: bytes = dataclasses.field(default=b"", repr=False, metadata=_NEVER)
    """The encoded picture asked for; empty if none was."""


@dataclasses.dataclass(frozen=True, slots=True)
class StoredImage(Value):
    """A stored photograph."""

    data: bytes = dataclasses.field(repr=False, metadata=_NEVER)
    media_type: str


@dataclasses.dataclass(frozen=True, slots=True)
class ServiceStatus(Value):
    """How one service is."""

    name: str
    state: ServingState
    detail: str
    execution_provider: str
    latency_ms: float
    reason: str
    """Why it does not serve; empty if it does."""
    message: str
    warm_up_fraction: float | None = None
    """While it loads and warms its model: the share that is done, 0 to 1."""


@dataclasses.dataclass(frozen=True, slots=True)
class Load(Value):
    """What the gateway that answered has done within the last `window_s` seconds."""

    window_s: float
    searches_per_s: float
    search_p50_ms: float
    search_p95_ms: float
    ingested_products_per_s: float
    ingested_images_per_s: float
    open_ingest_calls: int
    errors_per_s: float


@dataclasses.dataclass(frozen=True, slots=True)
class Status(Value):
    """How the system is."""

    services: tuple[ServiceStatus, ...]
    product_count: int
    image_count: int
    index_version: int
    pipeline_version: str
    store: str
    load: Load | None = None
    """None: the gateway is of a release that does not tell."""

    @property
    def serving(self) -> bool:
        """Whether every service serves."""
        return bool(self.services) and all(
            service.state is ServingState.SERVING for service in self.services
        )

    def to_dict(self) -> dict[str, Any]:
        """All fields, and `serving`."""
        # Zero-argument super() does not work in a class that `slots=True` has made anew.
        return {"serving": self.serving, **Value.to_dict(self)}
