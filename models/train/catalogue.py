"""The training photographs and what is known about each.

Only sources that may be trained on: the CC0 garments (their train split) and the BSD shops spree
and saleor. The shops luma and prestashop serve to choose and to measure, and are never read here.
"""

import csv
import json
from dataclasses import dataclass
from pathlib import Path

_GARMENT_KINDS = {
    "t-shirt": "t-shirt", "longsleeve": "long-sleeve", "hoodie": "hoodie", "polo": "polo",
    "shirt": "shirt", "blouse": "blouse", "undershirt": "tank", "top": "top", "body": "body",
    "dress": "dress", "skirt": "skirt", "pants": "pants", "shorts": "shorts",
    "outwear": "jacket", "blazer": "blazer", "shoes": "shoes", "hat": "hat",
}  # fmt: skip
# The first word found in a shop's product name decides; the category speaks where none is found.
_NAME_KINDS = (
    ("sports bra", "bra"), ("hoodie", "hoodie"), ("sweatshirt", "sweatshirt"),
    ("jumper", "sweater"), ("sweater", "sweater"), ("waistcoat", "jacket"), ("jacket", "jacket"),
    ("anorak", "jacket"), ("coat", "coat"), ("polo", "polo"), ("tank", "tank"),
    ("long sleeve t-shirt", "long-sleeve"), ("long sleeves", "long-sleeve"),
    ("t-shirt", "t-shirt"), ("tee", "t-shirt"), ("short pants", "shorts"), ("pants", "pants"),
    ("skirt", "skirt"), ("dress", "dress"), ("blouse", "blouse"), ("shirt", "shirt"),
    ("crop", "bra"), ("top", "top"), ("beanie", "hat"), ("warmer", "neck-warmer"),
    ("sunnies", "sunglasses"),
)  # fmt: skip
_CATEGORY_KINDS = {"T-Shirts": "t-shirt", "Shoes": "shoes"}
_WOMEN_ONLY = frozenset({"dress", "skirt", "blouse", "bra"})


@dataclass(frozen=True, slots=True)
class Photo:
    """One photograph.

    item: equal for photographs of one product in one colour.
    kind: see `vocabulary.KINDS`.
    gender: men, women or kids; None if not known.
    name: the shop's name of the product, if it has one.
    colour: the shop's word for its colour, if it has one.
    worn: somebody wears it.
    """

    path: Path
    item: str
    source: str
    kind: str
    gender: str | None
    name: str | None
    colour: str | None
    worn: bool


def load_training_photos(data: Path) -> list[Photo]:
    """All photographs that may be trained on, in a fixed order."""
    return _garments(data / "garments", "train") + _shops(data / "products")


def load_validation_photos(data: Path) -> list[Photo]:
    """The garments' validation split: for choosing thresholds, never for weights."""
    return _garments(data / "garments", "val")


def _garments(folder: Path, split: str) -> list[Photo]:
    with (folder / "labels.csv").open(newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["split"] == split]
    photos = []
    for row in sorted(rows, key=lambda row: row["path"]):
        kind = _GARMENT_KINDS[row["label"]]
        kids = row["kids"] == "True"
        gender = "kids" if kids else "women" if kind in _WOMEN_ONLY else None
        path = folder / row["path"]
        photos.append(Photo(path, row["path"], "garments", kind, gender, None, None, False))
    return photos


def _shops(folder: Path) -> list[Photo]:
    photos = []
    with (folder / "products.jsonl").open() as file:
        products = [json.loads(line) for line in file]
    for product in products:
        if product["source"] not in ("spree", "saleor"):
            continue
        name = product["name"].strip().lower().removesuffix(" 2")
        kind = next((kind for word, kind in _NAME_KINDS if word in name), None)
        kind = kind or _CATEGORY_KINDS[product["category"]]
        photos += [
            Photo(
                folder / image,
                product["group_id"],
                product["source"],
                kind,
                product["gender"],
                name,
                product["colour_basic"],
                product["source"] == "spree",
            )
            for image in product["images"]
        ]
    return photos
