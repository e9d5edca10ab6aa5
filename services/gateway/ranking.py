"""Questions to the index and its answers.

What the gateway only carries from the index to its caller (a stored product, a filter, facets) is
opaque here: the wire copies it whole, and a new field passes without a change.
"""

from dataclasses import dataclass
from enum import IntEnum
from typing import NewType

from services.gateway.values import Garment

StoredProduct = NewType("StoredProduct", object)
"""A product as the indexer keeps it."""
Conditions = NewType("Conditions", object)
"""A filter on stored attributes."""
Facet = NewType("Facet", object)
"""Counted values of one attribute."""


class Metric(IntEnum):
    """How nearness is measured; the numbers of lookalike.type.v1.DistanceMetric."""

    UNSPECIFIED = 0
    COSINE = 1
    L2 = 2
    L1 = 3


class View(IntEnum):
    """How much of a product is wanted; the numbers of lookalike.type.v1.ProductView."""

    UNSPECIFIED = 0
    BASIC = 1
    VECTORS = 2


@dataclass(frozen=True, slots=True)
class VectorTarget:
    """Near to a vector. Shapes: values_f32 is dimension * 4 bytes, length 1."""

    values_f32: bytes
    weight: float


@dataclass(frozen=True, slots=True)
class ProductTarget:
    """Near to a stored product."""

    product_id: str
    weight: float


@dataclass(frozen=True, slots=True)
class IndexQuery:
    """A ranking asked of the index.

    Attributes:
      equal_attributes: attribute and value that have to be equal, besides `conditions`.
      embedding_version: the space to search, which that of the vectors is.
    """

    targets: tuple[VectorTarget | ProductTarget, ...]
    garment: Garment
    conditions: Conditions | None
    equal_attributes: tuple[tuple[str, str], ...]
    top_k: int
    offset: int
    excluded_product_ids: tuple[str, ...]
    embedding_version: str
    min_index_version: int
    metric: Metric


@dataclass(frozen=True, slots=True)
class Hit:
    """A product and how near it is.

    Attributes:
      score, best_image_score: in the metric asked for, greater is nearer.
      distance: None where the metric has none.
      part_cosines: of each part of the query by itself.
    """

    product: StoredProduct
    score: float
    distance: float | None
    part_cosines: tuple[float, ...]
    best_image_index: int
    best_garment: Garment
    best_image_score: float


@dataclass(frozen=True, slots=True)
class Usual:
    """The usual cosine of each part of a query, and over how many products it is the mean."""

    cosines: tuple[float, ...]
    count: int


@dataclass(frozen=True, slots=True)
class Hits:
    """A ranking, best first."""

    hits: tuple[Hit, ...]
    candidate_count: int
    index_version: int
    usual: Usual
    embedding_version: str


@dataclass(frozen=True, slots=True)
class Neighbour:
    """The values that a near product has of one attribute, and its cosine."""

    values: tuple[str, ...]
    cosine: float


@dataclass(frozen=True, slots=True)
class ListQuery:
    """A page of a list asked of the index; see IndexQuery."""

    page_size: int
    page_token: str
    conditions: Conditions | None
    equal_attributes: tuple[tuple[str, str], ...]
    view: View
    min_index_version: int


@dataclass(frozen=True, slots=True)
class ProductPage:
    """Products in order of identifier."""

    products: tuple[StoredProduct, ...]
    product_ids: tuple[str, ...]
    next_page_token: str
    total_size: int


@dataclass(frozen=True, slots=True)
class FacetCounts:
    """Facets, and how many products pass the whole filter."""

    facets: tuple[Facet, ...]
    product_count: int


@dataclass(frozen=True, slots=True)
class StoredImage:
    """A photograph's file as it was given."""

    data: bytes
    media_type: str
