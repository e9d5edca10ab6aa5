"""A folder of measuring data: products, labelled photographs, hand-made masks; any may be absent.

    products/products.jsonl, products/queries.jsonl     protocols A and B
    garments/labels.csv, labelled/labels.csv            protocol C
    masks/masks.csv                                     protocol D

docs/evaluation.md describes every field. What is optional there has a default here; what is not is
told with its file and line.
"""

import csv
import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

LABELLED_FOLDERS = ("garments", "labelled")
_VALIDATION = "val"
T = TypeVar("T")


class LayoutError(ValueError):
    """A file of the data does not say what it must."""


@dataclass(frozen=True, slots=True)
class CatalogueProduct:
    """One product in one colour.

    style_id: equal for the colours of one style.
    images: paths, each of one view; views: their names, in the same order.
    colour: the basic colour word if there is one, else the shop's own word, lower case.
    """

    product_id: str
    style_id: str
    source: str
    category: str | None
    colour: str | None
    images: tuple[Path, ...]
    views: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class TextQuery:
    """Words and the products that answer them."""

    query_id: str
    kind: str
    text: str
    relevant: frozenset[str]


@dataclass(frozen=True, slots=True)
class LabelledPhoto:
    """A photograph of one garment and what it is."""

    path: Path
    label: str


@dataclass(frozen=True, slots=True)
class LabelledSet:
    """The photographs of one labels.csv that are measured.

    classes: every label of the file, also of those that are not measured; sorted.
    """

    name: str
    photos: tuple[LabelledPhoto, ...]
    classes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class MaskedPhoto:
    """A photograph and its hand-made map: 0 background, 1 upper, 2 lower, 3 full, 255 ignore."""

    photo_id: str
    source: str
    path: Path
    map_path: Path


@dataclass(frozen=True, slots=True)
class Measuring:
    """Everything that a folder holds; an absent part is empty."""

    products: tuple[CatalogueProduct, ...]
    queries: tuple[TextQuery, ...]
    labelled: tuple[LabelledSet, ...]
    masked: tuple[MaskedPhoto, ...]


def read_measuring(data: Path, shops: Sequence[str] = (), limit: int = 0) -> Measuring:
    """Reads the lists, not the photographs.

    Args:
      shops: only products of these sources; empty for all.
      limit: at most so many products of each shop, photographs of each labels.csv and masks of each
        source, evenly spread over the file; 0 for all.

    Raises:
      LayoutError: nothing to measure, or a line lacks a field.
    """
    products = [one for one in _products(data / "products") if not shops or one.source in shops]
    products = _spread(products, limit, [one.source for one in products])
    there = {one.product_id for one in products}
    queries = [one for one in _queries(data / "products") if one.relevant & there]
    labelled = [one for name in LABELLED_FOLDERS if (one := _labelled(data / name, limit))]
    masked = list(_masked(data / "masks"))
    masked = _spread(masked, limit, [one.source for one in masked])
    if not products and not labelled and not masked:
        raise LayoutError(f"{data} has no products of that kind, no labels.csv and no masks")
    return Measuring(tuple(products), tuple(queries), tuple(labelled), tuple(masked))


def without(measuring: Measuring, bad: Collection[Path]) -> Measuring:
    """The same without some photographs, and without what has none left."""
    products = []
    for one in measuring.products:
        kept = [(i, v) for i, v in zip(one.images, one.views, strict=True) if i not in bad]
        if kept:
            images, views = zip(*kept, strict=True)
            products.append(replace(one, images=images, views=views))
    there = {one.product_id for one in products}
    labelled = [
        replace(one, photos=tuple(photo for photo in one.photos if photo.path not in bad))
        for one in measuring.labelled
    ]
    return Measuring(
        tuple(products),
        tuple(one for one in measuring.queries if one.relevant & there),
        tuple(one for one in labelled if one.photos),
        tuple(one for one in measuring.masked if one.path not in bad),
    )


def _products(folder: Path) -> Iterator[CatalogueProduct]:
    for where, line in _lines(folder / "products.jsonl"):
        names = list(dict.fromkeys(_field(line, "images", where)))
        views = [str(view) for view in line.get("views") or names]
        if len(views) != len(names):
            raise LayoutError(f"{where}: {len(names)} different images, {len(views)} views")
        product_id = str(_field(line, "group_id", where))
        colour = line.get("colour_basic") or line.get("colour")
        yield CatalogueProduct(
            product_id=product_id,
            style_id=str(line.get("style_id") or product_id),
            source=str(line.get("source") or "catalogue"),
            category=line.get("category") or None,
            colour=colour.casefold() if colour else None,
            images=tuple(folder / name for name in names),
            views=tuple(views),
        )


def _queries(folder: Path) -> Iterator[TextQuery]:
    for where, line in _lines(folder / "queries.jsonl"):
        yield TextQuery(
            query_id=str(line.get("query_id") or where),
            kind=str(line.get("kind") or "words"),
            text=str(_field(line, "text", where)),
            relevant=frozenset(map(str, _field(line, "relevant", where))),
        )


def _labelled(folder: Path, limit: int) -> LabelledSet | None:
    rows = list(_rows(folder / "labels.csv"))
    if not rows:
        return None
    labels = sorted({_field(row, "label", where) for where, row in rows})
    # Without a split of its own every photograph serves to measure.
    splits = any(row.get("split") == _VALIDATION for _, row in rows)
    photos = [
        LabelledPhoto(folder / _field(row, "path", where), row["label"])
        for where, row in rows
        if not splits or row["split"] == _VALIDATION
    ]
    photos = _spread(sorted(photos, key=lambda one: one.path), limit, [""] * len(photos))
    return LabelledSet(folder.name, tuple(photos), tuple(labels))


def _masked(folder: Path) -> Iterator[MaskedPhoto]:
    for where, row in _rows(folder / "masks.csv"):
        yield MaskedPhoto(
            photo_id=row.get("id") or _field(row, "image", where),
            source=row.get("source") or "masks",
            path=folder / _field(row, "image", where),
            map_path=folder / _field(row, "three_png", where),
        )


def _lines(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    if not path.is_file():
        return
    with path.open(encoding="utf-8") as file:
        for number, line in enumerate(file, 1):
            if line.strip():
                where = f"{path}:{number}"
                try:
                    value = json.loads(line)
                except ValueError as error:
                    raise LayoutError(f"{where}: {error}") from error
                if not isinstance(value, dict):
                    raise LayoutError(f"{where}: not an object")
                yield where, value


def _rows(path: Path) -> Iterator[tuple[str, dict[str, str]]]:
    if not path.is_file():
        return
    with path.open(encoding="utf-8", newline="") as file:
        for number, row in enumerate(csv.DictReader(file), 2):
            yield f"{path}:{number}", row


def _field(line: Mapping[str, Any], name: str, where: str) -> Any:
    if not line.get(name):
        raise LayoutError(f"{where}: {name} is missing")
    return line[name]


def _spread(items: list[T], limit: int, kinds: Sequence[str]) -> list[T]:
    if not limit:
        return items
    kept: set[int] = set()
    for kind in set(kinds):
        places = [place for place, one in enumerate(kinds) if one == kind]
        step = max(1.0, len(places) / limit)
        kept |= {places[int(i * step)] for i in range(min(limit, len(places)))}
    return [item for place, item in enumerate(items) if place in kept]
