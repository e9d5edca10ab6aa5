"""Filters and facets over the attributes of all products."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from services.indexer.columns import NOBODY, Column, Mask
from services.indexer.domain import AttributeValue, IndexedProduct, Scalar
from services.indexer.filters import Condition, Exists, Filter, NoneOf, ValueKey

PRODUCT_ID: Final = "product_id"
NAME: Final = "name"
# What a product can be filtered by whatever its attributes are; they go before ones so called.
_RESERVED: Final = (PRODUCT_ID, NAME)


@dataclass(frozen=True, slots=True)
class FacetValue:
    """One value of a facet, as most products spell it, and how many products have it."""

    value: Scalar
    product_count: int


@dataclass(frozen=True, slots=True)
class Facet:
    """The values of one field, the most frequent first, then by value."""

    field: str
    values: tuple[FacetValue, ...]
    distinct_values: int


@dataclass(frozen=True, slots=True)
class Facets:
    """Facets in the order asked for, and how many products pass the whole filter."""

    facets: tuple[Facet, ...]
    product_count: int


class AttributeIndex:
    """Columns by field. Rows are numbered by the caller; row 0 belongs to nobody."""

    def __init__(self) -> None:
        self._columns: dict[str, Column] = {}
        # Identifier and name by row: their columns, as large as they are rarely used, are made
        # when first somebody filters by them.
        self._labels: dict[int, tuple[str, str]] = {}
        # Which fields a row has values of, so that a removal visits no other column.
        self._fields_of: dict[int, tuple[str, ...]] = {}
        self._shapes: dict[tuple[str, ...], tuple[str, ...]] = {}

    def update(
        self, gone: Mask, gone_rows: Sequence[int], added: Sequence[tuple[int, IndexedProduct]]
    ) -> None:
        """Removes rows, then gives rows their attributes.

        Args:
          gone: for every row whether it goes; the same rows as `gone_rows`.
        """
        touched = {field for row in gone_rows for field in self._fields_of.pop(row, ())}
        touched.update(field for field in _RESERVED if field in self._columns)
        for field in touched:
            self._columns[field].remove(gone)
        for row in gone_rows:
            del self._labels[row]
        additions: defaultdict[str, list[tuple[int, AttributeValue]]] = defaultdict(list)
        for row, product in added:
            for field, value in product.attributes.items():
                if field not in _RESERVED:
                    additions[field].append((row, value))
            self._labels[row] = (product.product_id, product.name)
            # Few sets of keys are in use: every row of a set shares one tuple.
            shape = tuple(field for field in product.attributes if field not in _RESERVED)
            self._fields_of[row] = self._shapes.setdefault(shape, shape)
        for field in _RESERVED:
            if field in self._columns:
                additions[field] = self._labelled(field, [row for row, _ in added])
        for field, pairs in additions.items():
            self._columns.setdefault(field, Column()).add(pairs)
        for field in touched:
            if field not in _RESERVED and not self._columns[field].distinct:
                del self._columns[field]
        if len(self._shapes) > 2 * len(self._fields_of) + 1024:
            self._shapes = {shape: shape for shape in self._fields_of.values()}

    def passing(self, conditions: Filter, alive: Mask) -> Mask:
        """The rows that are alive and pass every condition. Shapes: as `alive`."""
        passing = alive.copy()
        for condition in conditions:
            passing &= self._holds(condition, len(alive))
        passing[NOBODY] = False
        return passing

    def facets(
        self, fields: Sequence[str], conditions: Filter, alive: Mask, max_values: int
    ) -> Facets:
        """Counts values; conditions on a field itself do not narrow its own counts.

        Args:
          fields: none means every attribute whose values repeat.
        """
        held = [(condition.field, self._holds(condition, len(alive))) for condition in conditions]
        if not fields:
            fields = sorted(
                field
                for field, column in self._columns.items()
                if column.repeats and field not in _RESERVED
            )
        facets = []
        for field in fields:
            others = [mask for name, mask in held if name != field]
            rows = _all_of(alive, others) if others else None
            facets.append(self._facet(field, rows, max_values))
        everything = _all_of(alive, [mask for _, mask in held])
        return Facets(tuple(facets), int(np.count_nonzero(everything)))

    def name_of(self, row: int) -> str:
        """The name of a product, as it was given."""
        return self._labels[row][_RESERVED.index(NAME)]

    def values_of(self, field: str, rows: Mask) -> dict[int, list[Scalar]]:
        """The values that some rows have of an attribute. Shapes: rows, every row's."""
        column = None if field in _RESERVED else self._columns.get(field)
        return {} if column is None else column.values_of(rows)

    def _column(self, field: str) -> Column | None:
        if field in _RESERVED and field not in self._columns:
            column = self._columns[field] = Column()
            column.add(self._labelled(field, self._labels))
        return self._columns.get(field)

    def _labelled(self, field: str, rows: Iterable[int]) -> list[tuple[int, AttributeValue]]:
        position = _RESERVED.index(field)
        labelled = ((row, self._labels[row][position]) for row in rows)
        return [(row, label) for row, label in labelled if label]

    def _facet(self, field: str, rows: Mask | None, max_values: int) -> Facet:
        column = self._column(field)
        if column is None:
            return Facet(field, (), 0)
        counts = column.count(rows)
        found: list[tuple[int, ValueKey, Scalar]] = []
        everywhere = column.count(None)
        for key, codes in column.values():
            total = sum(int(counts[code]) for code in codes)
            if total:
                usual = max(codes, key=lambda code: int(everywhere[code]))
                found.append((-total, key, column.spelling(usual)))
        distinct = len(found)
        found.sort(key=lambda entry: entry[:2])
        values = tuple(FacetValue(spelling, -total) for total, _, spelling in found[:max_values])
        return Facet(field, values, distinct)

    def _holds(self, condition: Condition, row_count: int) -> Mask:
        column = self._column(condition.field)
        test = condition.test
        if column is None:
            # Nobody has the attribute.
            passes = isinstance(test, NoneOf) or test == Exists(False)
            return np.full(row_count, passes, np.bool_)
        if test == Exists(False):
            return ~column.holds(Exists(True), row_count)
        return column.holds(test, row_count)


def _all_of(alive: Mask, masks: Sequence[Mask]) -> Mask:
    everything = alive.copy()
    for mask in masks:
        everything &= mask
    everything[NOBODY] = False
    return everything
