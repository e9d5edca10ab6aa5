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
from models.train.look import order, strong_axes
from models.train.losses import contrastive, view_loss
from models.train.patterns import PATTERNS, PLAIN, UNKNOWN, pattern_field
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
        captions = [
            sample_caption(number, item, colours[0, number], number, rng) for _ in range(200)
        ]
        truth = relation(captions, np.arange(3), facts, colours[0], np.arange(3))
        assert (truth[:, number] == TRUE).all()
        assert {c.text for c in captions if "{" in c.text} == set()


def test_a_caption_is_false_of_another_kind_and_doubtful_where_nothing_is_known() -> None:
    photos = [photo("skirt", "women"), photo("skirt"), photo("skirt", "men"), photo("hat", "women")]
    colours = colour_relation(photos, shares(*["red"] * 4), [True] * len(VIEWS))
    facts = PhotoFacts.of(photos)
    rng = np.random.default_rng(1)
    drawn = [sample_caption(0, photos[0], colours[0, 0], UNKNOWN, rng) for _ in range(300)]
    for_women = [c for c in drawn if c.gender >= 0 and c.word >= 0]
    truth = relation(for_women, np.arange(4), facts, colours[0], np.full(4, UNKNOWN))
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


def test_a_word_for_a_pattern_is_true_of_that_pattern_only() -> None:
    photos = [photo("shirt") for _ in range(4)]
    colours = colour_relation(photos, shares(*["red"] * 4), [True] * len(VIEWS))
    striped, dotted = PATTERNS.index("striped"), PATTERNS.index("dotted")
    rng = np.random.default_rng(2)
    drawn = [sample_caption(0, photos[0], colours[0, 0], striped, rng) for _ in range(300)]
    said = [c for c in drawn if c.pattern == striped]
    assert said
    shown = np.array([striped, dotted, PLAIN, UNKNOWN], np.int8)
    truth = relation(said, np.arange(4), PhotoFacts.of(photos), colours[0], shown)
    assert truth.max(axis=0).tolist() == [TRUE, FALSE, FALSE, PERHAPS]


@pytest.mark.parametrize("pattern", range(len(PATTERNS)), ids=PATTERNS)
def test_a_painted_pattern_shows_both_colours(pattern: int) -> None:
    for seed in range(5):
        field = pattern_field(pattern, 180, 120, np.random.default_rng(seed))
        assert field.shape == (180, 120)
        assert (field > 0.45).mean() > 0.01
        assert (field < 0.2).mean() > 0.05


def test_a_painted_view_leaves_what_is_no_garment_alone() -> None:
    picture = np.random.default_rng(5).integers(90, 110, (120, 80, 3), np.uint8)
    mask = np.zeros((120, 80), np.uint8)
    mask[30:100, 20:60] = 255
    [view] = make_views(picture, mask, np.random.default_rng(6), ["patterned"])
    assert view.pattern in range(len(PATTERNS))
    behind = view.pixels_rgba[view.pixels_rgba[:, :, 3] == 0]
    assert (behind[:, :3] == 255).all()


def test_two_views_of_one_photograph_come_together() -> None:
    numbers = np.array([0, 1, 0, 1, 0, 1])
    together = torch.eye(3)[[0, 1, 0, 1, 2, 2]]
    apart = torch.eye(3)[[0, 1, 1, 0, 2, 2]]
    assert view_loss(together, numbers, 0.1, True) < view_loss(apart, numbers, 0.1, True)


def test_a_prefix_holds_the_words_whole_and_the_strongest_of_the_rest() -> None:
    places = order(4, 2, 6)
    assert sorted(places) == list(range(12))
    assert places[:4].tolist() == [0, 1, 2, 3]
    assert {4, 6} <= set(places[:6].tolist())


def test_strong_axes_hold_the_strongest_back() -> None:
    rng = np.random.default_rng(7)
    values = (rng.standard_normal((500, 4)) * [8, 1, 0.5, 0.1]).astype(np.float32)
    spread = (values @ strong_axes(values, 2).T).std(axis=0)
    assert 2 < spread[0] / spread[1] < 4
