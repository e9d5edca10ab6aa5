"""Captions made of what the shop says of its products, and which are true of which product.

"light blue skirts for women" is true of a product of that category, colour and person; doubtful of
one that does not say its colour; else false. Doubtful pairs are neither positives nor negatives.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from models.adapt.shop import ShopProduct

TRUE, PERHAPS, FALSE = 2, 1, 0
_ANYTHING: Final = "clothes"
_TEMPLATES: Final = ("{0}", "a photo of {0}")
# What a caption says, besides the category: one of these sets at a time.
_COMBINATIONS: Final = (
    (),
    ("colour",),
    ("person",),
    ("colour", "person"),
    ("pattern",),
    ("colour", "pattern"),
    ("colour", "pattern", "person"),
    ("material",),
    ("season",),
)
# What a person would ask for, each with what the product says of it: the queries of the report.
_ASKED: Final = (
    ("colour", "category", "person"),
    ("colour", "category"),
    ("pattern", "category"),
    ("category", "person"),
)
_MAX_SAID: Final = 2
"""Values of a list (materials, patterns) that get captions of their own."""


@dataclass(frozen=True, slots=True)
class Caption:
    """A text, and what it demands: pairs of kind and value; or a product's own name."""

    text: str
    demands: tuple[tuple[str, str], ...]
    name: str = ""


class Captions:
    """All captions of a shop, each text once; which of them belong to which product."""

    def __init__(self, products: Sequence[ShopProduct]) -> None:
        self._truths = _Truths(products)
        numbers: dict[Caption, int] = {}
        self.of_product: list[list[int]] = []
        """For each product its captions' numbers."""
        for product in products:
            own = dict.fromkeys(_captions(product))
            self.of_product.append([numbers.setdefault(one, len(numbers)) for one in own])
        self.all = list(numbers)

    @property
    def texts(self) -> list[str]:
        return [caption.text for caption in self.all]

    def relation(
        self, captions: npt.NDArray[np.int64], products: npt.NDArray[np.int64]
    ) -> npt.NDArray[np.int8]:
        """(captions, products): TRUE, PERHAPS or FALSE."""
        rows = [self._truths.row(self.all[number], products) for number in captions]
        return np.stack(rows) if rows else np.empty((0, len(products)), np.int8)


def questions(products: Sequence[ShopProduct]) -> list[Caption]:
    """What people ask for that has an answer among these products, each text once."""
    found: dict[str, Caption] = {}
    for product in products:
        for kinds in _ASKED:
            if all(kind in product.said for kind in kinds):
                said = {kind: product.said[kind][0] for kind in kinds}
                caption = Caption(phrase(said), tuple(sorted(said.items())))
                found.setdefault(caption.text, caption)
    return list(found.values())


def answers(caption: Caption, products: Sequence[ShopProduct]) -> npt.NDArray[np.int8]:
    """How true a caption is of each product: TRUE, PERHAPS or FALSE."""
    return _Truths(products).row(caption, np.arange(len(products)))


def answer_table(
    captions: Sequence[Caption], products: Sequence[ShopProduct]
) -> npt.NDArray[np.int8]:
    """(captions, products): TRUE, PERHAPS or FALSE."""
    truths, every = _Truths(products), np.arange(len(products))
    return np.stack([truths.row(caption, every) for caption in captions])


def phrase(said: Mapping[str, str]) -> str:
    """One value of each kind as a person would say it."""
    before = [said[kind] for kind in ("colour", "pattern", "material", "season") if kind in said]
    words = " ".join([*before, said.get("category", _ANYTHING)])
    return f"{words} for {said['person']}" if "person" in said else words


def _captions(product: ShopProduct) -> Iterator[Caption]:
    base = {"category": product.said["category"][0]} if "category" in product.said else {}
    for kinds in _COMBINATIONS:
        if not (kinds or base) or not all(kind in product.said for kind in kinds):
            continue
        for values in _choices([product.said[kind][:_MAX_SAID] for kind in kinds]):
            said = base | dict(zip(kinds, values, strict=True))
            demands = tuple(sorted(said.items()))
            for template in _TEMPLATES if len(kinds) < 2 else _TEMPLATES[:1]:
                yield Caption(template.format(phrase(said)), demands)
    if product.name and product.said:
        # A folder's name says little where nothing else is said.
        yield Caption(product.name.casefold(), (), product.name.casefold())


def _choices(lists: Sequence[Sequence[str]]) -> Iterator[tuple[str, ...]]:
    if not lists:
        yield ()
        return
    for value in lists[0]:
        for rest in _choices(lists[1:]):
            yield (value, *rest)


class _Truths:
    """Answers by columns: for each kind and value, how true it is of every product."""

    def __init__(self, products: Sequence[ShopProduct]) -> None:
        self._columns: dict[tuple[str, str], npt.NDArray[np.int8]] = {}
        kinds = {kind for product in products for kind in product.said}
        for kind in kinds:
            silent = np.array([kind not in product.said for product in products])
            for value in {v for product in products for v in product.said.get(kind, ())}:
                column = np.where(silent, PERHAPS, FALSE).astype(np.int8)
                column[[value in product.said.get(kind, ()) for product in products]] = TRUE
                self._columns[kind, value] = column
        self._names = np.array([product.name.casefold() for product in products])
        self._categories = np.array([product.category or "" for product in products])

    def row(self, caption: Caption, products: npt.NDArray[np.int64]) -> npt.NDArray[np.int8]:
        if caption.name:
            mine = self._names == caption.name
            # A product of the same kind may well answer to the name too.
            alike = np.isin(self._categories, self._categories[mine])
            named = np.where(mine, TRUE, np.where(alike, PERHAPS, FALSE)).astype(np.int8)
            return np.asarray(named[products])
        result = np.full(len(products), TRUE, np.int8)
        for demand in caption.demands:
            result = np.minimum(result, self._columns[demand][products])
        return result
