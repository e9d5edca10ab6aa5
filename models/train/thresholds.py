"""Where a match begins to mean little: `python -m models.train.thresholds --data DIR`.

For each kind of query two sets of best scores over the shops luma and prestashop, which were never
trained on: queries that the gallery can answer and queries that it cannot. The threshold is the
score that tells the two apart with the fewest mistakes, each set weighing the same, such that
between one in twenty and one in ten answerable queries are called weak.
"""

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from models.registry import PACKAGE_DIR
from models.safetensors_file import read_safetensors
from models.train.catalogue import load_validation_photos
from models.train.evaluate import Vectors, product_vector
from models.train.heads import apply_head
from models.train.measure import SOURCES, FrozenFeatures, load_products, own_classes
from models.train.texts import text_features

OFF_TOPIC = (
    "bicycle pump", "capital of France", "how to bake sourdough bread", "gaming laptop 16 GB",
    "kitchen table made of oak", "dog food", "electric guitar", "car tyres 205/55 R16",
    "quarterly report of the bank", "a bowl of fresh strawberries", "garden hose", "mountain lake",
    "train to Berlin tomorrow morning", "smartphone with a good camera", "history of Rome",
    "washing machine", "drill bits for concrete", "children's book about dinosaurs", "house plant",
    "football match result", "python list comprehension", "fishing rod", "office chair", "aspirin",
    "the speed of light", "cat playing the piano", "coffee machine", "tent for four people",
    "wine from Italy", "lawn mower", "led light bulb", "swimming pool", "tax return", "toothbrush",
)  # fmt: skip
# Kinds of validation photographs that the shops sell, and that they do not.
_SOLD = ("t-shirt", "pants", "shorts", "jacket", "long-sleeve")
_NOT_SOLD = ("shoes", "hat")
_FALSE_ALARMS_PERCENT = (5, 10)


def best_threshold(answerable: Vectors, unanswerable: Vectors) -> tuple[float, float]:
    """The threshold and its balanced accuracy."""
    floor, ceiling = np.percentile(answerable, _FALSE_ALARMS_PERCENT)
    candidates = np.concatenate([[floor, ceiling], answerable, unanswerable])
    candidates = np.sort(candidates[(candidates >= floor) & (candidates <= ceiling)])
    accuracy = [((answerable >= c).mean() + (unanswerable < c).mean()) / 2 for c in candidates]
    best = int(np.argmax(accuracy))
    return float(candidates[best]), float(accuracy[best])


def fit(data: Path, heads: dict[str, npt.NDArray[Any]], crops: str, threads: int) -> None:
    """Prints the thresholds with the scores behind them."""
    frozen = FrozenFeatures(crops, threads)
    lines = load_products(data)
    images = {
        image: apply_head(
            heads, "image", frozen(data / "products" / image, own_classes(line["category"]))[None]
        )[0]
        for line in lines
        for image in line["images"]
    }
    vectors = np.stack([product_vector([images[i] for i in line["images"]]) for line in lines])
    clothing = np.array([bool(line["is_clothing"]) for line in lines])
    gallery = vectors[clothing]
    styles = np.array([line["style_id"] for line in lines])

    with (data / "products" / "queries.jsonl").open() as file:
        queries = [json.loads(line) for line in file]
    on_topic = [
        q["text"]
        for q in queries
        if q["kind"] in ("attributes", "name+colour") and q["relevant"][0].split(":")[0] in SOURCES
    ]
    words = [
        (apply_head(heads, "text", text_features(texts, threads)) @ gallery.T).max(axis=1)
        for texts in (on_topic, list(OFF_TOPIC))
    ]
    photos = load_validation_photos(data)
    pictures = []
    for kinds in (_SOLD, _NOT_SOLD):
        features = np.stack([frozen(p.path, ()) for p in photos if p.kind in kinds])
        pictures.append((apply_head(heads, "image", features) @ gallery.T).max(axis=1))
    # A product's neighbours of another style: clothing has some, bags and watches have none here.
    others = np.where(styles[:, None] == styles[clothing][None], -1.0, vectors @ gallery.T)
    products = [others[clothing].max(axis=1), others[~clothing].max(axis=1)]
    for name, (good, bad) in (("text", words), ("image", pictures), ("product", products)):
        threshold, accuracy = best_threshold(good, bad)
        low, middle = np.percentile(good, [5, 50])
        print(
            f"{name:8} weak below {threshold:.3f} (balanced accuracy {accuracy:.3f}); "
            f"answerable 5 % {low:.3f} median {middle:.3f}; "
            f"unanswerable median {np.median(bad):.3f} 95 % {np.percentile(bad, 95):.3f}"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--crops", choices=("plain", "green"), default="plain")
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args()
    heads = dict(read_safetensors(PACKAGE_DIR / "lookalike_mini_v0" / "heads.safetensors"))
    fit(arguments.data, heads, arguments.crops, arguments.threads)


if __name__ == "__main__":
    main()
