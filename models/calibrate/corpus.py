"""The queries that a calibration rests on, with the answers that a person would give.

words: `queries.jsonl` against the shops' clothes. What attributes ask for is what is relevant. A
product's name is the shop's own invention: whoever types it takes another of its category too, and
with a colour named, one of that colour.

photographs: each view of a product, its own product without that view, and users' photographs of
one garment. A match is the same style, or the category and the colour that the photograph shows.

products: each product; a match is the same style, or its category and colour.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from models.calibrate.evidence import Evidence, Flags, Vectors, evidence, together
from models.calibrate.rules import COLOUR_TOLERANCE, sold_as

WORDS_ON_TOPIC = ("attributes", "name", "name+colour")
"""Kinds of text queries that name clothes. A sentence of a description often names none ("there
is no better way to spend a Sunday"), so descriptions are only reported."""


@dataclass(frozen=True, slots=True, eq=False)
class Item:
    """A product of the gallery.

    Shapes: own (views, d), its views' vectors as the index pools them; colour (3,), Lab.
    """

    product_id: str
    style_id: str
    category: str
    clothing: bool
    views: tuple[str, ...]
    own: Vectors
    photographs: Vectors
    """(views, d): each view as a query by photograph sees it, all clothing together."""
    colour: npt.NDArray[np.float64]

    @property
    def vector(self) -> Vectors:
        return mean_of(self.own)


@dataclass(frozen=True, slots=True, eq=False)
class UserPhoto:
    """A photograph of one garment and what it is. Shapes: vector (d,); colour (3,), Lab."""

    path: Path
    label: str
    vector: Vectors
    colour: npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class OffTopic:
    """Queries about something else, by kind. Shapes: texts and pictures (m, d)."""

    texts: Mapping[str, Vectors]
    pictures: Mapping[str, Vectors]


def mean_of(vectors: Vectors) -> Vectors:
    """The normalised mean, as the indexer pools views."""
    mean = vectors.mean(axis=0, dtype=np.float64)
    return np.asarray(mean / np.linalg.norm(mean), np.float32)


def words(
    items: Sequence[Item],
    queries: Sequence[tuple[str, str, frozenset[str]]],
    vectors: Mapping[str, Vectors],
    off_topic: Mapping[str, Vectors],
) -> Evidence:
    """Text queries. Args: queries: kind, text and the relevant products' identifiers."""
    gallery = np.stack([item.vector for item in items])
    categories = np.array([item.category for item in items])
    colours = np.stack([item.colour for item in items])
    parts = []
    for kind in sorted({kind for kind, _, _ in queries}):
        asked = [
            (text, np.array([item.product_id in relevant for item in items]))
            for found, text, relevant in queries
            if found == kind
        ]
        asked = [(text, relevant) for text, relevant in asked if relevant.any()]
        if not asked:
            continue
        matches = []
        for _, relevant in asked:
            alike = relevant
            if kind != "attributes":
                alike = relevant | np.isin(categories, categories[relevant])
            if "colour" in kind:
                apart = np.linalg.norm(colours[:, None] - colours[relevant][None], axis=2)
                alike = relevant | (alike & (apart.min(axis=1) <= COLOUR_TOLERANCE))
            matches.append(alike)
        parts.append(
            evidence(
                np.stack([vectors[text] for text, _ in asked]),
                gallery,
                np.stack(matches),
                on_topic=True,
                groups=[_group(kind, text, relevant, items) for text, relevant in asked],
                stratum=kind,
            )
        )
    return together([*parts, *_nothing(off_topic, gallery)])


def photographs(
    items: Sequence[Item],
    photos: Sequence[UserPhoto],
    off_topic: Mapping[str, Vectors],
) -> Evidence:
    """Queries by photograph. Users' photographs of what the shops do not sell are their own
    stratum, neither about clothes here nor about something else."""
    gallery = np.stack([item.vector for item in items])
    styles = np.array([item.style_id for item in items])
    parts = []
    for number, item in enumerate(items):
        if len(item.own) < 2 or not item.clothing:
            continue
        for place in range(len(item.own)):
            rest = gallery.copy()
            rest[number] = mean_of(np.delete(item.own, place, axis=0))
            parts.append(
                evidence(
                    item.photographs[place][None],
                    rest,
                    (styles == item.style_id)[None],
                    on_topic=True,
                    groups=[item.style_id],
                    stratum="another view",
                )
            )
    colours = np.stack([item.colour for item in items])
    for photo in photos:
        sold = np.array([sold_as(photo.label, item.category) for item in items])
        near = np.linalg.norm(colours - photo.colour, axis=1) <= COLOUR_TOLERANCE
        parts.append(
            evidence(
                photo.vector[None],
                gallery,
                (sold & near)[None],
                on_topic=bool(sold.any()),
                groups=[photo.path.name],
                stratum="user photograph" if sold.any() else "user photograph, not sold",
            )
        )
    return together([*parts, *_nothing(off_topic, gallery)])


def products(items: Sequence[Item]) -> Evidence:
    """Each product as a query, itself not among the results. What is no clothing asks a gallery of
    clothes: that is as far off as a stored product can be."""
    clothes = [item for item in items if item.clothing]
    parts = [_products(clothes, clothes, on_topic=True, stratum="clothing")]
    others = [item for item in items if not item.clothing]
    if others:
        parts.append(_products(others, clothes, on_topic=False, stratum="no clothing"))
    return together(parts)


def _products(
    asked: Sequence[Item], items: Sequence[Item], *, on_topic: bool, stratum: str
) -> Evidence:
    styles = np.array([item.style_id for item in items])
    categories = np.array([item.category for item in items])
    colours = np.stack([item.colour for item in items])
    matches, hidden = [], []
    for item in asked:
        near = np.linalg.norm(colours - item.colour, axis=1) <= COLOUR_TOLERANCE
        matches.append((styles == item.style_id) | ((categories == item.category) & near))
        hidden.append(np.array([other.product_id == item.product_id for other in items]))
    return evidence(
        np.stack([item.vector for item in asked]),
        np.stack([item.vector for item in items]),
        np.stack(matches),
        on_topic=on_topic,
        groups=[item.style_id for item in asked],
        stratum=stratum,
        hidden=np.stack(hidden),
    )


def _group(kind: str, text: str, relevant: Flags, items: Sequence[Item]) -> str:
    if kind == "attributes":
        return text
    return min(item.style_id for item, one in zip(items, relevant, strict=True) if one)


def _nothing(off_topic: Mapping[str, Vectors], gallery: Vectors) -> list[Evidence]:
    found = []
    for stratum, vectors in sorted(off_topic.items()):
        if len(vectors):
            none: Flags = np.zeros((len(vectors), len(gallery)), np.bool_)
            found.append(
                evidence(
                    vectors,
                    gallery,
                    none,
                    on_topic=False,
                    groups=[f"{stratum} {number}" for number in range(len(vectors))],
                    stratum=stratum,
                )
            )
    return found
