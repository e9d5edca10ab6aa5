"""The shop's products as `lookalike ingest` reads them, and what is said of each."""

import asyncio
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from lookalike_client.errors import SourceError
from lookalike_client.ingest.inputs import ProductInput
from lookalike_client.sources import Catalogue
from models.adapt.settings import AdaptError

# What is said of a product: our name, and the attributes that shops keep it under.
KINDS: Final[Mapping[str, tuple[str, ...]]] = {
    "category": ("category", "type", "product_type", "garment", "categories"),
    "colour": ("colour", "color", "colour_basic", "basic_colour", "basic_color"),
    "pattern": ("pattern", "print"),
    "person": ("person", "gender", "audience", "department", "sex"),
    "material": ("material", "fabric"),
    "season": ("season",),
}
_STYLE_KEYS: Final = ("style_id", "style", "parent_id", "parent", "model")
# A name that so large a share of the products bears is no style ("T-shirt").
_MAX_STYLE_SHARE: Final = 0.1
_FEWEST_OF_A_STYLE: Final = 12
_SPACES: Final = re.compile(r"\s+")


@dataclass(frozen=True, slots=True)
class ShopProduct:
    """One product.

    style: equal for products that differ in colour or size only: they are never torn between
      training and measuring.
    said: values by the keys of KINDS, lower case; the first is the main one.
    attributes: as in the catalogue.
    """

    product_id: str
    name: str
    style: str
    photos: tuple[Path, ...]
    said: Mapping[str, tuple[str, ...]]
    attributes: Mapping[str, Any]

    @property
    def category(self) -> str | None:
        """The category's own name, or None."""
        return self.said["category"][0] if "category" in self.said else None


@dataclass(frozen=True, slots=True)
class Shop:
    """The products with photographs, in the catalogue's order, and what was left out."""

    products: tuple[ShopProduct, ...]
    without_photos: int
    rejected: int

    @property
    def kinds(self) -> tuple[str, ...]:
        """The keys of KINDS that at least one product has."""
        return tuple(kind for kind in KINDS if any(kind in p.said for p in self.products))


def read_shop(path: Path) -> Shop:
    """Reads a folder of product folders, JSONL or CSV; no photograph is opened.

    Raises:
      AdaptError: the catalogue cannot be read.
    """
    try:
        with Catalogue.scan(path) as catalogue:
            inputs = asyncio.run(_all(catalogue))
            rejected = len(catalogue.rejected)
    except SourceError as error:
        raise AdaptError(str(error)) from error
    # An identifier that comes again is an update, as in ingest.
    latest = {product.product_id: product for product in inputs}
    products, without = [], 0
    for product in latest.values():
        photos = tuple(dict.fromkeys(Path(i.path) for i in product.images if i.path is not None))
        if not photos:
            without += 1
            continue
        products.append(
            ShopProduct(
                product.product_id,
                product.name,
                _style(product),
                photos,
                said(product.attributes),
                product.attributes,
            )
        )
    return Shop(tuple(_with_honest_styles(products)), without, rejected)


async def _all(catalogue: Catalogue) -> list[ProductInput]:
    products = []
    while (product := await catalogue.get(len(products) + 1)) is not None:
        products.append(product)
    return products


def said(attributes: Mapping[str, Any]) -> dict[str, tuple[str, ...]]:
    """The values of attributes that are known here, by our names for them."""
    lower = {key.casefold().replace(" ", "_").replace("-", "_"): v for key, v in attributes.items()}
    found = {}
    for kind, keys in KINDS.items():
        value = next((lower[key] for key in keys if key in lower), None)
        values = value if isinstance(value, list | tuple) else [value]
        words = [_word(v, kind) for v in values if isinstance(v, str)]
        if words := [word for word in dict.fromkeys(words) if word]:
            # Of a path of categories, and of a list of them, the deepest is the product's.
            found[kind] = (words[-1],) if kind == "category" else tuple(words)
    return found


def _word(value: str, kind: str) -> str:
    if kind == "category":
        value = re.split(r"\s*(?:/|>|»)\s*", value.strip(" />»"))[-1]
    return _SPACES.sub(" ", value).strip().casefold()


def _style(product: ProductInput) -> str:
    for key in _STYLE_KEYS:
        value = product.attributes.get(key)
        if isinstance(value, str | float):
            return f"{key}={value}"
    return f"name={product.name.casefold()}" if product.name else f"id={product.product_id}"


def _with_honest_styles(products: Sequence[ShopProduct]) -> list[ShopProduct]:
    counts = Counter(product.style for product in products)
    most = max(_FEWEST_OF_A_STYLE, _MAX_STYLE_SHARE * len(products))
    return [
        product
        if counts[product.style] <= most
        else ShopProduct(
            product.product_id,
            product.name,
            f"id={product.product_id}",
            product.photos,
            product.said,
            product.attributes,
        )
        for product in products
    ]
