"""The parts of a map: exact neighbours, places, neighbourhoods, words."""

from collections.abc import Callable
from functools import partial
from importlib.util import find_spec
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from services.indexer.drawing import tsne_sklearn
from services.indexer.drawing.clusters import cluster_count, clusters
from services.indexer.drawing.draw import draw
from services.indexer.drawing.layout import MARGIN, layout, neighbour_count, perplexity, quickest
from services.indexer.drawing.neighbours import nearest
from services.indexer.drawing.tsne import Place
from services.indexer.drawing.values import Label, Vectors
from services.indexer.drawing.words import cluster_words
from services.indexer.maps import MapStage

WAYS: list[Place] = [tsne_sklearn.place]
MORE_WAYS: list[Place] = []
if find_spec("openTSNE") is not None:
    from services.indexer.drawing import tsne_open

    WAYS.append(tsne_open.place)
    MORE_WAYS.append(partial(tsne_open.place_by, "fft"))


def unit_rows(count: int, dimension: int, seed: int = 0) -> Vectors:
    rows = np.random.default_rng(seed).standard_normal((count, dimension)).astype(np.float32)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def nobody(_: float) -> None:
    """Is told nothing of interest."""


@pytest.mark.parametrize(("count", "k"), [(5, 4), (300, 90), (6000, 90), (700, 1)])
def test_neighbours_are_those_of_a_full_scan(count: int, k: int) -> None:
    vectors = unit_rows(count, 16)
    positions, distances = nearest(vectors, k, nobody)
    cosines = vectors @ vectors.T
    np.fill_diagonal(cosines, -2)
    expected = -np.sort(-cosines, axis=1)[:, :k]
    np.testing.assert_allclose(1 - distances, expected, atol=1e-6)
    assert all(len(set(row)) == k for row in positions.tolist())
    assert not np.any(positions == np.arange(count)[:, None])


def test_the_neighbours_of_equal_vectors_are_no_nearer_than_nothing() -> None:
    vectors = np.repeat(unit_rows(2, 16), 4, axis=0)
    _, distances = nearest(vectors, 7, nobody)
    assert distances.min() == 0


def _all_equal(count: int) -> Vectors:
    return np.repeat(unit_rows(1, 16), count, axis=0)


def _of_one_number(count: int) -> Vectors:
    return unit_rows(count, 1)


def _two_kinds(count: int) -> Vectors:
    return unit_rows(2, 16)[np.arange(count) % 2]


@pytest.mark.parametrize("place", WAYS)
@pytest.mark.parametrize("count", [5, 6, 15, 100])
@pytest.mark.parametrize(
    "make", [lambda count: unit_rows(count, 16), _all_equal, _two_kinds, _of_one_number]
)
def test_places_are_on_the_map_whatever_the_vectors(
    count: int, make: Callable[[int], Vectors], place: Place
) -> None:
    places = placed(make(count), place)
    assert places.min() >= MARGIN - 1e-9
    assert places.max() <= 1 - MARGIN + 1e-9
    # Aspect kept: the longer side takes all the room there is.
    assert np.ptp(places, axis=0).max() == pytest.approx(1 - 2 * MARGIN)


@pytest.mark.parametrize("place", WAYS)
@pytest.mark.parametrize("count", [5, 6, 15, 120])
def test_different_products_have_different_places(count: int, place: Place) -> None:
    places = placed(unit_rows(count, 16), place)
    assert len(np.unique(places.round(4), axis=0)) == count


def placed(vectors: Vectors, place: Place = quickest) -> NDArray[Any]:
    positions, distances = nearest(vectors, neighbour_count(len(vectors)), nobody)
    return layout(vectors, positions, distances, nobody, place)


@pytest.mark.parametrize("place", [*WAYS, *MORE_WAYS])
def test_places_are_the_same_again_by_every_way_to_them(place: Place) -> None:
    vectors = _two_kinds(200) + 0.5 * unit_rows(200, 16)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    first, second = (placed(vectors, place) for _ in range(2))
    assert np.array_equal(first, second)
    middles = [first[kind::2].mean(axis=0) for kind in (0, 1)]
    assert np.linalg.norm(middles[0] - middles[1]) > first[::2].std()


def test_perplexity_follows_the_number_of_products() -> None:
    assert [perplexity(count) for count in (5, 15, 91, 140_000)] == [4 / 3, 14 / 3, 30, 30]


def test_neighbourhoods_are_numbered_from_the_largest_and_few_enough_to_read() -> None:
    assert [cluster_count(count) for count in (5, 15, 694, 140_000)] == [2, 4, 26, 48]
    places = np.concatenate([np.full((9, 2), 0.1), np.full((3, 2), 0.9), np.full((4, 2), 0.5)])
    places += np.random.default_rng(0).uniform(0, 0.01, places.shape)
    sizes = np.bincount(clusters(places)).tolist()
    assert sizes == sorted(sizes, reverse=True)
    assert len(sizes) == 4
    assert len(set(clusters(np.full((8, 2), 0.5)).tolist())) == 1


def label(name: str = "", **attributes: str | tuple[str, ...]) -> Label:
    given = {
        field: value if isinstance(value, tuple) else (value,)
        for field, value in attributes.items()
    }
    return Label(name, given)


def words(*groups: list[Label]) -> list[tuple[str, ...]]:
    labels = [one for group in groups for one in group]
    cluster_of = np.repeat(np.arange(len(groups)), [len(group) for group in groups])
    return cluster_words(labels, cluster_of.astype(np.int32))


def test_words_are_what_sets_products_apart_as_the_catalogue_spells_them() -> None:
    blue = [label(colour="Navy Blue", category="Dresses", person="women")] * 5
    red = [label(colour="Red", category="Dresses", person="women")] * 4
    assert words(blue, red) == [("Navy Blue",), ("Red",)]


def test_the_spelling_is_the_usual_one() -> None:
    mixed = [label(colour=colour) for colour in ("NAVY", "Navy", "Navy")]
    assert words(mixed, [label(colour="red")] * 3) == [("Navy",), ("red",)]


def test_names_say_what_attributes_do_not_but_codes_do_not() -> None:
    shirts = [label(f"{kind} shirt for you X{n}42 XK-9") for n, kind in enumerate("abc")]
    skirts = [label(f"With pleated Q-{n}7b XK-{n}") for n in range(3)]
    assert words(shirts, skirts) == [("shirt",), ("pleated",)]


def test_a_name_that_one_product_has_in_all_its_colours_is_no_word() -> None:
    named = [label("Chaz Hoodie", colour=colour) for colour in ("red", "red", "red")]
    other = [label("Mona Hoodie", colour="blue"), label("Lea Hoodie", colour="blue")]
    assert words(named, other) == [("red",), ("blue",)]


def test_what_one_product_is_is_not_what_its_neighbours_are() -> None:
    shoes = [label(category="Footwear", colour=colour) for colour in ("yellow", "white")]
    shirts = [label(category="Shirts", colour=colour) for colour in ("white", "white", "red")]
    assert words(shoes, shirts) == [("Footwear",), ("Shirts",)]


def test_type_and_category_say_the_same_kind_of_thing() -> None:
    shoes = [label(category="Footwear", type="shoe", person="men")] * 3
    shirts = [label(category="T-shirts", type="t-shirt", person="women")] * 3
    assert words(shoes, shirts) == [("Footwear", "men"), ("T-shirts", "women")]


def test_a_word_and_its_plural_are_said_once() -> None:
    skirts = [label(f"{kind} skirt", category="Skirts") for kind in ("wide", "long", "short")]
    shirts = [label(f"{kind} top", category="Shirts") for kind in ("thin", "warm", "loose")]
    assert words(skirts, shirts) == [("Skirts",), ("Shirts", "top")]


def test_neighbourhoods_that_would_be_called_alike_get_one_word_more() -> None:
    def dresses(season: str) -> list[Label]:
        return [label(colour="red", category="Dresses", pattern="striped", season=season)] * 4

    trousers = [label(colour="blue", category="Trousers", pattern="plain", season="any")] * 8
    first, second, _ = words(dresses("winter"), dresses("summer"), trousers)
    assert first != second


def test_what_nothing_sets_apart_is_called_by_what_it_has_and_nameless_products_by_nothing() -> (
    None
):
    assert words([label(category="Shirts")] * 3, [label(category="Shirts")] * 3) == [
        ("Shirts",),
        ("Shirts",),
    ]
    assert words([label()] * 3, [label()] * 2) == [(), ()]


def test_a_drawing_tells_every_stage_in_order() -> None:
    told: list[tuple[MapStage, float]] = []
    labels = [label(colour="red")] * 20
    drawing = draw(unit_rows(20, 8), labels, lambda *progress: told.append(progress))
    assert told == sorted(told)
    assert [stage for stage in MapStage if any(one[0] is stage for one in told)] == [1, 2, 3]
    assert told[-1][1] < 1
    assert sum(one.product_count for one in drawing.clusters) == 20
