"""Retrieval figures of a dual encoder: protocols A (views), B (words) and C (categories).

The protocol functions take vectors and know no model: whoever has vectors of products, of their
photographs and of texts can call them. `models/train/measure.py` does for the towers themselves.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Vectors = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Product:
    """One product in one colour. views[i] is the name of the view that images[i] shows."""

    product_id: str
    style_id: str
    source: str
    images: tuple[str, ...]
    views: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Query:
    """A text and the products that answer it."""

    kind: str
    text: str
    relevant: frozenset[str]


def unit(vectors: npt.NDArray[np.float32]) -> Vectors:
    """Rows of length 1."""
    return np.asarray(vectors / np.linalg.norm(vectors, axis=-1, keepdims=True))


def product_vector(image_vectors: Sequence[Vectors]) -> Vectors:
    """The normalised mean of a product's unit vectors."""
    return unit(np.mean(np.stack(image_vectors), axis=0))


def leave_one_view_out(
    products: Sequence[Product],
    vectors: Mapping[str, Vectors],
    sources: Sequence[str],
    *,
    same_view_of_other_colours: bool = True,
) -> dict[str, float]:
    """Protocol A: each view of `sources` searches all products, its own without that view.

    Args:
      vectors: by image name.
      same_view_of_other_colours: False leaves the query's view out of the other colours' vectors
        too (for the strict score), since colour variants are often one photograph recoloured.
    """
    gallery = np.stack([product_vector([vectors[i] for i in p.images]) for p in products])
    by_style: dict[str, list[int]] = {}
    for number, product in enumerate(products):
        by_style.setdefault(product.style_id, []).append(number)
    strict, lenient = [], []
    for number, product in enumerate(products):
        if product.source not in sources or len(product.images) < 2:
            continue
        for image, view in zip(product.images, product.views, strict=True):
            rows = gallery.copy()
            left = [number] if same_view_of_other_colours else by_style[product.style_id]
            for other in left:
                kept = [
                    vectors[i]
                    for i, v in zip(products[other].images, products[other].views, strict=True)
                    if i != image and (other == number or v != view)
                ]
                if kept:
                    rows[other] = product_vector(kept)
                else:
                    rows[other] = 0
            scores = rows @ vectors[image]
            strict.append(int((scores > scores[number]).sum()))
            best = max(scores[i] for i in by_style[product.style_id])
            lenient.append(int((scores > best).sum()))
    result = {f"strict_{k}": v for k, v in rank_figures(strict).items()}
    return result | {f"lenient_{k}": v for k, v in rank_figures(lenient).items()}


def words_to_product(
    queries: Sequence[Query],
    text_vectors: Vectors,
    products: Sequence[Product],
    product_vectors: Vectors,
) -> dict[str, dict[str, float]]:
    """Protocol B, by kind of query; relevant products outside the gallery do not count."""
    numbers = {product.product_id: i for i, product in enumerate(products)}
    scores = text_vectors @ product_vectors.T
    by_kind: dict[str, list[tuple[int, float]]] = {}
    for row, query in zip(scores, queries, strict=True):
        relevant = [numbers[r] for r in query.relevant if r in numbers]
        if not relevant:
            continue
        order = np.argsort(-row, kind="stable")
        hits = np.isin(order, relevant)
        gain = 1 / np.log2(np.arange(2, 12))
        ideal = gain[: min(10, len(relevant))].sum()
        found = hits[:10]
        ndcg = float((gain[: len(found)] * found).sum() / ideal)
        by_kind.setdefault(query.kind, []).append((int(hits.argmax()), ndcg))
    return {
        kind: rank_figures([rank for rank, _ in pairs])
        | {"ndcg_at_10": round(float(np.mean([n for _, n in pairs])), 4), "queries": len(pairs)}
        for kind, pairs in sorted(by_kind.items())
    }


def zero_shot(
    labels: Sequence[str], image_vectors: Vectors, classes: Sequence[str], class_vectors: Vectors
) -> dict[str, float]:
    """Protocol C: top-1 and balanced accuracy of the nearest class vector."""
    guesses = np.asarray(classes)[(image_vectors @ class_vectors.T).argmax(axis=1)]
    truth = np.asarray(labels)
    right = guesses == truth
    balanced = np.mean([right[truth == name].mean() for name in sorted(set(labels))])
    return {
        "top_1": round(float(right.mean()), 4),
        "balanced": round(float(balanced), 4),
        "images": len(labels),
    }


def rank_figures(ranks: Sequence[int]) -> dict[str, float]:
    """Recall at 1, 5, 10 and mean reciprocal rank of the first right answers' ranks (from 0)."""
    r = np.asarray(ranks)
    figures = {f"r_at_{k}": round(float((r < k).mean()), 4) for k in (1, 5, 10)}
    return figures | {"mrr": round(float((1 / (r + 1)).mean()), 4)}
