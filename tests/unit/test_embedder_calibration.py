"""What a manifest says of scores."""

import base64
from typing import Any

import numpy as np
import pytest

from services.embedder.calibration import calibration_of

CURVE: dict[str, Any] = {"bias": -2.0, "score_weight": 9.0, "weak_below": 0.2}
CATEGORY = {
    "neighbour_count": 10,
    "vote_scale": 8.0,
    "words_scale": 16.0,
    "words_weight": 0.3,
    "apply_from": 0.6,
}


def properties(**tables: Any) -> dict[str, Any]:
    return {"calibration": {"fitted_on": "tests", **tables}}


def test_a_model_may_have_no_calibration() -> None:
    assert calibration_of({}, 2) is None


def test_kinds_that_are_not_calibrated_stay_unset() -> None:
    found = calibration_of(properties(text=CURVE), 2)
    assert found is not None
    assert found.text is not None
    assert (found.text.usual_weight, found.text.topic) == (0.0, None)
    assert (found.image, found.product, found.category) == (None, None, None)


def test_a_topic_is_read_from_a_page_of_text() -> None:
    packed = base64.b64encode(np.array([127, -127, 0], np.int8).tobytes()).decode()
    found = calibration_of(
        properties(image={**CURVE, "topic_weight": 2.0, "topic_int8": packed}, category=CATEGORY), 3
    )
    assert found is not None
    assert found.image is not None
    assert found.image.topic is not None
    assert found.image.topic.tolist() == [1.0, -1.0, 0.0]
    assert found.category is not None
    assert found.category.neighbour_count == 10


@pytest.mark.parametrize(
    "table",
    [
        {"bias": 0.0, "score_weight": 1.0},
        {**CURVE, "score_weight": -1.0},
        {**CURVE, "weak_below": 1.0},
        {**CURVE, "bias": float("nan")},
        {**CURVE, "topic_weight": 1.0, "topic_int8": base64.b64encode(b"ab").decode()},
        {**CURVE, "topic_weight": 1.0, "topic_int8": "no base64!"},
        {**CURVE, "topic_int8": base64.b64encode(b"abc").decode()},
    ],
)
def test_a_curve_that_cannot_be_right_is_refused(table: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"calibration\.text"):
        calibration_of(properties(text=table), 3)
