"""The training's own arithmetic: captions, truths, losses, figures."""

from pathlib import Path

import numpy as np
import pytest
import torch

from models.train.captions import (
    FALSE,
    PERHAPS,
    SPOKEN_COLOURS,
    TRUE,
    PhotoFacts,
    colour_relation,
    relation,
    sample_caption,
)
from models.train.catalogue import Photo
from models.train.evaluate import (
    Product,
    Query,
    leave_one_view_out,
    words_to_product,
    zero_shot,
)
from models.train.train import contrastive
from models.train.views import VIEWS, make_views
from models.train.vocabulary import COLOUR_NAMES, colour_shares


def photo(kind: str, gender: str | None = None, name: str | None = None) -> Photo:
    return Photo(
        Path(f"{kind}-{name}.jpg"), f"{kind}-{name}", "test", kind, gender, name, None, False
    )


def shares(*colours: str) -> np.ndarray:
    rows = np.zeros((len(colours), len(VIEWS), len(COLOUR_NAMES)), np.float32)
    for row, colour in enumerate(colours):
        rows[row, :, COLOUR_NAMES.index(colour)] = 1
    return rows


@pytest.mark.parametrize(
    ("rgb", "name"),
    [
        ((250, 250, 250), "white"),
        ((15, 15, 15), "black"),
        ((200, 25, 35), "red"),
        ((25, 35, 80), "dark blue"),
        ((160, 200, 235), "light blue"),
        ((60, 150, 70), "green"),
        ((250, 220, 60), "yellow"),
        ((128, 128, 128), "grey"),
    ],
)
def test_pixels_have_the_names_that_people_give(rgb: tuple[int, int, int], name: str) -> None:
    found = colour_shares(np.array([rgb, (0, 255, 0)]), [1.0, 0.0])
    assert COLOUR_NAMES[int(found.argmax())] == name


def test_a_sampled_caption_is_true_of_its_own_photograph() -> None:
    photos = [photo("skirt", "women"), photo("hoodie"), photo("shirt", "men", "checked shirt")]
    table = shares("light blue", "black", "red")
    colours = colour_relation(photos, table, [True] * len(VIEWS))
    facts = PhotoFacts.of(photos)
    rng = np.random.default_rng(0)
    for number, item in enumerate(photos):
        captions = [sample_caption(number, item, colours[0, number], rng) for _ in range(200)]
        truth = relation(captions, np.arange(3), facts, colours[0])
        assert (truth[:, number] == TRUE).all()
        assert {c.text for c in captions if "{" in c.text} == set()


def test_a_caption_is_false_of_another_kind_and_doubtful_where_nothing_is_known() -> None:
    photos = [photo("skirt", "women"), photo("skirt"), photo("skirt", "men"), photo("hat", "women")]
    colours = colour_relation(photos, shares(*["red"] * 4), [True] * len(VIEWS))
    facts = PhotoFacts.of(photos)
    rng = np.random.default_rng(1)
    drawn = [sample_caption(0, photos[0], colours[0, 0], rng) for _ in range(300)]
    for_women = [c for c in drawn if c.gender >= 0 and c.word >= 0]
    truth = relation(for_women, np.arange(4), facts, colours[0])
    assert (truth[:, 1] == PERHAPS).all()
    assert (truth[:, 2:] == FALSE).all()


def test_the_shops_word_for_a_colour_holds_for_its_own_colour_only() -> None:
    from dataclasses import replace

    item = replace(photo("coat"), colour="burgundy")
    original = [name == "plain" for name in VIEWS]
    found = colour_relation([item], shares("black"), original)[:, 0]
    burgundy = SPOKEN_COLOURS.index("burgundy")
    assert found[VIEWS.index("plain"), burgundy] == TRUE
    assert found[VIEWS.index("recoloured"), burgundy] == FALSE


def test_doubtful_pairs_do_not_move_the_loss() -> None:
    truth = np.array([[TRUE, PERHAPS], [FALSE, TRUE]], np.int8)
    small, large = torch.tensor([[1.0, 0.0], [0.0, 1.0]]), torch.tensor([[1.0, 9.0], [0.0, 1.0]])
    assert contrastive(small, truth) == contrastive(large, truth)


def test_the_loss_falls_as_true_pairs_come_together() -> None:
    truth = np.array([[TRUE, FALSE], [FALSE, TRUE]], np.int8)
    eye = torch.eye(2)
    assert contrastive(5 * eye, truth) < contrastive(eye, truth) < contrastive(-eye, truth)


def test_every_view_is_a_square_with_some_garment() -> None:
    rng = np.random.default_rng(3)
    picture = rng.integers(0, 255, (120, 80, 3), np.uint8)
    mask = np.zeros((120, 80), np.uint8)
    mask[30:100, 20:60] = 255
    for given in (mask, None):
        views = make_views(picture, given, np.random.default_rng(4))
        assert len(views) == len(VIEWS)
        for view in views:
            assert view.pixels_rgba.shape == (260, 260, 4)
            assert view.pixels_rgba[:, :, 3].max() > 200
            assert view.shares.sum() == pytest.approx(1, abs=1e-5)


def test_a_recoloured_view_keeps_the_background_of_a_whole_photograph() -> None:
    picture = np.full((90, 60, 3), 200, np.uint8)
    mask = np.zeros((90, 60), np.uint8)
    mask[20:70, 10:50] = 255
    [view] = make_views(picture, mask, np.random.default_rng(5), ["plain-recoloured"])
    corner = view.pixels_rgba[130, 130 - 260 * 60 // 90 // 2 + 8, :3].astype(int)
    assert np.ptp(corner) < 60


def axis(*values: float) -> np.ndarray:
    vector = np.array(values, np.float32)
    return vector / np.linalg.norm(vector)


def test_a_view_never_finds_itself() -> None:
    products = [
        Product("a", "a", "s", ("a1", "a2"), ("main", "back")),
        Product("b", "b", "s", ("b1",), ("main",)),
    ]
    vectors = {"a1": axis(1, 0, 0), "a2": axis(0, 1, 0), "b1": axis(1, 0, 0.1)}
    figures = leave_one_view_out(products, vectors, ["s"])
    assert figures["strict_r_at_1"] == 0.5


def test_the_same_view_of_other_colours_can_be_left_out() -> None:
    products = [
        Product("a:red", "a", "s", ("r1", "r2"), ("main", "back")),
        Product("a:blue", "a", "s", ("b1", "b2"), ("main", "back")),
    ]
    vectors = {
        "r1": axis(1, 0, 0.2, 0),
        "r2": axis(0, 1, 0.2, 0),
        "b1": axis(1, 0, 0, 0.2),
        "b2": axis(0, 1, 0, 0.2),
    }
    loose = leave_one_view_out(products, vectors, ["s"])
    fair = leave_one_view_out(products, vectors, ["s"], same_view_of_other_colours=False)
    assert loose["strict_r_at_1"] < fair["strict_r_at_1"] == 1
    assert loose["lenient_r_at_1"] == 1


def test_figures_of_words_count_the_first_right_product() -> None:
    products = [Product(name, name, "s", (name,), ("main",)) for name in "abc"]
    gallery = np.eye(3, dtype=np.float32)
    queries = [
        Query("attributes", "x", frozenset("a")),
        Query("attributes", "y", frozenset({"c", "elsewhere"})),
        Query("name", "z", frozenset({"elsewhere"})),
    ]
    texts = np.array([[3, 2, 1], [3, 2, 1], [1, 1, 1]], np.float32)
    figures = words_to_product(queries, texts, products, gallery)
    assert set(figures) == {"attributes"}
    assert figures["attributes"]["r_at_1"] == 0.5
    assert figures["attributes"]["r_at_5"] == 1
    assert figures["attributes"]["ndcg_at_10"] == pytest.approx((1 + 0.5) / 2)


def test_balanced_accuracy_weighs_classes_and_not_images() -> None:
    labels = ["a", "a", "a", "b"]
    images = np.array([[1, 0], [1, 0], [1, 0], [1, 0]], np.float32)
    figures = zero_shot(labels, images, ["a", "b"], np.eye(2, dtype=np.float32))
    assert (figures["top_1"], figures["balanced"]) == (0.75, 0.5)
