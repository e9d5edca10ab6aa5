"""What scores mean: probabilities, weak matches, and the category that a photograph shows."""

import math
from dataclasses import replace

import numpy as np
import pytest

from services.gateway.calibration import Calibration, CategoryRule, ScoreCurve
from services.gateway.category_guess import agreed, guess
from services.gateway.feature_words import Features
from services.gateway.judgement import Judge
from services.gateway.ranking import Neighbour, Usual
from services.gateway.search_messages import (
    FeaturesPart,
    Part,
    PhotographPart,
    ProductPart,
    TextPart,
)
from services.gateway.values import Encoded, Garment

CURVE = ScoreCurve(
    bias=-2.0,
    score_weight=10.0,
    usual_weight=0.0,
    topic_weight=0.0,
    topic_values_f32=b"",
    usual_cosine=0.0,
    weak_below=0.2,
)
CALIBRATION = Calibration(CURVE, CURVE, replace(CURVE, bias=-5.0), None, "tests")
NOTHING = Usual((), 0)
VECTOR = np.array([1, 0], "<f4").tobytes()
RULE = CategoryRule(
    neighbour_count=5, vote_scale=10.0, words_scale=10.0, words_weight=0.4, apply_from=0.6
)


def sigmoid(value: float) -> float:
    return 1 / (1 + math.exp(-value))


def judge(*parts: Part, calibration: Calibration = CALIBRATION, usual: Usual = NOTHING) -> Judge:
    vectors = [None if isinstance(part, ProductPart) else VECTOR for part in parts]
    found = Judge.of(calibration, parts, vectors, usual)
    assert found is not None
    return found


def test_the_probability_rises_with_the_cosine() -> None:
    words = judge(TextPart("dress", 1.0))
    told = [words.probability([cosine]) for cosine in (-1.0, 0.0, 0.2, 0.9)]
    assert told == sorted(told)
    assert told[2] == pytest.approx(0.5)
    assert words.weak_below == pytest.approx(0.2)


def test_each_kind_has_its_own_curve() -> None:
    photograph = PhotographPart(Encoded(b""), Garment.UNSPECIFIED, 1.0)
    assert judge(ProductPart("a", 1.0)).probability([0.5]) == pytest.approx(0.5)
    for part in (TextPart("a", 1.0), FeaturesPart(Features(), 1.0), photograph):
        assert judge(part).probability([0.5]) == pytest.approx(sigmoid(3.0))


def test_a_mix_is_the_weighted_geometric_mean_of_the_wanted_parts() -> None:
    mixed = judge(TextPart("a", 1.0), ProductPart("b", 3.0), TextPart("not this", -2.0))
    expected = sigmoid(-2 + 10 * 0.4) ** 0.25 * sigmoid(-5 + 10 * 0.7) ** 0.75
    assert mixed.probability([0.4, 0.7, 0.99]) == pytest.approx(expected)
    assert mixed.weak_below == pytest.approx(0.2)


def test_an_impossible_match_has_no_probability_and_breaks_nothing() -> None:
    steep = replace(CALIBRATION, text=replace(CURVE, score_weight=1e4))
    assert judge(TextPart("a", 1.0), calibration=steep).probability([-1.0]) == 0.0
    assert judge(TextPart("a", 1.0), calibration=steep).probability([1.0]) == 1.0


def test_nothing_is_said_without_a_calibration_or_a_wanted_part() -> None:
    assert Judge.of(None, [TextPart("a", 1.0)], [VECTOR], NOTHING) is None
    assert Judge.of(CALIBRATION, [TextPart("a", -1.0)], [VECTOR], NOTHING) is None
    without = replace(CALIBRATION, text=None)
    parts = [TextPart("a", 1.0), ProductPart("b", 1.0)]
    assert Judge.of(without, parts, [VECTOR, None], NOTHING) is None


def test_a_query_about_something_else_is_told_by_its_direction() -> None:
    topic = np.array([-1, 0], "<f4").tobytes()
    elsewhere = replace(CALIBRATION, text=replace(CURVE, topic_weight=3.0, topic_values_f32=topic))
    assert judge(TextPart("a", 1.0), calibration=elsewhere).probability([0.5]) == pytest.approx(
        sigmoid(-2 + 5 - 3)
    )


def test_what_is_usual_in_a_large_index_counts_more_than_in_a_small_one() -> None:
    usually = replace(CALIBRATION, text=replace(CURVE, usual_weight=-10.0, usual_cosine=0.2))
    part = TextPart("a", 1.0)
    small = judge(part, calibration=usually, usual=Usual((0.4,), 2)).probability([0.5])
    large = judge(part, calibration=usually, usual=Usual((0.4,), 10**6)).probability([0.5])
    assert large == pytest.approx(sigmoid(-2 + 5 - 4), abs=1e-3)
    assert small == pytest.approx(sigmoid(-2 + 5 - 2), abs=0.03)
    assert judge(part, calibration=usually).probability([0.5]) == pytest.approx(sigmoid(-2 + 5 - 2))


# --- Categories ----------------------------------------------------------------------------------


def unit(*values: float) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    vector = np.array(values, np.float32)
    return vector / np.linalg.norm(vector)


NAMES = {"Dresses": unit(1, 0.2), "Skirts": unit(0, 1)}


def test_votes_and_words_agree_on_a_category() -> None:
    near = [
        Neighbour(("dresses",), 0.9),
        Neighbour(("Dresses ",), 0.8),
        Neighbour(("Skirts",), 0.5),
    ]
    category, confidence = guess(unit(1, 0), near, NAMES, RULE)
    assert category == "Dresses"
    assert 0.9 < confidence <= 1.0


def test_a_contradiction_is_unsure() -> None:
    near = [Neighbour(("Skirts",), 0.9)] * 5
    category, confidence = guess(unit(1, 0), near, NAMES, RULE)
    assert category == "Skirts"
    assert confidence == pytest.approx(0.6, abs=0.01)


def test_without_neighbours_the_words_alone_are_never_sure() -> None:
    category, confidence = guess(unit(1, 0), [], NAMES, RULE)
    assert category == "Dresses"
    assert confidence <= RULE.words_weight


def test_a_catalogue_without_categories_has_none_to_guess() -> None:
    assert guess(unit(1, 0), [], {}, RULE) == ("", 0.0)


def test_a_product_of_several_categories_shares_its_vote() -> None:
    near = [Neighbour(("Dresses", "Skirts"), 0.9)]
    votes_only = replace(RULE, words_weight=0.0)
    assert guess(unit(1, 0), near, NAMES, votes_only)[1] == pytest.approx(0.5)


def test_photographs_that_disagree_or_doubt_search_everything() -> None:
    assert agreed([("Dresses", 0.9)], RULE) == "Dresses"
    assert agreed([("Dresses", 0.9), ("dresses", 0.7)], RULE) == "Dresses"
    assert agreed([("Dresses", 0.9), ("Skirts", 0.9)], RULE) == ""
    assert agreed([("Dresses", 0.9), ("Dresses", 0.5)], RULE) == ""
