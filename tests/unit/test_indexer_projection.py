"""The index in memory equals a plain reading of the products, after any history of writes."""

from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from services.indexer.domain import Change, IndexedProduct, Slot, Space
from services.indexer.filters import AnyOf, Condition, Exists, InRange, NoneOf, value_key
from services.indexer.projection import Projection
from services.indexer.queries import SearchQuery

SPACE = Space("space", 6)
COLOURS = ["red", "Red ", "blue", "BLUE", "green"]


def vector(rng: np.random.Generator) -> np.ndarray[Any, np.dtype[np.float32]]:
    # Of few possible values, so that scores tie.
    values = rng.integers(-1, 2, 6).astype(np.float64)
    values[int(rng.integers(6))] = 2
    return (values / np.linalg.norm(values)).astype(np.float32)


def product(rng: np.random.Generator, name: str, version: int) -> IndexedProduct:
    attributes: dict[str, Any] = {}
    if rng.random() < 0.8:
        picked = rng.choice(COLOURS, int(rng.integers(1, 4)))
        attributes["colour"] = tuple(map(str, picked)) if len(picked) > 1 else str(picked[0])
    if rng.random() < 0.7:
        attributes["price"] = float(rng.integers(0, 5))
    if rng.random() < 0.5:
        attributes["sale"] = bool(rng.random() < 0.5)
    if rng.random() < 0.1:
        attributes[f"rare {rng.integers(20)}"] = 1.0
    slots = {Slot.OWN: vector(rng), Slot.UNION: vector(rng)}
    if rng.random() < 0.5:
        slots[Slot.UPPER] = vector(rng)
    if rng.random() < 0.1:
        slots = {}
    title = "" if rng.random() < 0.3 else f"Name {rng.integers(3)}"
    return IndexedProduct(name, title, attributes, slots, int(rng.integers(0, 4)), version)


def values_of(item: IndexedProduct, field: str) -> list[Any]:
    if field == "product_id":
        return [value_key(item.product_id)]
    if field == "name":
        return [value_key(item.name)] if item.name else []
    value = item.attributes.get(field)
    if value is None:
        return []
    return [value_key(one) for one in (value if isinstance(value, tuple) else (value,))]


def holds(item: IndexedProduct, condition: Condition) -> bool:
    """The meaning of a condition, said again in the plainest way."""
    values, test = values_of(item, condition.field), condition.test
    match test:
        case AnyOf(keys):
            return any(value in keys for value in values)
        case NoneOf(keys):
            return not any(value in keys for value in values)
        case InRange(low, high):
            return any(kind == 1 and low <= value <= high for kind, value in values)
        case Exists(there):
            return bool(values) == there


def condition(rng: np.random.Generator) -> Condition:
    field = str(rng.choice(["colour", "price", "sale", "name", "product_id", "rare 3", "nothing"]))
    choices = [*COLOURS, 1.0, 3.0, True, False, "name 1", "P7", "p11"]
    keys = frozenset(value_key(choices[int(rng.integers(len(choices)))]) for _ in range(3))
    low = float(rng.integers(0, 4))
    tests = [AnyOf(keys), NoneOf(keys), InRange(low, low + 2), Exists(bool(rng.random() < 0.5))]
    return Condition(field, tests[int(rng.integers(4))])


def check(
    rng: np.random.Generator, projection: Projection, products: dict[str, IndexedProduct]
) -> None:
    conditions = tuple(condition(rng) for _ in range(int(rng.integers(0, 3))))
    passing = {
        name: item for name, item in products.items() if all(holds(item, one) for one in conditions)
    }
    check_search(rng, projection, passing, conditions)
    page = projection.page(conditions, "", 1000)
    assert list(page.product_ids) == sorted(passing)
    after = str(rng.choice([*sorted(products), "p2"]))
    page = projection.page(conditions, after, 3)
    rest = [name for name in sorted(passing) if name > after]
    assert (list(page.product_ids), page.more) == (rest[:3], len(rest) > 3)
    assert page.total == len(passing)
    check_facets(projection, products, conditions, len(passing))
    tally = projection.tally()
    assert tally.product_count == len(products)
    assert tally.image_count == sum(item.image_count for item in products.values())
    assert tally.vector_count == sum(len(item.vectors) for item in products.values())


def check_search(
    rng: np.random.Generator,
    projection: Projection,
    passing: dict[str, IndexedProduct],
    conditions: tuple[Condition, ...],
) -> None:
    slot, query = Slot(int(rng.choice([0, 1, 4]))), vector(rng)
    excluded = frozenset(f"p{number}" for number in rng.integers(0, 40, 3))
    top_k, skip = int(rng.integers(1, 12)), int(rng.integers(0, 4))
    [found] = projection.search([SearchQuery(query, slot, conditions, excluded, top_k, skip)])
    scored = sorted(
        (
            -float(np.float32(item.vectors[slot].astype(np.float64) @ query.astype(np.float64))),
            name,
        )
        for name, item in passing.items()
        if slot in item.vectors and name not in excluded
    )
    assert found.candidate_count == len(scored)
    assert [(hit.product_id, hit.score) for hit in found.hits] == [
        (name, min(1.0, -score)) for score, name in scored[skip : skip + top_k]
    ]
    assert all(hit.version == passing[hit.product_id].version for hit in found.hits)


def check_facets(
    projection: Projection,
    products: dict[str, IndexedProduct],
    conditions: tuple[Condition, ...],
    passing: int,
) -> None:
    facets = projection.facets(("colour", "sale", "price"), conditions, 100)
    assert facets.product_count == passing
    for facet in facets.facets:
        others = [one for one in conditions if one.field != facet.field]
        counts: dict[Any, int] = {}
        for item in products.values():
            if all(holds(item, one) for one in others):
                for key in set(values_of(item, facet.field)):
                    counts[key] = counts.get(key, 0) + 1
        assert [(value_key(found.value), found.product_count) for found in facet.values] == sorted(
            counts.items(), key=lambda entry: (-entry[1], entry[0])
        )
        assert facet.distinct_values == len(counts)


@given(seed=st.integers(0, 2**32), steps=st.integers(1, 20))
def test_the_index_equals_a_plain_reading_of_the_products(seed: int, steps: int) -> None:
    rng = np.random.default_rng(seed)
    projection, products = Projection(), dict[str, IndexedProduct]()
    projection.reset(SPACE, 0)
    for version in range(1, steps + 1):
        names = [f"p{number}" for number in rng.choice(40, int(rng.integers(1, 15)), replace=False)]
        if rng.random() < 0.3:
            projection.apply(Change(version, SPACE, (), names))
            for name in names:
                products.pop(name, None)
        else:
            items = [product(rng, name, version) for name in names]
            projection.apply(Change(version, SPACE, items, ()))
            products.update((item.product_id, item) for item in items)
        check(rng, projection, products)
    # A fresh load of the same products is the same index.
    projection = Projection()
    projection.reset(SPACE, len(products))
    projection.load(products.values())
    check(rng, projection, products)


def test_what_is_older_than_what_is_held_changes_nothing() -> None:
    rng = np.random.default_rng(0)
    projection = Projection()
    projection.reset(SPACE, 0)
    new = product(rng, "a", 5)
    projection.apply(Change(5, SPACE, [new], ()))
    # A change stream tells again what a scan had seen already.
    projection.apply(Change(3, SPACE, [product(rng, "a", 3)], ()))
    projection.apply(Change(4, SPACE, (), ["a"]))
    check(rng, projection, {"a": new})
    assert projection.version == 5
    projection.apply(Change(6, SPACE, (), ["a"]))
    check(rng, projection, {})


def test_every_version_is_told_once_it_is_complete() -> None:
    rng = np.random.default_rng(0)
    told: list[int] = []
    projection = Projection(told.append)
    projection.reset(SPACE, 0)
    projection.complete(7)
    projection.apply(Change(8, SPACE, [product(rng, "a", 8)], ()))
    assert told == [7, 8]


def test_a_new_space_replaces_the_old_one() -> None:
    rng = np.random.default_rng(0)
    projection = Projection()
    projection.reset(SPACE, 0)
    projection.apply(Change(1, SPACE, [product(rng, "a", 1)], ()))
    projection.apply(Change(2, None, (), ["a"]))
    assert projection.space is None
    one = np.ones(1, np.float32)
    other = IndexedProduct("b", "", {}, {Slot.OWN: one, Slot.UNION: one}, 1, 3)
    projection.apply(Change(3, Space("other", 1), [other], ()))
    [found] = projection.search([SearchQuery(one, Slot.OWN, (), frozenset(), 5, 0)])
    assert [hit.product_id for hit in found.hits] == ["b"]


def test_a_value_is_spelled_as_most_products_spell_it() -> None:
    projection = Projection()
    projection.reset(None, 0)

    def coloured(name: str, colour: Any, version: int) -> IndexedProduct:
        return IndexedProduct(name, "", {"colour": colour}, {}, 0, version)

    spellings = ["blue", "Blue", "Blue", ("BLUE", "blue")]
    items = [coloured(f"p{n}", colour, 1) for n, colour in enumerate(spellings)]
    projection.apply(Change(1, None, items, ()))
    [facet] = projection.facets(("colour",), (), 10).facets
    assert [(found.value, found.product_count) for found in facet.values] == [("Blue", 4)]
    projection.apply(Change(2, None, [coloured("p1", "red", 2), coloured("p2", "blue", 2)], ()))
    [facet] = projection.facets(("colour",), (), 10).facets
    assert [(found.value, found.product_count) for found in facet.values] == [
        ("blue", 3),
        ("red", 1),
    ]


def test_only_fields_whose_values_repeat_are_facets_by_themselves() -> None:
    projection = Projection()
    projection.reset(None, 0)
    items = [
        IndexedProduct(f"p{n}", "same", {"sku": f"{n}", "type": "skirt"}, {}, 0, 1)
        for n in range(3)
    ]
    projection.apply(Change(1, None, items, ()))
    assert [facet.field for facet in projection.facets((), (), 10).facets] == ["type"]


def test_fields_that_nobody_has_any_more_are_forgotten() -> None:
    projection = Projection()
    projection.reset(None, 0)
    for version in range(1, 200):
        item = IndexedProduct("p", "", {f"field {version}": f"v{version}"}, {}, 0, version)
        projection.apply(Change(version, None, [item], ()))
    columns = projection._attributes._columns
    assert len(columns) == 1
    projection.apply(Change(200, None, (), ["p"]))
    assert not columns
