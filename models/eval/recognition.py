"""Protocols C and D: categories of single garments, and masks."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from models.eval.cutouts import Cutouts
from models.eval.layout import LabelledPhoto, LabelledSet, MaskedPhoto
from models.eval.progress import Steps
from models.eval.prompts import prompts
from models.eval.protocols import (
    Vectors,
    class_guesses,
    mask_result,
    neighbour_guesses,
    product_vector,
)
from models.eval.tables import ALL, MASK_CLASSES, Column, Table


@dataclass(frozen=True, slots=True)
class Categories:
    """Protocol C's answers over all labelled sets; guesses and candidates by photograph."""

    table: Table
    photos: tuple[LabelledPhoto, ...]
    guesses: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Outlines:
    """Protocol D's answers, and the floor: everything is clothing."""

    table: Table
    floor: Table
    photos: tuple[MaskedPhoto, ...]


def categories_of(
    sets: Sequence[LabelledSet],
    vectors: Mapping[Path, Vectors],
    texts: Mapping[str, Vectors],
) -> Categories:
    """Protocol C.

    Each photograph has its set's classes to choose from: those that were measured (`right`), and
    all that the set's labels.csv knows (`right_of_all`). `right_by_neighbours` asks no words: the
    five nearest other photographs of the set vote.
    """
    photos: list[LabelledPhoto] = []
    guesses: list[str] = []
    right: dict[str, list[bool]] = {"right": [], "right_of_all": [], "right_by_neighbours": []}
    scopes: dict[str, tuple[int, ...]] = {}
    for one in sets:
        labels = [photo.label for photo in one.photos]
        stacked = np.stack([vectors[photo.path] for photo in one.photos])
        answers = {
            "right": _nearest_class(stacked, sorted(set(labels)), texts),
            "right_of_all": _nearest_class(stacked, one.classes, texts),
            "right_by_neighbours": neighbour_guesses(stacked, labels),
        }
        for name, answer in answers.items():
            right[name] += [a == b for a, b in zip(answer, labels, strict=True)]
        scopes[one.name] = tuple(range(len(photos), len(photos) + len(labels)))
        photos += one.photos
        guesses += answers["right"]
    ids = tuple(f"{photo.path.parent.parent.name}/{photo.path.name}" for photo in photos)
    table = Table(
        ids=ids,
        groups=ids,
        scopes={ALL: tuple(range(len(photos))), **(scopes if len(scopes) > 1 else {})},
        columns={name: np.array(values, np.float64) for name, values in right.items()},
        labels=tuple(photo.label for photo in photos),
    )
    return Categories(table, tuple(photos), tuple(guesses))


def texts_of_classes(sets: Sequence[LabelledSet]) -> list[str]:
    """Every sentence that `categories_of` needs a vector of."""
    return [text for one in sets for label in one.classes for text in prompts(label)]


def outlines_of(photos: Sequence[MaskedPhoto], cutouts: Cutouts, steps: Steps) -> Outlines:
    """Protocol D. A hand-made map of another size than its photograph is an error."""
    results, floors = [], []
    for photo in steps.over("masks against hand-made ones", photos, len(photos)):
        truth = read_map(photo.map_path)
        predicted = cutouts.classes(photo.path)
        nothing = cutouts.masks(photo.path).whole_image_fallback
        results.append(mask_result(predicted, truth, whole_image=nothing))
        floors.append(mask_result(predicted, truth, whole_image=True).iou)
    columns: dict[str, Column] = {"iou": np.array([one.iou for one in results])}
    for place, name in enumerate(MASK_CLASSES):
        columns[f"overlap_{name}"] = np.array([one.overlap[place] for one in results], np.float64)
        columns[f"union_{name}"] = np.array([one.union[place] for one in results], np.float64)
    return Outlines(
        _mask_table(photos, columns), _mask_table(photos, {"iou": np.array(floors)}), tuple(photos)
    )


def read_map(path: Path) -> npt.NDArray[np.uint8]:
    """A hand-made map: 0 background, 1 upper, 2 lower, 3 full, 255 not judged."""
    with Image.open(path) as image:
        # A palette image's values are the classes; converting would make greys of its colours.
        return np.array(image if image.mode in ("P", "L") else image.convert("L"), np.uint8)


def _nearest_class(
    vectors: Vectors, labels: Sequence[str], texts: Mapping[str, Vectors]
) -> list[str]:
    classes = [product_vector([texts[text] for text in prompts(label)]) for label in labels]
    return [labels[number] for number in class_guesses(vectors, np.stack(classes))]


def _mask_table(photos: Sequence[MaskedPhoto], columns: Mapping[str, Column]) -> Table:
    sources = [photo.source for photo in photos]
    rows = range(len(photos))
    shops = {name: tuple(i for i in rows if sources[i] == name) for name in sorted(set(sources))}
    ids = tuple(photo.photo_id for photo in photos)
    return Table(ids, ids, {ALL: tuple(rows), **shops}, columns)
