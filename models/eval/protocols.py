"""The protocols A (views), B (words), C (categories) and D (masks) on vectors and maps.

They know no model and no file: whoever has vectors of photographs and of texts can call them. One
query gives one row of results, from which `tables` makes figures with intervals.

Ranks count from 0: how many wrong answers come before the first right one. A tie counts against.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Vectors = npt.NDArray[np.float32]
SHOWN = 5
"""Best answers that are kept of each query, for the contact sheets."""


@dataclass(frozen=True, slots=True)
class Product:
    """One product in one colour. views[i] is the name of the view that images[i] shows.

    own: whether images[i] counts in the product's vector; empty for all. A photograph that shows
    another garment is asked with, but is no view of this one.
    """

    product_id: str
    style_id: str
    source: str
    images: tuple[str, ...]
    views: tuple[str, ...]
    own: tuple[bool, ...] = ()


@dataclass(frozen=True, slots=True)
class Query:
    """A text and the products that answer it."""

    kind: str
    text: str
    relevant: frozenset[str]


@dataclass(frozen=True, slots=True)
class ViewResult:
    """Protocol A's answer to one view: ranks of its product and of its style, the best products."""

    product: int
    image: str
    strict: int
    lenient: int
    best: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class WordsResult:
    """Protocol B's answer to one query that has relevant products."""

    query: int
    rank: int
    ndcg_at_10: float
    best: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class MaskResult:
    """Protocol D's answer to one photograph.

    iou: of clothing and the rest. overlap, union: pixels of each class 1 to 3, ignored ones left
    out.
    """

    iou: float
    overlap: tuple[int, int, int]
    union: tuple[int, int, int]


def unit(vectors: npt.NDArray[np.float32]) -> Vectors:
    """Rows of length 1; a row of zeros stays one."""
    lengths = np.linalg.norm(vectors, axis=-1, keepdims=True)
    return np.asarray(vectors / np.where(lengths == 0, 1, lengths), np.float32)


def product_vector(image_vectors: Sequence[Vectors]) -> Vectors:
    """The normalised mean of a product's unit vectors."""
    return unit(np.mean(np.stack(image_vectors), axis=0))


def gallery_of(products: Sequence[Product], vectors: Mapping[str, Vectors]) -> Vectors:
    """Every product's vector, (products, dimension)."""
    return np.stack([product_vector([vectors[i] for i in _gallery_images(p)]) for p in products])


def view_results(
    products: Sequence[Product],
    vectors: Mapping[str, Vectors],
    sources: Sequence[str] = (),
    *,
    same_view_of_other_colours: bool = True,
) -> list[ViewResult]:
    """Protocol A: each view searches all products, its own product without that view.

    Products of one view are answers only.

    Args:
      vectors: by image name, of length 1.
      sources: whose views are asked with; empty for all.
      same_view_of_other_colours: False leaves the query's view out of the other colours' vectors
        too, since colour variants are often one photograph recoloured.
    """
    gallery = gallery_of(products, vectors)
    by_style = _by_style(products)
    results = []
    for number, product in enumerate(products):
        if (sources and product.source not in sources) or len(product.images) < 2:
            continue
        style = by_style[product.style_id]
        for image, view in zip(product.images, product.views, strict=True):
            scores = gallery @ vectors[image]
            for other in [number] if same_view_of_other_colours else style:
                left_out = {
                    i
                    for i, v in zip(products[other].images, products[other].views, strict=True)
                    if i == image or (other != number and v == view)
                }
                kept = [vectors[i] for i in _gallery_images(products[other], left_out)]
                scores[other] = product_vector(kept) @ vectors[image] if kept else -np.inf
            results.append(
                ViewResult(
                    number,
                    image,
                    _rank(scores, [number]),
                    _rank(scores, style),
                    tuple(map(int, np.argsort(-scores, kind="stable")[:SHOWN])),
                )
            )
    return results


def words_results(
    queries: Sequence[Query],
    text_vectors: Vectors,
    products: Sequence[Product],
    product_vectors: Vectors,
) -> list[WordsResult]:
    """Protocol B; relevant products outside the gallery do not count."""
    numbers = {product.product_id: i for i, product in enumerate(products)}
    gain = 1 / np.log2(np.arange(2, 12))
    results = []
    for number, (row, query) in enumerate(
        zip(text_vectors @ product_vectors.T, queries, strict=True)
    ):
        relevant = [numbers[r] for r in query.relevant if r in numbers]
        if not relevant:
            continue
        order = np.argsort(-row, kind="stable")
        found = np.isin(order[:10], relevant)
        ideal = gain[: min(10, len(relevant))].sum()
        ndcg = float((gain[: len(found)] * found).sum() / ideal)
        best = tuple(map(int, order[:SHOWN]))
        results.append(WordsResult(number, _rank(row, relevant), ndcg, best))
    return results


def class_guesses(image_vectors: Vectors, class_vectors: Vectors) -> npt.NDArray[np.intp]:
    """Protocol C: the number of the nearest class of each image."""
    return np.asarray((image_vectors @ class_vectors.T).argmax(axis=1))


def neighbour_guesses(vectors: Vectors, labels: Sequence[str], neighbours: int = 5) -> list[str]:
    """The label that most of a photograph's nearest others have; the nearest decides a draw."""
    scores = vectors @ vectors.T
    np.fill_diagonal(scores, -np.inf)
    guesses = []
    for row in scores:
        near = [labels[i] for i in np.argsort(-row, kind="stable")[: min(neighbours, len(row) - 1)]]
        guesses.append(max(near, key=near.count))
    return guesses


def mask_result(
    predicted: npt.NDArray[np.uint8], truth: npt.NDArray[np.uint8], *, whole_image: bool = False
) -> MaskResult:
    """Protocol D for one photograph.

    Args:
      predicted: class ids 0 to 3, (height, width).
      truth: the same, and 255: clothing whose class is not judged.
      whole_image: the segmenter found nothing, so that all of the picture is taken for clothing.
    """
    clothing = truth > 0
    found = np.ones_like(clothing) if whole_image else predicted > 0
    union = int((clothing | found).sum())
    judged = truth != 255
    pairs = [((predicted == c) & judged, (truth == c) & judged) for c in (1, 2, 3)]
    overlaps = [int((a & b).sum()) for a, b in pairs]
    unions = [int((a | b).sum()) for a, b in pairs]
    return MaskResult(
        int((clothing & found).sum()) / union if union else 1.0,
        (overlaps[0], overlaps[1], overlaps[2]),
        (unions[0], unions[1], unions[2]),
    )


def leave_one_view_out(
    products: Sequence[Product],
    vectors: Mapping[str, Vectors],
    sources: Sequence[str],
    *,
    same_view_of_other_colours: bool = True,
) -> dict[str, float]:
    """Protocol A's figures, strict (the product) and lenient (its style in any colour)."""
    results = view_results(
        products, vectors, sources, same_view_of_other_colours=same_view_of_other_colours
    )
    strict = rank_figures([result.strict for result in results])
    lenient = rank_figures([result.lenient for result in results])
    figures = {f"strict_{name}": value for name, value in strict.items()}
    return figures | {f"lenient_{name}": value for name, value in lenient.items()}


def words_to_product(
    queries: Sequence[Query],
    text_vectors: Vectors,
    products: Sequence[Product],
    product_vectors: Vectors,
) -> dict[str, dict[str, float]]:
    """Protocol B's figures, by kind of query."""
    by_kind: dict[str, list[WordsResult]] = {}
    for result in words_results(queries, text_vectors, products, product_vectors):
        by_kind.setdefault(queries[result.query].kind, []).append(result)
    return {
        kind: rank_figures([one.rank for one in results])
        | {
            "ndcg_at_10": round(float(np.mean([one.ndcg_at_10 for one in results])), 4),
            "queries": len(results),
        }
        for kind, results in sorted(by_kind.items())
    }


def zero_shot(
    labels: Sequence[str], image_vectors: Vectors, classes: Sequence[str], class_vectors: Vectors
) -> dict[str, float]:
    """Protocol C's figures: top-1 and balanced accuracy of the nearest class vector."""
    right = np.asarray(classes)[class_guesses(image_vectors, class_vectors)] == np.asarray(labels)
    balanced = [right[np.asarray(labels) == name].mean() for name in sorted(set(labels))]
    return {
        "top_1": round(float(right.mean()), 4),
        "balanced": round(float(np.mean(balanced)), 4),
        "images": len(labels),
    }


def rank_figures(ranks: Sequence[int]) -> dict[str, float]:
    """Recall at 1, 5, 10 and mean reciprocal rank."""
    r = np.asarray(ranks)
    figures = {f"r_at_{k}": round(float((r < k).mean()), 4) for k in (1, 5, 10)}
    return figures | {"mrr": round(float((1 / (r + 1)).mean()), 4)}


def _gallery_images(
    product: Product, left_out: frozenset[str] | set[str] = frozenset()
) -> list[str]:
    """The images that make a product's vector; all that remain if none of them shows it."""
    own = product.own or (True,) * len(product.images)
    remaining = [(i, o) for i, o in zip(product.images, own, strict=True) if i not in left_out]
    return [i for i, o in remaining if o] or [i for i, _ in remaining]


def _by_style(products: Sequence[Product]) -> dict[str, list[int]]:
    by_style: dict[str, list[int]] = {}
    for number, product in enumerate(products):
        by_style.setdefault(product.style_id, []).append(number)
    return by_style


def _rank(scores: npt.NDArray[np.float32], right: Sequence[int]) -> int:
    wrong = np.ones(len(scores), bool)
    wrong[list(right)] = False
    return int((scores[wrong] >= scores[list(right)].max()).sum())
