"""Cutting out: clean edges, nothing of the old background, exact geometry."""

import numpy as np
import numpy.typing as npt
import pytest

from services.segmenter.composite import Compositor
from services.segmenter.domain import (
    CLASSES,
    BoundingBox,
    Garment,
    Masks,
    Probabilities,
    whole,
)
from services.segmenter.masks import find_garments

GREEN = (0, 255, 0)
SIDE = 128
CUT = Compositor()


def disc(centre: tuple[float, float] = (0.5, 0.5), radius: float = 0.3) -> npt.NDArray[np.float32]:
    """A soft disc at the network's side, in fractions of the picture."""
    rows, columns = (np.mgrid[0:SIDE, 0:SIDE] + 0.5) / SIDE
    distance = np.hypot(columns - centre[0], rows - centre[1])
    return (1 / (1 + np.exp((distance - radius) * SIDE * 1.5))).astype(np.float32)


def union_of(probability: npt.NDArray[np.float32]) -> Masks:
    return find_garments(Probabilities(probability, {}))


def ball(width: int, height: int, radius: float = 0.3) -> npt.NDArray[np.uint8]:
    """What `disc` masks: a red ellipse on blue, with the lens's smooth edge."""
    rows, columns = np.mgrid[0:height, 0:width] + 0.5
    distance = np.hypot(columns / width - 0.5, rows / height - 0.5)
    share = 1 / (1 + np.exp(((distance - radius) * max(width, height) * 1.2).clip(-50, 50)))
    red, blue = np.array([200.0, 30, 30]), np.array([20.0, 20, 220])
    mixed = share[:, :, np.newaxis] * red + (1 - share[:, :, np.newaxis]) * blue
    return mixed.round().astype(np.uint8)


@pytest.mark.parametrize("size", [(300, 300), (640, 400), (90, 140), (1500, 1000)])
def test_nothing_of_the_old_background_is_left(size: tuple[int, int]) -> None:
    pixels = ball(*size)
    result = CUT.cut(pixels, union_of(disc()), Garment.UNION, whole(pixels), GREEN, 0)
    assert result.shape == pixels.shape
    assert result[0, 0].tolist() == list(GREEN)
    assert result[size[1] // 2, size[0] // 2].tolist() == [200, 30, 30]
    assert int(result[:, :, 2].max()) < 80  # the wall's blue is 220


def test_edges_are_smooth() -> None:
    pixels = ball(600, 600)
    result = CUT.cut(pixels, union_of(disc()), Garment.UNION, whole(pixels), GREEN, 0)
    row = result[300, :300, 0].astype(int)
    steps = np.abs(np.diff(row))
    assert ((row > 10) & (row < 190)).sum() >= 2
    assert steps.max() < 190


def test_inside_pixels_are_the_photographs_own() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (256, 256, 3), dtype=np.uint8)
    result = CUT.cut(pixels, union_of(disc()), Garment.UNION, whole(pixels), GREEN, 0)
    np.testing.assert_array_equal(result[90:166, 90:166], pixels[90:166, 90:166])


def test_a_crop_is_the_same_part_of_the_composite() -> None:
    pixels = ball(500, 500)
    masks = union_of(disc())
    box = BoundingBox(80, 70, 330, 350)
    composite = CUT.cut(pixels, masks, Garment.UNION, whole(pixels), GREEN, 0)
    crop = CUT.cut(pixels, masks, Garment.UNION, box, GREEN, 0)
    difference = np.abs(composite[70:420, 80:410].astype(int) - crop.astype(int))
    assert difference.max() <= 12
    assert difference.mean() < 0.1


def test_a_reduced_composite_is_the_composite_reduced() -> None:
    pixels = ball(800, 800)
    masks = union_of(disc())
    full = CUT.cut(pixels, masks, Garment.UNION, whole(pixels), GREEN, 0)
    small = CUT.cut(pixels, masks, Garment.UNION, whole(pixels), GREEN, 200)
    assert small.shape == (200, 200, 3)
    averaged = full.reshape(200, 4, 200, 4, 3).mean(axis=(1, 3))
    assert np.abs(averaged - small).mean() < 1.5


def test_the_longer_side_is_the_limit_and_nothing_is_enlarged() -> None:
    pixels = ball(400, 100)
    masks = union_of(disc(radius=0.4))
    assert CUT.cut(pixels, masks, Garment.UNION, whole(pixels), GREEN, 200).shape == (50, 200, 3)
    assert CUT.cut(pixels, masks, Garment.UNION, whole(pixels), GREEN, 900).shape == (100, 400, 3)


def test_without_clothing_the_picture_is_untouched() -> None:
    pixels = ball(60, 40)
    nothing = union_of(np.zeros((SIDE, SIDE), np.float32))
    result = CUT.cut(pixels, nothing, Garment.UNION, whole(pixels), GREEN, 0)
    np.testing.assert_array_equal(result, pixels)


@pytest.mark.parametrize("background", [(0, 255, 0), (255, 255, 255), (13, 14, 15)])
def test_the_background_is_exactly_the_colour_asked_for(background: tuple[int, int, int]) -> None:
    pixels = ball(200, 200)
    result = CUT.cut(pixels, union_of(disc()), Garment.UNION, whole(pixels), background, 0)
    assert (result[:20] == background).all()


def upper_and_lower() -> Masks:
    classes = {garment: np.zeros((SIDE, SIDE), np.float32) for garment in CLASSES}
    classes[Garment.UPPER][16:64, 32:96] = 0.98
    classes[Garment.LOWER][64:112, 32:96] = 0.98
    return find_garments(Probabilities(np.sum(list(classes.values()), axis=0), classes))


def test_a_garments_crop_shows_that_garment_alone() -> None:
    pixels = np.full((512, 512, 3), 120, np.uint8)
    pixels[256:] = 200
    upper = CUT.cut(pixels, upper_and_lower(), Garment.UPPER, whole(pixels), GREEN, 0)
    assert upper[150, 256].tolist() == [120, 120, 120]
    assert upper[262, 256].tolist() == list(GREEN)
    assert upper[350, 256].tolist() == list(GREEN)


def test_the_garments_of_an_outfit_leave_no_gap_in_the_union() -> None:
    pixels = np.full((512, 512, 3), 120, np.uint8)
    union = CUT.cut(pixels, upper_and_lower(), Garment.UNION, whole(pixels), GREEN, 0)
    assert (union[100:400, 200:300] == 120).all()


def test_class_ids_are_never_blended() -> None:
    """Between upper (1) and full (3) a smooth resize of ids would invent lower (2)."""
    classes = {garment: np.zeros((SIDE, SIDE), np.float32) for garment in CLASSES}
    classes[Garment.UPPER][16:64, 32:96] = 0.98
    classes[Garment.FULL][64:112, 32:96] = 0.98
    masks = find_garments(Probabilities(np.sum(list(classes.values()), axis=0), classes))
    ids = CUT.classes(masks, 1001, 777)
    assert ids.shape == (777, 1001)
    assert ids.dtype == np.uint8
    assert set(np.unique(ids)) == {0, 1, 3}


def test_class_maps_have_the_geometry_of_the_photograph() -> None:
    ids = CUT.classes(upper_and_lower(), 640, 320)
    assert ids[160 - 5, 320] == Garment.UPPER.value
    assert ids[160 + 5, 320] == Garment.LOWER.value
    columns = np.nonzero(ids[100])[0]
    assert columns.min() == pytest.approx(160, abs=3)
    assert columns.max() == pytest.approx(479, abs=3)


def test_without_clothing_the_class_map_is_background() -> None:
    assert not CUT.classes(union_of(np.zeros((SIDE, SIDE), np.float32)), 20, 10).any()


@pytest.mark.parametrize("size", [(1, 1), (1, 500), (500, 1), (3, 2)])
def test_tiny_and_extreme_pictures_are_cut_out(size: tuple[int, int]) -> None:
    pixels = np.full((size[1], size[0], 3), 90, np.uint8)
    masks = union_of(np.full((SIDE, SIDE), 0.99, np.float32))
    result = CUT.cut(pixels, masks, Garment.UNION, whole(pixels), GREEN, 100)
    assert (result == 90).all()
    assert (CUT.classes(masks, *size) == Garment.FULL.value).all()
