"""What is asked of the index in memory, and what it answers."""

from dataclasses import dataclass

from services.indexer.domain import Slot, Vector
from services.indexer.filters import Filter


@dataclass(frozen=True, slots=True, eq=False)
class SearchQuery:
    """What to find.

    Attributes:
      vector: (dimension,), of length 1.
      skip: so many of the best are left out first.
    """

    vector: Vector
    slot: Slot
    conditions: Filter
    excluded_ids: frozenset[str]
    top_k: int
    skip: int


@dataclass(frozen=True, slots=True)
class Hit:
    """A product found, with its cosine, and the version of it that was compared."""

    product_id: str
    score: float
    version: int


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


@dataclass(frozen=True, slots=True)
class Page:
    """Identifiers in order, and how many products pass on all pages."""

    product_ids: tuple[str, ...]
    more: bool
    total: int
