"""Questions of people and their answers, without the wire."""

from dataclasses import dataclass

from services.gateway.category_guess import CategoryGuess
from services.gateway.feature_words import Features
from services.gateway.ranking import Conditions, Hit, Metric, StoredProduct
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
      features: that have to be equal; the category may be `auto`.
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
    metric: Metric
    digest: bytes


@dataclass(frozen=True, slots=True)
class PartReport:
    """What was made of a part."""

    text_truncated: bool = False
    words: str = ""
    garments: tuple[FoundGarment, ...] = ()
    whole_image_fallback: bool = False
    category_guess: CategoryGuess | None = None


@dataclass(frozen=True, slots=True)
class Ranked:
    """A hit, how probably it is a match, and whether it is the best there is but not good."""

    hit: Hit
    match_probability: float | None
    weak: bool


@dataclass(frozen=True, slots=True)
class ScoreMeaning:
    """What probabilities rest on."""

    embedding_version: str
    fitted_on: str
    weak_below: float


@dataclass(frozen=True, slots=True)
class Judged:
    """Ranked hits and what is said of them together; None where nothing is calibrated."""

    ranked: tuple[Ranked, ...] = ()
    no_good_match: bool | None = None
    meaning: ScoreMeaning | None = None


@dataclass(frozen=True, slots=True)
class SearchPage:
    """A page of an answer: ranked hits, or listed products where nothing ranks."""

    judged: Judged
    listed: tuple[StoredProduct, ...]
    next_page_token: str
    candidate_count: int
    index_version: int
    part_reports: tuple[PartReport, ...]
    embedding_version: str = ""


@dataclass(frozen=True, slots=True)
class Similar:
    """Products similar to one, best first."""

    judged: Judged
    index_version: int
    embedding_version: str
