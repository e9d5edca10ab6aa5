"""What is asked of the index in memory, and what it answers."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from services.indexer.domain import Scalar, Slot, Vector
from services.indexer.filters import Filter
from services.indexer.metric import Metric


@dataclass(frozen=True, slots=True, eq=False)
class SearchQuery:
    """What to find.

    Attributes:
      vector: (dimension,), of length 1.
      skip: so many of the best are left out first.
      parts: the vectors of length 1 that it was mixed from; none where it is the only one itself.
    """

    vector: Vector
    slot: Slot
    conditions: Filter
    excluded_ids: frozenset[str]
    top_k: int
    skip: int
    metric: Metric = Metric.COSINE
    parts: tuple[Vector, ...] = ()


@dataclass(frozen=True, slots=True)
class Hit:
    """A product found, how near it is, and the version of it that was compared.

    Attributes:
      score: in the query's metric, greater is nearer.
      distance: None where the metric has none.
      part_cosines: of each part of the query by itself; of the query where it has one part.
    """

    product_id: str
    score: float
    version: int
    distance: float | None
    cosine: float
    part_cosines: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Usual:
    """What cosines are usual: for each part of a query (for the query where it has one), the mean
    over products of the index, and over how many."""

    cosines: tuple[float, ...]
    count: int


@dataclass(frozen=True, slots=True)
class Found:
    """The best first, equal scores by identifier, and how many took part.

    Attributes:
      load: which load of the index answered; versions mean the same within one load only.
    """

    hits: tuple[Hit, ...]
    candidate_count: int
    index_version: int
    load: int
    usual: Usual = Usual((), 0)


@dataclass(frozen=True, slots=True)
class Page:
    """Identifiers in order, and how many products pass on all pages."""

    product_ids: tuple[str, ...]
    more: bool
    total: int


@dataclass(frozen=True, slots=True)
class Sitter:
    """What a map is drawn from, of one product. labels: values of some attributes, by field."""

    product_id: str
    name: str
    labels: Mapping[str, tuple[Scalar, ...]]


@dataclass(frozen=True, slots=True, eq=False)
class Sitting:
    """Products that have vectors, in order of identifier, some at a time.

    Attributes:
      vectors: their own ones, (m, d).
      last: the last identifier that was looked at; None: these are the last.
    """

    sitters: tuple[Sitter, ...]
    vectors: NDArray[np.float32]
    last: str | None
