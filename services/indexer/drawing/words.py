"""What neighbourhoods are called: the few words that most set their products apart.

Class-based TF-IDF, as a divergence: a word that p of a neighbourhood's products have, and q of all,
is worth p log(p / q), what it contributes to telling the neighbourhood from the whole.
Source: Grootendorst, BERTopic (2022), for words of classes instead of documents.
"""

import math
import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

from services.indexer.drawing.values import Clusters, Label

Term: TypeAlias = tuple[str, str]
"""An attribute's field, or NAME, and a word or phrase of it as it is compared."""

NAME: Final = "name"

# What a garment is says more to people than for which weather it is; names are the last resort.
_WEIGHTS: Final[Mapping[str, float]] = {
    "type": 1.0,
    "category": 1.0,
    "colour": 1.0,
    "pattern": 0.8,
    "person": 0.6,
    "season": 0.4,
    NAME: 0.5,
}
_WORDS: Final = 3
_MOST_WORDS: Final = 4
# A word that fewer of a neighbourhood's products have says little of the others.
_COMMON: Final = 0.3
_TELLING: Final = 1.2
# Beside the best one, less than this share of its worth is noise.
_WORTH: Final = 0.2
_LONGEST: Final = 40

# Whole words of letters: article numbers and sizes are none.
_WORD: Final = re.compile(r"(?<![\w-])[^\W\d_]{3,}(?![\w-]|\.\d)")
_PART: Final = re.compile(r"[\w-]{3,}")
# Three letters and more, in the languages of the page and its neighbours.
_STOP_WORDS: Final = frozenset(
    re.findall(
        r"\w+",
        """
        and for from her his its new now our out the this with without your
        con del las los nuevo nueva para por que sin sobre sus una
        amb dels els les nou nova pels per pel ses uns unes
        das dem den der des die ein eine mit und von
        avec dans pour sans une com dei della het van voor
        """,
    )
)
_MANY_PRODUCTS: Final = 100


@dataclass(frozen=True, slots=True)
class _Catalogue:
    """The terms of all products, each with its spelling there; and of how many each is one."""

    terms: Sequence[Mapping[Term, str]]
    having: Mapping[Term, int]


def cluster_words(labels: Sequence[Label], cluster_of: Clusters) -> list[tuple[str, ...]]:
    """One to four words for each neighbourhood, the most telling first, as the catalogue spells
    them; none only where its products have neither attributes nor names with usual words.

    The same for the same products.
    """
    catalogue = _catalogue(labels)
    members: defaultdict[int, list[int]] = defaultdict(list)
    for position, cluster in enumerate(cluster_of.tolist()):
        members[cluster].append(position)
    named: list[tuple[str, ...]] = []
    for cluster in range(max(members) + 1):
        words = _words(catalogue, members[cluster], _WORDS)
        if words in named:
            words = _words(catalogue, members[cluster], _MOST_WORDS)
        named.append(words)
    return named


def _catalogue(labels: Sequence[Label]) -> _Catalogue:
    terms = [dict(_terms(label)) for label in labels]
    # A word of names that stand for one product, or one product in its colours, is a name itself.
    names_with: defaultdict[Term, set[str]] = defaultdict(set)
    for label, found in zip(labels, terms, strict=True):
        for term in found:
            if term[0] == NAME:
                names_with[term].add(label.name.casefold())
    least = 3 if len(labels) >= _MANY_PRODUCTS else 2
    usual = [
        {term: word for term, word in found.items() if len(names_with.get(term, "...")) >= least}
        for found in terms
    ]
    return _Catalogue(usual, Counter(term for found in usual for term in found))


def _terms(label: Label) -> Iterator[tuple[Term, str]]:
    for field, values in label.attributes.items():
        for value in values:
            if 0 < len(spelling := value.strip()) <= _LONGEST:
                yield (field, spelling.casefold()), spelling
    for word in _WORD.findall(label.name):
        if word.casefold() not in _STOP_WORDS:
            yield (NAME, word.casefold()), word


def _words(catalogue: _Catalogue, members: Sequence[int], most: int) -> tuple[str, ...]:
    here = Counter(term for position in members for term in catalogue.terms[position])
    worth = {}
    for term, count in here.items():
        share, everywhere = count / len(members), catalogue.having[term] / len(catalogue.terms)
        if count > 1 and share >= _COMMON and share >= _TELLING * everywhere:
            worth[term] = _WEIGHTS[term[0]] * share * math.log(share / everywhere)
    if not worth:
        # Nothing sets them apart: what most of them have is at least true of them.
        worth = {term: _WEIGHTS[term[0]] * count for term, count in here.items()}
        most = 1
    chosen: list[Term] = []
    least = _WORTH * max(worth.values(), default=0.0)
    for term in sorted(worth, key=lambda term: (-worth[term], term)):
        new = worth[term] >= least and not any(_alike(term, other) for other in chosen)
        if new and len(chosen) < most:
            chosen.append(term)
    return tuple(_spelling(catalogue, members, term) for term in chosen)


def _alike(term: Term, other: Term) -> bool:
    """Whether two terms say the same: two of one kind, or `skirt` beside `Skirts & Dresses`."""
    if term[0] == other[0] or {term[0], other[0]} == {"type", "category"}:
        return True
    return any(
        long.startswith(short) and len(long) - len(short) <= 2
        for one in _PART.findall(term[1])
        for two in _PART.findall(other[1])
        for short, long in [sorted((one, two), key=len)]
    )


def _spelling(catalogue: _Catalogue, members: Sequence[int], term: Term) -> str:
    spellings = Counter(
        found[term] for position in members if term in (found := catalogue.terms[position])
    )
    return min(spellings, key=lambda spelling: (-spellings[spelling], spelling))
