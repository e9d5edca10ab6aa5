"""Captions for training photographs, and which captions are true of which photographs.

A caption is made of parts (a word for the garment, a colour, for whom), each with the set of
photographs that it is true of, so that in a batch every true pair is a positive, every doubtful
pair is left out, and only false pairs are pushed apart.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from models.train.catalogue import Photo
from models.train.patterns import PLAIN, UNKNOWN
from models.train.vocabulary import (
    BASIC_NAMES,
    BASIC_OF,
    COLOUR_NAMES,
    KINDS,
    SYNONYMS,
    WORDS,
)

GENDERS = ("men", "women", "kids")
# Words before the garment, words after it; by number in `patterns`.
PATTERN_WORDS = (
    (("striped", "stripy", "pinstriped"), ("with stripes", "with a striped pattern")),
    (("checked", "plaid", "checkered", "gingham", "tartan"), ("with checks",)),
    (("polka dot", "dotted", "spotted"), ("with dots", "with polka dots")),
    (("floral", "flowered", "flower print", "floral print"), ("with flowers",)),
    (("camouflage", "camo", "camouflage print"), ("in camouflage",)),
    (("plain", "solid", "solid colour", "unpatterned"), ("without a pattern",)),
)
_PEOPLE = {
    "men": ("men", "man", "guys", "him", "men's"),
    "women": ("women", "woman", "ladies", "her", "women's"),
    "kids": ("kids", "children", "a child", "kids'"),
}
_TEMPLATES = (
    "{0}", "{0}", "{0}", "{0}", "a photo of a {0}", "a photo of {0}", "{0} on a white background",
    "a {0} worn by a model", "{0}, product photo", "{0} for the new season", "comfortable {0}",
    "the {0} you will want to wear every day", "stay cool and dry in this {0}", "buy {0} online",
    "{0} for running, yoga and the gym", "{0} made of soft fabric with a relaxed fit",
)  # fmt: skip
# A shop's word for a colour and the names that a pixel may have under it.
_SHOP_COLOURS = {"lila": "lavender"}

# A colour is true of a photograph from this share of the garment's pixels on, and doubtful from
# the second one on.
TRUE_SHARE, PERHAPS_SHARE = 0.35, 0.10

TRUE, PERHAPS, FALSE = 2, 1, 0
ANY = -1


@dataclass(frozen=True, slots=True)
class Caption:
    """A text and its parts: indices into WORDS, colours, GENDERS and PATTERN_WORDS, ANY where it
    has none.

    item: for a product's own name, the photograph's index whose item it names; else ANY.
    """

    text: str
    word: int
    colour: int
    gender: int
    item: int
    pattern: int


# Basic names and finer names are both said; each is a row of the colour relation.
SPOKEN_COLOURS = tuple(dict.fromkeys(BASIC_NAMES + COLOUR_NAMES))

WORD_RELATION = np.array(
    [
        [TRUE if k in w.true_of else PERHAPS if k in w.perhaps else FALSE for k in KINDS]
        for w in WORDS
    ],
    np.int8,
)


def colour_relation(
    photos: Sequence[Photo], shares: npt.NDArray[np.float32], original: Sequence[bool]
) -> npt.NDArray[np.int8]:
    """(views, photos, spoken colours): how true each colour is of each view.

    Args:
      shares: (photos, views, COLOUR_NAMES).
      original: for each view, whether the garment kept its own colour.
    """
    rows = []
    for colour in SPOKEN_COLOURS:
        members = [
            i
            for i, name in enumerate(COLOUR_NAMES)
            if name == colour or (colour in BASIC_NAMES and BASIC_OF[name] == colour)
        ]
        basic = BASIC_OF.get(colour, colour)
        family = [i for i, name in enumerate(COLOUR_NAMES) if BASIC_OF[name] == basic]
        share, around = shares[:, :, members].sum(axis=2), shares[:, :, family].sum(axis=2)
        row = np.where(around >= PERHAPS_SHARE, PERHAPS, FALSE)
        rows.append(np.where(share >= TRUE_SHARE, TRUE, row))
    relation = np.stack(rows, axis=-1).astype(np.int8).transpose(1, 0, 2)
    for number, photo in enumerate(photos):
        for index, colour in enumerate(SPOKEN_COLOURS):
            if photo.colour is not None and _said(photo.colour, colour):
                relation[list(original), number, index] = TRUE
    return relation


def _said(shop_colour: str, colour: str) -> bool:
    name = _SHOP_COLOURS.get(shop_colour, shop_colour)
    return colour in (name, BASIC_OF.get(name, name))


def sample_caption(
    number: int,
    photo: Photo,
    colours: npt.NDArray[np.int8],
    pattern: int,
    rng: np.random.Generator,
    gender_said: float = 0.5,
) -> Caption:
    """A caption true of a view of photograph `number`, given its row of the colour relation.

    gender_said: how often it is told for whom a garment is, where that is known.
    """
    true_colours = np.flatnonzero(colours == TRUE)
    colour = gender = word = item = ANY
    words = ""
    if len(true_colours) and rng.random() < 0.75:
        colour = int(rng.choice(true_colours))
    if photo.gender is not None and rng.random() < gender_said:
        gender = GENDERS.index(photo.gender)
    if photo.name is not None and rng.random() < 0.3:
        item, words = number, photo.name
    elif rng.random() < 0.95 or colour == ANY:
        fitting = np.flatnonzero(WORD_RELATION[:, KINDS.index(photo.kind)] == TRUE)
        word = int(rng.choice(fitting))
        words = str(rng.choice(WORDS[word].texts))
    else:
        words = str(rng.choice(["clothes", "garment", "clothing", "something"]))
    # What is plain is seldom called so.
    said = pattern != UNKNOWN and rng.random() < (0.1 if pattern == PLAIN else 0.7)
    shown = pattern if said else ANY
    text = _phrase(words, colour, gender, shown, rng)
    return Caption(text, word, colour, gender, item, shown)


def _phrase(words: str, colour: int, gender: int, pattern: int, rng: np.random.Generator) -> str:
    if pattern != ANY:
        before, after = PATTERN_WORDS[pattern]
        if rng.random() < 0.7:
            words = f"{rng.choice(before)} {words}"
        else:
            words = f"{words} {rng.choice(after)}"
    if colour != ANY:
        name = SPOKEN_COLOURS[colour]
        said = str(rng.choice([name, name, *SYNONYMS.get(name, ())]))
        words = f"{words} in {said}" if rng.random() < 0.15 else f"{said} {words}"
    if gender != ANY:
        people = str(rng.choice(_PEOPLE[GENDERS[gender]]))
        owner = people.endswith(("'s", "s'"))
        words = f"{people} {words}" if owner else f"{words} for {people}"
    text = str(rng.choice(_TEMPLATES)).format(words)
    return text.title() if rng.random() < 0.1 else text


@dataclass(frozen=True, slots=True)
class PhotoFacts:
    """What relations are computed from, by photograph index."""

    kind: npt.NDArray[np.int64]
    gender: npt.NDArray[np.int64]
    item: npt.NDArray[np.int64]
    named: npt.NDArray[np.bool_]

    @classmethod
    def of(cls, photos: Sequence[Photo]) -> "PhotoFacts":
        # A shop gives one name to all colours of a style: their photographs share the name.
        names = {name: i for i, name in enumerate(dict.fromkeys(p.name or p.item for p in photos))}
        return cls(
            np.array([KINDS.index(p.kind) for p in photos]),
            np.array([GENDERS.index(p.gender) if p.gender else ANY for p in photos]),
            np.array([names[p.name or p.item] for p in photos]),
            np.array([p.name is not None for p in photos]),
        )


def relation(
    captions: Sequence[Caption],
    numbers: npt.NDArray[np.int64],
    facts: PhotoFacts,
    colours: npt.NDArray[np.int8],
    patterns: npt.NDArray[np.int8],
) -> npt.NDArray[np.int8]:
    """(captions, images): TRUE, PERHAPS or FALSE.

    Args:
      numbers: photograph index of each image of the batch.
      colours: (images, spoken colours), the rows of the colour relation.
      patterns: (images,), an index of PATTERNS, PLAIN or UNKNOWN.
    """
    result = np.full((len(captions), len(numbers)), TRUE, np.int8)
    word = np.array([c.word for c in captions])
    colour = np.array([c.colour for c in captions])
    gender = np.array([c.gender for c in captions])
    item = np.array([c.item for c in captions])
    said = np.minimum(result, WORD_RELATION[word][:, facts.kind[numbers]])
    result = np.where((word != ANY)[:, None], said, result)
    result = np.where((colour != ANY)[:, None], np.minimum(result, colours.T[colour]), result)
    theirs = facts.gender[numbers][None]
    same = np.where(theirs == ANY, PERHAPS, np.where(theirs == gender[:, None], TRUE, FALSE))
    result = np.where((gender != ANY)[:, None], np.minimum(result, same), result)
    pattern = np.array([c.pattern for c in captions])
    same = np.where(patterns == UNKNOWN, PERHAPS, FALSE)[None]
    same = np.where(patterns[None] == pattern[:, None], TRUE, same)
    result = np.where((pattern != ANY)[:, None], np.minimum(result, same), result)
    # Another shop's product may well answer to a name; photographs without names even more so.
    mine = facts.item[item][:, None] == facts.item[numbers][None]
    alike = (facts.kind[item][:, None] == facts.kind[numbers][None]) & ~facts.named[numbers]
    named = np.where(mine, TRUE, np.where(alike, PERHAPS, FALSE))
    return np.where((item != ANY)[:, None], np.minimum(result, named), result).astype(np.int8)
