"""Which category of the catalogue a photograph shows."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from services.gateway.calibration import CategoryRule
from services.gateway.ranking import Neighbour

Vector = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class CategoryGuess:
    """category: empty if the catalogue has none. confidence: 0 to 1."""

    category: str
    confidence: float
    applied: bool


def guess(
    photograph: Vector,
    neighbours: Sequence[Neighbour],
    names: Mapping[str, Vector],
    rule: CategoryRule,
) -> tuple[str, float]:
    """The likeliest category and its confidence; an empty one if there is none.

    Args:
      photograph: its vector, of length 1.
      neighbours: the products nearest to it, with their categories.
      names: the catalogue's categories, each with the vector of its words.
    """
    if not names:
        return "", 0.0
    # The catalogue may spell a category in several ways; the index holds them to be equal.
    spelling = {name.strip().casefold(): name for name in names}
    votes: defaultdict[str, float] = defaultdict(float)
    nearest = max((one.cosine for one in neighbours), default=0.0)
    for one in neighbours:
        vote = float(np.exp(rule.vote_scale * (one.cosine - nearest)))
        for value in one.values:
            votes[value.strip().casefold()] += vote / len(one.values)
    # The rarest categories may not be among the names; a neighbour's word is enough.
    for one in neighbours:
        for value in one.values:
            spelling.setdefault(value.strip().casefold(), value)
    described = dict.fromkeys(spelling, -1.0)
    for name, vector in names.items():
        key = name.strip().casefold()
        described[key] = max(described[key], float(vector @ photograph))
    best = max(described.values())
    words = {k: float(np.exp(rule.words_scale * (c - best))) for k, c in described.items()}
    all_votes, all_words = sum(votes.values()) or 1.0, sum(words.values())
    # Without a vote of any neighbour the words have all the say there is, but no more confidence.
    confidence = {
        key: rule.words_weight * words[key] / all_words
        + (1 - rule.words_weight) * votes[key] / all_votes
        for key in spelling
    }
    likeliest = max(confidence, key=lambda key: (confidence[key], key))
    return spelling[likeliest], min(1.0, confidence[likeliest])


def agreed(guesses: Sequence[tuple[str, float]], rule: CategoryRule) -> str:
    """The category to search in: that of all photographs, if each is sure enough; else empty."""
    categories = {category.casefold() for category, _ in guesses}
    if len(categories) != 1 or any(confidence < rule.apply_from for _, confidence in guesses):
        return ""
    return guesses[0][0]
