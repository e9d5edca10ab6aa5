"""A catalogue as ingest would store it: every product's own garment, and what each photograph says
of it."""

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np

from models.colour import srgb_to_lab
from models.eval.cutouts import COLOURS, FAR, GREEN, PLAIN, Cutouts, Pixels, Shown
from models.eval.gather import Embeddings
from models.eval.layout import CatalogueProduct
from models.eval.protocols import Product, Vectors, unit
from services.indexer import pooling
from services.indexer.domain import Garment as IndexGarment
from services.indexer.domain import GarmentEmbedding, ProductImage
from services.segmenter.domain import Garment

UNION = "union"
Key = TypeVar("Key", bound=Hashable)
PLAIN_AND_GREEN = "plain+green"
AVERAGES = {PLAIN_AND_GREEN: (PLAIN, GREEN), "green+far": (GREEN, FAR)}
"""Settings that are the normalised sum of two others' vectors. In the first the whole photograph
counts as the model's `photograph_weight` says, as in what is served; 1 where it says nothing."""
SETTINGS = (PLAIN, GREEN, UNION, *(name for name in COLOURS if name != GREEN), FAR, *AVERAGES)
"""plain: whole photographs. green: own garment on green, as ingest. union: all clothing on green,
as if no category were known. Others: own garment on another background."""
_GREEN_HUES = (105.0, 180.0)
"""Degrees of hue in Lab, from olive and lime to teal."""
_LEAST_CHROMA = 12.0


@dataclass(frozen=True, slots=True)
class View:
    """A photograph of a product; garment: the part of it that is embedded."""

    key: str
    path: Path
    garment: Garment


@dataclass(frozen=True, slots=True)
class Catalogue:
    """Products for the protocols, and the views behind their image names."""

    products: tuple[Product, ...]
    views: Mapping[str, View]
    green: frozenset[str]
    """Ids of green clothes: so called by the shop, or by their pixels where it names no colour."""


def settings_needed(asked: Sequence[str]) -> list[str]:
    """Those asked for and those that they are averages of, each once, in the order of SETTINGS."""
    needed = {part for name in asked for part in (*AVERAGES.get(name, ()), name)}
    return [name for name in SETTINGS if name in needed]


def plain_catalogue(products: Sequence[CatalogueProduct]) -> Catalogue:
    """For whole photographs: nothing is cut out, every photograph counts."""
    green = frozenset(one.product_id for one in products if _called_green(one))
    return _catalogue(products, {}, green)


def cut_catalogue(
    products: Sequence[CatalogueProduct], cutouts: Cutouts, embeddings: Embeddings
) -> Catalogue:
    """With every product's own garment, chosen by the indexer's own rules."""
    found = {path: cutouts.garments(path) for one in products for path in one.images}
    vectors = embeddings.images(
        GREEN, [Shown(path, garment, GREEN) for path, all_ in found.items() for garment in all_]
    )
    own: dict[tuple[str, Path], Garment | None] = {}
    green = set()
    for product in products:
        images = [
            ProductImage(
                sha256="",
                embeddings=tuple(
                    GarmentEmbedding(IndexGarment(g.value), vectors[Shown(path, g, GREEN)])
                    for g in found[path]
                ),
            )
            for path in product.images
        ]
        attributes = {"category": product.category} if product.category else {}
        chosen = pooling.own_garment(attributes, images)
        assert chosen is not None  # every image has a vector
        for path in product.images:
            there = {IndexGarment(g.value): g for g in found[path]}
            own[product.product_id, path] = pooling.view_of(chosen, there)
        if _called_green(product) or (not product.colour and _looks_green(product, own, cutouts)):
            green.add(product.product_id)
    return _catalogue(products, own, frozenset(green))


def setting_vectors(
    catalogue: Catalogue, setting: str, embeddings: Embeddings
) -> dict[str, Vectors]:
    """The vector of every view, by image name."""

    def single(name: str) -> dict[str, Vectors]:
        shown = {key: _shown(view, name) for key, view in catalogue.views.items()}
        vectors = embeddings.images(name, shown.values())
        return {key: vectors[one] for key, one in shown.items()}

    return averaged(setting, single, embeddings.photograph_weight)


def served_vectors(catalogue: Catalogue, embeddings: Embeddings) -> dict[str, Vectors]:
    """The vector of every view as ingest stores it, by image name."""
    shown = {key: _shown(view, GREEN) for key, view in catalogue.views.items()}
    vectors = embeddings.served(GREEN, shown.values())
    return {key: vectors[one] for key, one in shown.items()}


def averaged(
    setting: str, single: Callable[[str], dict[Key, Vectors]], photograph_weight: float
) -> dict[Key, Vectors]:
    """What `single` gives for a setting, or the normalised sum for one of AVERAGES."""
    names = AVERAGES.get(setting, (setting,))
    parts = [single(part) for part in names]
    weights = [(photograph_weight or 1.0) if part == PLAIN else 1.0 for part in names]
    return {
        key: unit(sum(np.float32(w) * part[key] for w, part in zip(weights, parts, strict=True)))
        for key in parts[0]
    }


def without_own(catalogue: Catalogue) -> Catalogue:
    """The same where every photograph counts: for settings that choose no garment."""
    products = tuple(
        Product(one.product_id, one.style_id, one.source, one.images, one.views)
        for one in catalogue.products
    )
    return Catalogue(products, catalogue.views, catalogue.green)


def is_green(pixels: Pixels) -> bool:
    """Whether a garment's middle colour is green."""
    _, a, b = np.median(srgb_to_lab(pixels), axis=0)
    low, high = _GREEN_HUES
    return bool(np.hypot(a, b) >= _LEAST_CHROMA and low <= np.degrees(np.arctan2(b, a)) <= high)


def _shown(view: View, setting: str) -> Shown:
    if setting == PLAIN:
        return Shown(view.path)
    if setting == UNION:
        return Shown(view.path, Garment.UNION, GREEN)
    return Shown(view.path, view.garment, setting)


def _called_green(product: CatalogueProduct) -> bool:
    return "green" in (product.colour or "").split()


def _looks_green(
    product: CatalogueProduct, own: Mapping[tuple[str, Path], Garment | None], cutouts: Cutouts
) -> bool:
    for path in product.images:
        garment = own[product.product_id, path]
        if garment is not None:
            return is_green(cutouts.colours(Shown(path, garment, GREEN)))
    return False


def _catalogue(
    products: Sequence[CatalogueProduct],
    own: Mapping[tuple[str, Path], Garment | None],
    green: frozenset[str],
) -> Catalogue:
    made, views = [], {}
    for product in products:
        keys = [f"{product.product_id} {path.name}" for path in product.images]
        garments = [own.get((product.product_id, path)) for path in product.images]
        for key, path, garment in zip(keys, product.images, garments, strict=True):
            # Asked with a photograph that shows another garment, ingest's answer is its union.
            views[key] = View(key, path, garment or Garment.UNION)
        counts = tuple(garment is not None for garment in garments) if own else ()
        made.append(
            Product(
                product.product_id,
                product.style_id,
                product.source,
                tuple(keys),
                product.views,
                counts,
            )
        )
    return Catalogue(tuple(made), views, green)
