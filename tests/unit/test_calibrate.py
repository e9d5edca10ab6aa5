"""Fitting what scores mean, on queries whose truth is known."""

import tomllib
from pathlib import Path

import numpy as np

from models.calibrate.category import Guesses, confidences, fit_rule
from models.calibrate.category import measured as category_measured
from models.calibrate.curves import area, fit_curve
from models.calibrate.evidence import Evidence, evidence, together
from models.calibrate.manifest_block import block, write
from models.calibrate.offtopic_pictures import drawn, surroundings
from models.calibrate.offtopic_texts import to_fit, to_test
from models.calibrate.report import measured
from models.calibrate.rules import sold_as
from services.embedder.calibration import calibration_of
from services.gateway.calibration import CategoryRule
from services.gateway.category_guess import guess
from services.gateway.ranking import Neighbour

DIMENSION = 12


def unit(
    rows: np.ndarray[tuple[int, ...], np.dtype[np.float64]],
) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True), np.float32)


def made_up(seed: int) -> Evidence:
    """Clothes lie along the first axis, all else along the second; products of the query's own
    kind, known by the other axes, match it."""
    rng = np.random.default_rng(seed)
    kinds = rng.integers(0, 6, 120)
    centres = rng.standard_normal((6, DIMENSION))
    centres[:, :2] = (2, 0)
    gallery = unit(centres[kinds] + 0.3 * rng.standard_normal((120, DIMENSION)))
    asked = rng.integers(0, 6, 200)
    on = unit(centres[asked] + 0.5 * rng.standard_normal((200, DIMENSION)))
    off = rng.standard_normal((80, DIMENSION))
    off[:, :2] = (0, 2)
    return together(
        [
            evidence(
                on, gallery, asked[:, None] == kinds, on_topic=True,
                groups=[f"{seed} {n}" for n in range(200)], stratum="clothes",
            ),
            evidence(
                unit(off), gallery, np.zeros((80, 120), np.bool_), on_topic=False,
                groups=[f"off {seed} {n}" for n in range(80)], stratum="else",
            ),
        ]
    )  # fmt: skip


def test_what_was_never_seen_is_judged_as_the_target_wants() -> None:
    curve = fit_curve(made_up(1), with_topic=True, with_usual=True)
    figures = measured(curve, made_up(2))
    assert curve.score_weight > 0
    assert figures["weak_off_topic"] >= 0.9
    assert figures["weak_on_topic"] <= 0.1
    assert figures["calibration_error"] < 0.12


def test_halves_never_share_a_group() -> None:
    queries = made_up(1)
    fit, test = queries.halves()
    assert len(fit) + len(test) == len(queries)
    assert not set(fit.groups) & set(test.groups)


def test_the_area_counts_pairs_in_the_right_order() -> None:
    assert area(np.array([2.0, 3.0]), np.array([0.0, 1.0])) == 1.0
    assert area(np.array([0.0, 1.0]), np.array([2.0, 3.0])) == 0.0


def test_off_topic_texts_to_fit_and_to_test_are_different() -> None:
    assert not set(to_fit()) & set(to_test())
    assert {"a red bicycle", "cat"} <= set(to_test())


def test_pictures_are_the_same_for_the_same_seed() -> None:
    one, again, other = drawn(10, 3), drawn(10, 3), drawn(10, 4)
    assert all((a == b).all() for a, b in zip(one, again, strict=True))
    assert any(a.shape != b.shape or (a != b).any() for a, b in zip(one, other, strict=True))


def test_what_lies_around_a_person_holds_no_clothing() -> None:
    pixels = np.zeros((600, 400, 3), np.uint8)
    classes = np.zeros((600, 400), np.uint8)
    classes[100:500, 150:250] = 2
    pixels[classes > 0] = 255
    part = surroundings(pixels, classes)
    assert part is not None
    assert part.max() == 0
    assert surroundings(pixels, np.ones((600, 400), np.uint8)) is None


def test_photographs_are_looked_for_where_they_are_sold() -> None:
    assert sold_as("pants", "Skinny Cut")
    assert sold_as("t-shirt", "Tees")
    assert not sold_as("shirt", "T-Shirts")
    assert not sold_as("hat", "Pants")


def _guesses(seed: int) -> Guesses:
    rng = np.random.default_rng(seed)
    truth = rng.integers(0, 4, 160)
    kinds = rng.integers(0, 4, 90)
    cosines = 0.5 + 0.3 * (truth[:, None] == kinds) + 0.1 * rng.standard_normal((160, 90))
    described = 0.2 + 0.2 * (truth[:, None] == np.arange(4)) + 0.1 * rng.standard_normal((160, 4))
    return Guesses(
        cosines,
        described,
        kinds[:, None] == np.arange(4),
        truth[:, None] == np.arange(4),
        rng.random(160) < 0.5,
    )


def test_a_category_rule_is_right_where_it_searches_alone() -> None:
    found = _guesses(1)
    rule = fit_rule(found)
    figures = category_measured(found, rule)
    assert figures["accuracy"] > 0.9
    assert figures["accuracy_where_searched_alone"] >= 0.85
    assert figures["searched_alone"] > 0.5


def test_the_fitted_confidence_is_the_one_that_is_served() -> None:
    found = _guesses(2)
    rule = fit_rule(found)
    served = CategoryRule(
        rule.neighbour_count, rule.vote_scale, rule.words_scale, rule.words_weight, rule.apply_from
    )
    photograph = np.array([1.0, 0.0], np.float32)
    for row in range(5):
        best = np.argsort(-found.cosines[row], kind="stable")[: rule.neighbour_count]
        near = [
            Neighbour((str(found.members[n].argmax()),), float(found.cosines[row, n])) for n in best
        ]
        names = {
            str(n): np.array([cosine, 0.0], np.float32)
            for n, cosine in enumerate(found.described[row])
        }
        category, confidence = guess(photograph, near, names, served)
        fitted = confidences(found, rule)[row]
        assert int(category) == int(fitted.argmax())
        assert abs(confidence - fitted.max()) < 1e-5


def test_a_manifest_is_written_twice_without_growing_and_read_as_it_was_fitted(
    tmp_path: Path,
) -> None:
    manifest = tmp_path / "m.toml"
    manifest.write_text('name = "m"\n\n[properties]\ndimension = 12\n')
    curve = fit_curve(made_up(1), with_topic=True, with_usual=True)
    text = block(
        {"image": curve, "text": curve}, fit_rule(_guesses(1)), 'a "shop"', "figures\nmore"
    )
    write(manifest, text)
    once = manifest.read_bytes()
    write(manifest, text)
    assert manifest.read_bytes() == once
    found = calibration_of(tomllib.loads(once.decode())["properties"], DIMENSION)
    assert found is not None
    assert found.image is not None
    assert found.image.topic is not None
    assert curve.topic is not None
    assert abs(found.image.score_weight / curve.score_weight - 1) < 1e-4
    assert np.allclose(found.image.topic * 127, curve.topic)
    assert found.fitted_on == 'a "shop"'
