"""The mask rules, on probabilities made by hand."""

import numpy as np
import numpy.typing as npt
import pytest

from services.segmenter.domain import CLASSES, Garment, Probabilities
from services.segmenter.masks import find_garments

SIDE = 200
Floats = npt.NDArray[np.float32]


def blank() -> Floats:
    return np.zeros((SIDE, SIDE), np.float32)


def told_apart(**areas: tuple[slice, slice]) -> Probabilities:
    """Certain rectangles of classes on certain background."""
    classes = {garment: blank() for garment in CLASSES}
    for name, area in areas.items():
        classes[Garment[name.upper()]][area] = 0.99
    return Probabilities(np.sum(list(classes.values()), axis=0, dtype=np.float32), classes)


def names(probabilities: Probabilities) -> list[str]:
    return [found.garment.name for found in find_garments(probabilities).garments]


def test_garments_come_largest_first_and_the_union_last() -> None:
    found = told_apart(upper=np.s_[20:60, 50:150], lower=np.s_[60:180, 50:150])
    assert names(found) == ["LOWER", "UPPER", "UNION"]


def test_boxes_areas_and_confidences_are_those_of_the_mask() -> None:
    masks = find_garments(told_apart(upper=np.s_[20:60, 50:150], lower=np.s_[60:180, 50:150]))
    lower, upper, union = masks.garments
    assert upper.box == (50 / SIDE, 20 / SIDE, 150 / SIDE, 60 / SIDE)
    assert lower.box == (50 / SIDE, 60 / SIDE, 150 / SIDE, 180 / SIDE)
    assert union.box == (50 / SIDE, 20 / SIDE, 150 / SIDE, 180 / SIDE)
    assert union.area_fraction == pytest.approx(160 * 100 / SIDE**2)
    assert upper.confidence == pytest.approx(0.99, abs=1e-3)


def test_an_empty_mask_falls_back_to_the_whole_picture() -> None:
    masks = find_garments(told_apart())
    assert masks.whole_image_fallback
    assert masks.garments == ()
    assert not masks.coverage.any()


def test_next_to_nothing_falls_back_too() -> None:
    assert find_garments(told_apart(upper=np.s_[10:20, 10:20])).whole_image_fallback


def test_a_shattered_mask_falls_back() -> None:
    union = blank()
    union[::8, ::8] = 0.9
    union[1::8, ::8] = 0.9
    union[100:115, 100:115] = 0.9
    assert find_garments(Probabilities(union, {})).whole_image_fallback


def test_doubt_about_all_of_it_falls_back() -> None:
    union = blank()
    union[50:150, 50:150] = 0.7
    assert find_garments(Probabilities(union, {})).whole_image_fallback


def test_specks_beside_a_garment_go() -> None:
    found = told_apart(full=np.s_[40:160, 60:140])
    found.union[5:10, 5:10] = 0.99
    masks = find_garments(found)
    assert masks.garments[-1].box == (60 / SIDE, 40 / SIDE, 140 / SIDE, 160 / SIDE)
    assert not masks.coverage[:15, :15].any()


def test_two_large_parts_both_stay() -> None:
    masks = find_garments(told_apart(upper=np.s_[20:80, 20:180], lower=np.s_[120:180, 20:180]))
    assert masks.coverage[50, 100] == 255
    assert masks.coverage[150, 100] == 255
    assert masks.coverage[100, 100] == 0


def test_pinholes_are_filled_and_gaps_are_not() -> None:
    found = told_apart(full=np.s_[20:180, 20:180])
    found.union[50:53, 50:53] = 0.0
    found.union[100:140, 90:110] = 0.0
    coverage = find_garments(found).coverage
    assert coverage[51, 51] == 255
    assert coverage[120, 100] == 0


def test_an_island_of_another_class_goes_to_its_neighbour() -> None:
    found = told_apart(upper=np.s_[20:180, 20:180])
    found.classes[Garment.UPPER][90:97, 90:97] = 0.4
    found.classes[Garment.FULL][90:97, 90:97] = 0.59
    masks = find_garments(found)
    assert [g.garment.name for g in masks.garments] == ["UPPER", "UNION"]
    assert masks.owner is not None
    assert (masks.owner[20:180, 20:180] == Garment.UPPER.value).all()


def test_classes_stay_apart_where_they_meet() -> None:
    masks = find_garments(told_apart(upper=np.s_[20:100, 20:180], lower=np.s_[100:180, 20:180]))
    assert masks.owner is not None
    assert masks.owner[99, 100] == Garment.UPPER.value
    assert masks.owner[100, 100] == Garment.LOWER.value
    assert masks.coverage[98:102, 100].tolist() == [255] * 4


def test_doubt_between_classes_makes_no_hole_in_the_union() -> None:
    classes = {garment: blank() for garment in CLASSES}
    area = np.s_[40:160, 40:160]
    classes[Garment.UPPER][area] = 0.35
    classes[Garment.FULL][area] = 0.33
    classes[Garment.LOWER][area] = 0.3
    masks = find_garments(Probabilities(np.sum(list(classes.values()), axis=0), classes))
    assert masks.coverage[100, 100] == 255
    assert [g.garment.name for g in masks.garments] == ["UPPER", "UNION"]
    assert masks.garments[0].confidence == pytest.approx(0.35, abs=1e-3)


def test_coverage_is_soft_along_the_outline_only() -> None:
    union = blank()
    union[50:150, 50:150] = 0.95
    union[50, 50:150] = 0.7
    union[49, 50:150] = 0.3
    union[40, 50:150] = 0.3
    coverage = find_garments(Probabilities(union, {})).coverage
    assert coverage[100, 100] == 255  # 0.95, but inside
    assert 170 < coverage[50, 100] < 185
    assert 70 < coverage[49, 100] < 85
    assert coverage[40, 100] == 0


def test_a_garment_that_fills_the_picture_is_covered_to_its_border() -> None:
    masks = find_garments(told_apart(full=np.s_[:, :]))
    assert (masks.coverage == 255).all()
    assert masks.garments[-1].box == (0.0, 0.0, 1.0, 1.0)


def test_without_classes_only_the_union_is_found() -> None:
    union = blank()
    union[50:150, 50:150] = 0.9
    masks = find_garments(Probabilities(union, {}))
    assert [found.garment for found in masks.garments] == [Garment.UNION]
    assert masks.owner is None
