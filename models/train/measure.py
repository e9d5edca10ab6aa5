"""Measures the committed heads by protocols A, B and C, on shops that were never trained on.

    python -m models.train.measure --data DIR [--crops plain|green] [--heads FILE]

plain: the photographs as they are. green: the garment that the product's category names, cut out
by the clothing network and put on green, as ingest does it.
"""

import argparse
import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnxruntime as ort
from PIL import Image

from models.lookalike_mini import EFFICIENTNET_FILE, build_image_tower
from models.registry import cache_dir, installed
from models.safetensors_file import read_safetensors
from models.train.catalogue import load_validation_photos
from models.train.evaluate import (
    Product,
    Query,
    leave_one_view_out,
    product_vector,
    words_to_product,
    zero_shot,
)
from models.train.heads import apply_head
from models.train.masks import ClothMasks, MaskSource, SalientMasks, cached_mask, plausible
from models.train.texts import text_features
from models.train.views import make_views

SOURCES = ("luma", "prestashop")
_CLASSES = {
    "t-shirt": "t-shirt", "longsleeve": "long sleeve top", "hoodie": "hoodie", "polo": "polo shirt",
    "shirt": "shirt", "blouse": "blouse", "undershirt": "tank top", "top": "top",
    "body": "baby bodysuit", "dress": "dress", "skirt": "skirt", "pants": "pants",
    "shorts": "shorts", "outwear": "jacket", "blazer": "blazer", "shoes": "shoes", "hat": "hat",
}  # fmt: skip
# The ten classes of the small clothing data set, which is where the validation split comes from.
_TEN = (
    "dress", "hat", "longsleeve", "outwear", "pants", "shirt", "shoes", "shorts", "skirt",
    "t-shirt",
)  # fmt: skip
_PROMPTS = ("{0}", "a photo of a {0}", "{0}, product photo")
_LOWER_WORDS = ("pants", "shorts", "skirt", "cut")
_WHOLE_WORDS = ("dress", "coat")
_CLOTH_SIDE_PX = 512
_LABEL_OF_KIND = {"t-shirt": "t-shirt", "long-sleeve": "longsleeve", "jacket": "outwear"}


class FrozenFeatures:
    """Frozen features of photographs, plain or cut out, cached by content."""

    def __init__(self, crops: str, threads: int) -> None:
        self._view = "plain" if crops == "plain" else "cut"
        self._folder = cache_dir() / "train" / f"measure-{crops}"
        self._folder.mkdir(parents=True, exist_ok=True)
        tower = self._folder / "tower.onnx"
        build_image_tower(
            installed("efficientnet-lite2") / EFFICIENTNET_FILE, None, tower, "measuring"
        )
        options = ort.SessionOptions()
        options.intra_op_num_threads = threads
        self._tower = ort.InferenceSession(tower, options, providers=["CPUExecutionProvider"])
        self._masks: dict[tuple[int, ...], MaskSource] = {}
        self._threads = threads

    def __call__(self, path: Path, classes: tuple[int, ...]) -> npt.NDArray[np.float32]:
        key = hashlib.sha256(path.read_bytes() + bytes(classes)).hexdigest()[:32]
        cached = self._folder / f"{key}.npy"
        if not cached.exists():
            with Image.open(path) as image:
                pixels = np.asarray(image.convert("RGB"))
            mask = None if self._view == "plain" else cached_mask(self._source(classes), path)
            if mask is not None and not plausible(mask):
                mask = None
            view = make_views(pixels, mask, np.random.default_rng(0), [self._view])[0]
            features = self._tower.run(None, {"pixels_rgba": view.pixels_rgba[None]})[0][0]
            np.save(cached, features)
        return np.asarray(np.load(cached))

    def _source(self, classes: tuple[int, ...]) -> MaskSource:
        if classes not in self._masks:
            self._masks[classes] = (
                ClothMasks("u2net-cloth-int8", self._threads, _CLOTH_SIDE_PX, classes)
                if classes
                else SalientMasks(self._threads)
            )
        return self._masks[classes]


def load_products(data: Path) -> list[dict[str, Any]]:
    with (data / "products" / "products.jsonl").open() as file:
        lines = [json.loads(line) for line in file]
    return [line for line in lines if line["source"] in SOURCES]


def own_classes(category: str) -> tuple[int, ...]:
    """Clothing classes (1 upper, 2 lower, 3 full) that a category names."""
    lower = category.lower()
    if any(word in lower for word in _LOWER_WORDS):
        return (2,)
    return (1, 2, 3) if any(word in lower for word in _WHOLE_WORDS) else (1, 3)


def measure(
    data: Path, heads: dict[str, npt.NDArray[Any]], crops: str, threads: int
) -> dict[str, Any]:
    """All figures, by protocol."""
    frozen = FrozenFeatures(crops, threads)
    lines = load_products(data)
    products = [
        Product(p["group_id"], p["style_id"], p["source"], tuple(p["images"]), tuple(p["views"]))
        for p in lines
    ]
    stacked = np.stack(
        [
            frozen(data / "products" / image, own_classes(line["category"]))
            for line in lines
            for image in line["images"]
        ]
    )
    names = [image for line in lines for image in line["images"]]
    vectors = dict(zip(names, apply_head(heads, "image", stacked), strict=True))
    result: dict[str, Any] = {}
    for source in (*[(s,) for s in SOURCES], SOURCES):
        key = "+".join(source)
        result[f"A {key}"] = leave_one_view_out(products, vectors, source)
        result[f"A {key} (view left out of other colours)"] = leave_one_view_out(
            products, vectors, source, same_view_of_other_colours=False
        )
    gallery = np.stack([product_vector([vectors[i] for i in p.images]) for p in products])
    with (data / "products" / "queries.jsonl").open() as file:
        queries = [
            Query(q["kind"], q["text"], frozenset(q["relevant"]))
            for q in map(json.loads, file)
            if any(r.split(":")[0] in SOURCES for r in q["relevant"])
        ]
    texts = apply_head(heads, "text", text_features([q.text for q in queries], threads))
    result |= {f"B {k}": v for k, v in words_to_product(queries, texts, products, gallery).items()}
    for name, labels in (("C ten classes", _TEN), ("C all classes", tuple(_CLASSES))):
        result[name] = _zero_shot(data, heads, frozen, labels, threads)
    return result


def _zero_shot(
    data: Path,
    heads: dict[str, npt.NDArray[Any]],
    frozen: FrozenFeatures,
    labels: Sequence[str],
    threads: int,
) -> dict[str, float]:
    photos = load_validation_photos(data)
    truth = [_LABEL_OF_KIND.get(photo.kind, photo.kind) for photo in photos]
    features = np.stack([frozen(photo.path, ()) for photo in photos])
    vectors = apply_head(heads, "image", features)
    prompts = [prompt.format(_CLASSES[label]) for label in labels for prompt in _PROMPTS]
    texts = apply_head(heads, "text", text_features(prompts, threads))
    per_class = [product_vector(list(group)) for group in np.split(texts, len(labels))]
    return zero_shot(truth, vectors, labels, np.stack(per_class))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--crops", choices=("plain", "green"), default="plain")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument(
        "--heads",
        type=Path,
        default=Path(__file__).resolve().parents[1] / "lookalike_mini_v0" / "heads.safetensors",
    )
    arguments = parser.parse_args()
    heads = dict(read_safetensors(arguments.heads))
    for name, figures in measure(arguments.data, heads, arguments.crops, arguments.threads).items():
        print(f"{name:55} " + "  ".join(f"{k} {v}" for k, v in figures.items()))


if __name__ == "__main__":
    main()
