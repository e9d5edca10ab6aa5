"""Questions of people and their answers, without the wire."""

from dataclasses import dataclass

from services.gateway.feature_words import Features
from services.gateway.ranking import Conditions, Hit, StoredProduct
from services.gateway.values import FoundGarment, Garment, Picture


@dataclass(frozen=True, slots=True)
class TextPart:
    """Words."""

    text: str
    weight: float


@dataclass(frozen=True, slots=True)
class PhotographPart:
    """A photograph, and the garment of it that is meant; UNSPECIFIED: all clothing."""

    photograph: Picture
    garment: Garment
    weight: float


@dataclass(frozen=True, slots=True)
class ProductPart:
    """A product of the catalogue."""

    product_id: str
    weight: float


@dataclass(frozen=True, slots=True)
class FeaturesPart:
    """Features, as words."""

    features: Features
    weight: float


Part = TextPart | PhotographPart | ProductPart | FeaturesPart


@dataclass(frozen=True, slots=True)
class Search:
    """A question.

    Attributes:
      features: that have to be equal.
      page_size: None: the default.
      digest: stands for all of the question that must stay the same from page to page.
    """

    parts: tuple[Part, ...]
    garment: Garment
    conditions: Conditions | None
    features: Features
    page_size: int | None
    page_token: str
    min_index_version: int
    digest: bytes


@dataclass(frozen=True, slots=True)
class PartReport:
    """What was made of a part."""

    text_truncated: bool = False
    words: str = ""
    garments: tuple[FoundGarment, ...] = ()
    whole_image_fallback: bool = False


@dataclass(frozen=True, slots=True)
class Ranked:
    """A hit, and whether it is the best there is but not good."""

    hit: Hit
    weak: bool


@dataclass(frozen=True, slots=True)
class SearchPage:
    """A page of an answer: ranked hits, or listed products where nothing ranks."""

    ranked: tuple[Ranked, ...]
    listed: tuple[StoredProduct, ...]
    next_page_token: str
    candidate_count: int
    index_version: int
    part_reports: tuple[PartReport, ...]


@dataclass(frozen=True, slots=True)
class Similar:
    """Products similar to one, best first."""

    ranked: tuple[Ranked, ...]
    index_version: int
