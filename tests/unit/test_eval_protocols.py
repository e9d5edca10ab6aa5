"""The protocols of `make eval` on cases whose answers can be worked out by hand."""

import numpy as np
import pytest

from models.eval.protocols import (
    Product,
    Query,
    leave_one_view_out,
    mask_result,
    neighbour_guesses,
    product_vector,
    unit,
    view_results,
    words_results,
    words_to_product,
    zero_shot,
)


def direction(*values: float) -> np.ndarray:
    return unit(np.array(values, np.float32))


EAST, NORTH, UP = direction(1, 0, 0), direction(0, 1, 0), direction(0, 0, 1)


def product(name: str, *images: str, own: tuple[bool, ...] = ()) -> Product:
    """`style:colour`, its views named main, back, side in order."""
    views = ("main", "back", "side")[: len(images)]
    return Product(name, name.split(":")[0], "shop", images, views, own)


def test_a_view_finds_its_product_by_the_other_view() -> None:
    products = [product("a:1", "a1", "a2"), product("b:1", "b1", "b2")]
    vectors = {"a1": EAST, "a2": direction(1, 0.1, 0), "b1": NORTH, "b2": direction(0.1, 1, 0)}
    results = view_results(products, vectors)
    assert [(one.image, one.strict, one.lenient) for one in results] == [
        (image, 0, 0) for image in ("a1", "a2", "b1", "b2")
    ]
    assert results[0].best == (0, 1)


def test_the_asking_view_is_not_in_its_own_products_vector() -> None:
    # With itself in the vector a1 would find its product; the other view shows something else.
    products = [product("a:1", "a1", "a2"), product("b:1", "b1")]
    vectors = {"a1": EAST, "a2": NORTH, "b1": direction(1, -0.2, 0)}
    assert [one.strict for one in view_results(products, vectors)] == [1, 0]


def test_products_of_one_view_answer_but_do_not_ask() -> None:
    results = view_results(
        [product("a:1", "a1", "a2"), product("b:1", "b1")],
        {"a1": EAST, "a2": EAST, "b1": NORTH},
    )
    assert [one.product for one in results] == [0, 0]


def test_another_colour_of_the_style_is_a_miss_if_strict_and_a_hit_if_lenient() -> None:
    products = [product("a:red", "r1", "r2"), product("a:blue", "b1", "b2")]
    vectors = {
        "r1": EAST,
        "r2": UP,
        "b1": direction(1, 0.1, 0),
        "b2": direction(1, 0.2, 0),
    }
    first = view_results(products, vectors)[0]
    assert (first.strict, first.lenient) == (1, 0)


def test_the_same_view_of_other_colours_can_be_left_out() -> None:
    # One photograph recoloured: the twin of r1 draws it to the other colour.
    products = [product("a:red", "r1", "r2"), product("a:blue", "b1", "b2")]
    vectors = {"r1": EAST, "r2": direction(1, 1, 0), "b1": EAST, "b2": direction(1, 0, 1.2)}
    kept = view_results(products, vectors)[0]
    apart = view_results(products, vectors, same_view_of_other_colours=False)[0]
    assert (kept.strict, apart.strict) == (1, 0)


def test_a_twin_that_has_no_other_view_is_no_answer() -> None:
    products = [product("a:red", "r1", "r2"), product("a:blue", "b1")]
    vectors = {"r1": EAST, "r2": NORTH, "b1": EAST}
    apart = view_results(products, vectors, same_view_of_other_colours=False)[0]
    assert apart.strict == 0


def test_a_photograph_of_another_garment_asks_but_does_not_count_in_the_product() -> None:
    products = [
        product("a:1", "a1", "a2", "a3", own=(True, True, False)),
        product("b:1", "b1", own=(False,)),
    ]
    vectors = {"a1": EAST, "a2": EAST, "a3": NORTH, "b1": NORTH}
    ranks = {one.image: one.strict for one in view_results(products, vectors)}
    assert ranks == {"a1": 0, "a2": 0, "a3": 1}


def test_a_tie_counts_against() -> None:
    products = [product("a:1", "a1", "a2"), product("b:1", "b1")]
    vectors = dict.fromkeys(("a1", "a2", "b1"), EAST)
    assert [one.strict for one in view_results(products, vectors)] == [1, 1]


def test_figures_of_views_are_those_of_their_ranks() -> None:
    products = [product("a:1", "a1", "a2"), product("b:1", "b1")]
    vectors = {"a1": EAST, "a2": NORTH, "b1": direction(1, -0.2, 0)}
    figures = leave_one_view_out(products, vectors, ["shop"])
    assert figures["strict_r_at_1"] == 0.5
    assert figures["strict_r_at_5"] == 1.0
    assert figures["lenient_mrr"] == 0.75


def test_words_are_ranked_by_the_first_relevant_product() -> None:
    products = [product(f"{name}:1", name) for name in "abcd"]
    gallery = np.stack([direction(1, tilt, 0) for tilt in (0.0, 0.1, 0.2, 0.3)])
    queries = [
        Query("attributes", "x", frozenset({"b:1", "c:1"})),
        Query("attributes", "y", frozenset({"elsewhere"})),
    ]
    [result] = words_results(queries, np.stack([EAST, EAST]), products, gallery)
    assert (result.query, result.rank, result.best) == (0, 1, (0, 1, 2, 3))
    gains = 1 / np.log2([2.0, 3.0, 4.0])
    assert result.ndcg_at_10 == pytest.approx((gains[1] + gains[2]) / (gains[0] + gains[1]))
    figures = words_to_product(queries, np.stack([EAST, EAST]), products, gallery)["attributes"]
    assert (figures["r_at_1"], figures["r_at_5"], figures["queries"]) == (0.0, 1.0, 1)


def test_balanced_accuracy_counts_every_class_the_same() -> None:
    images = np.stack([EAST, EAST, NORTH, EAST])
    figures = zero_shot(["e", "e", "n", "n"], images, ["e", "n"], np.stack([EAST, NORTH]))
    assert figures == {"top_1": 0.75, "balanced": 0.75, "images": 4}
    figures = zero_shot(["e", "e", "e", "n"], images, ["e", "n"], np.stack([EAST, NORTH]))
    assert figures == {"top_1": 0.5, "balanced": 0.3333, "images": 4}


def test_neighbours_vote_and_a_photograph_has_no_vote_on_itself() -> None:
    vectors = np.stack([EAST, direction(1, 0.1, 0), direction(1, 0.2, 0), NORTH])
    assert neighbour_guesses(vectors, ["x", "x", "x", "y"], 3) == ["x", "x", "x", "x"]


def test_mask_iou_counts_unjudged_clothing_as_clothing_but_in_no_class() -> None:
    truth = np.array([[1, 1, 255, 0]], np.uint8)
    predicted = np.array([[1, 2, 3, 0]], np.uint8)
    result = mask_result(predicted, truth)
    assert result.iou == 1.0
    assert result.overlap == (1, 0, 0)
    assert result.union == (2, 1, 0)


def test_a_picture_in_which_nothing_was_found_counts_as_all_clothing() -> None:
    truth = np.array([[1, 0, 0, 0]], np.uint8)
    nothing = np.zeros((1, 4), np.uint8)
    assert mask_result(nothing, truth).iou == 0.0
    assert mask_result(nothing, truth, whole_image=True).iou == 0.25


def test_a_mean_that_cancels_out_stays_finite() -> None:
    assert np.isfinite(product_vector([EAST, -EAST])).all()
