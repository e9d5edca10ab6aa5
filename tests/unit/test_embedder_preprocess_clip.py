"""The CLIP family's rules from a photograph to the square, and from a text to what is tokenised."""

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from services.embedder.backends.onnx import first_numbers
from services.embedder.preprocess_clip import ClipPreprocessing, clip_preprocessing
from services.embedder.text_cleaning import CLEANINGS

GREEN = (0, 255, 0)
WHITE = (255, 255, 255)
Pixels = npt.NDArray[np.uint8]
CLIP = ClipPreprocessing("resize-crop", 224, "bicubic", "transformers", WHITE)
SIGLIP = ClipPreprocessing("squash", 224, "bicubic", "transformers", WHITE)


def photograph(height: int, width: int) -> Pixels:
    dice = np.random.default_rng(height * 7919 + width)
    coarse = dice.integers(0, 255, (height // 9 + 1, width // 9 + 1, 3), np.uint8)
    return np.ascontiguousarray(coarse.repeat(9, axis=0).repeat(9, axis=1)[:height, :width])


def composite(height: int, width: int) -> Pixels:
    pixels = np.empty((height, width, 3), np.uint8)
    pixels[:] = GREEN
    pixels[height // 10 : -height // 10, width // 10 : -width // 10] = (200, 30, 40)
    return pixels


@pytest.mark.parametrize(("height", "width"), [(640, 427), (300, 451), (224, 225), (97, 311)])
def test_the_middle_of_the_resized_photograph_is_taken(height: int, width: int) -> None:
    pixels = photograph(height, width)
    new = (int(224 * height / min(height, width)), int(224 * width / min(height, width)))
    whole = np.asarray(Image.fromarray(pixels).resize(new[::-1], Image.Resampling.BICUBIC))
    top, left = (new[0] - 224) // 2, (new[1] - 224) // 2
    np.testing.assert_array_equal(CLIP.prepare(pixels), whole[top : top + 224, left : left + 224])


def test_the_two_arithmetics_round_an_odd_rest_differently() -> None:
    # 224 x 231: the rest is 7, half of it 3.5.
    pixels = photograph(224, 231)
    torchvision = ClipPreprocessing("resize-crop", 224, "bicubic", "torchvision", None)
    np.testing.assert_array_equal(CLIP.prepare(pixels), pixels[:, 3:227])
    np.testing.assert_array_equal(torchvision.prepare(pixels), pixels[:, 4:228])


def test_squashing_keeps_everything() -> None:
    pixels = photograph(300, 100)
    expected = Image.fromarray(pixels).resize((224, 224), Image.Resampling.BICUBIC)
    np.testing.assert_array_equal(SIGLIP.prepare(pixels), np.asarray(expected))


@pytest.mark.parametrize("shape", [(1, 1), (1, 60_000), (60_000, 1), (2, 3), (3, 200)])
@pytest.mark.parametrize("rule", [CLIP, SIGLIP])
def test_one_pixel_and_extreme_aspects_survive(
    rule: ClipPreprocessing, shape: tuple[int, int]
) -> None:
    assert rule.prepare(photograph(*shape)).shape == (224, 224, 3)


def test_beyond_the_cap_only_the_middle_is_computed_and_is_the_same() -> None:
    pixels = photograph(10, 330)
    resized = Image.fromarray(pixels).resize((7392, 224), Image.Resampling.BICUBIC)
    left = (7392 - 224) // 2
    expected = np.asarray(resized)[:, left : left + 224].astype(int)
    assert np.abs(CLIP.prepare(pixels).astype(int) - expected).max() <= 1


@pytest.mark.parametrize("rule", [CLIP, SIGLIP])
def test_no_green_is_left_of_a_composite_and_its_shape_is_kept(rule: ClipPreprocessing) -> None:
    prepared = rule.prepare(composite(300, 100), GREEN).astype(int)
    assert not (prepared[:, :, 1] > prepared[:, :, [0, 2]].max(axis=2) + 8).any()
    garment = prepared[:, :, 1] < 140
    rows, columns = np.nonzero(garment)
    height, width = np.ptp(rows) + 1, np.ptp(columns) + 1
    # 240 x 80 within 300 x 100, made square: nothing cut off, nothing squashed.
    assert height == pytest.approx(240 * 224 / 300, abs=3)
    assert width == pytest.approx(80 * 224 / 300, abs=3)


def test_a_background_may_be_kept() -> None:
    kept = ClipPreprocessing("squash", 224, "bicubic", "transformers", None)
    pixels = composite(300, 100)
    np.testing.assert_array_equal(kept.prepare(pixels, GREEN), kept.prepare(pixels))


def test_a_photograph_that_is_no_composite_is_not_touched() -> None:
    pixels = photograph(300, 100)
    np.testing.assert_array_equal(SIGLIP.prepare(pixels, GREEN), SIGLIP.prepare(pixels))


def test_a_manifest_names_the_rule() -> None:
    table = {
        "kind": "squash",
        "side_px": 224,
        "interpolation": "bilinear",
        "arithmetic": "torchvision",
        "composite_background": [255, 255, 255],
    }
    rule = clip_preprocessing(table)
    assert rule == ClipPreprocessing("squash", 224, "bilinear", "torchvision", WHITE)
    assert "224" in rule.description
    assert (
        clip_preprocessing({**table, "composite_background": "keep"}).composite_background is None
    )
    for key, wrong in (("kind", "crop"), ("interpolation", "nearest"), ("arithmetic", "jax")):
        with pytest.raises(ValueError, match=wrong):
            clip_preprocessing({**table, key: wrong})


@pytest.mark.parametrize(
    ("cleaning", "text", "expected"),
    [
        ("none", " As It  IS! ", " As It  IS! "),
        ("open_clip-lower", "  \u201cRed\u201d  T-SHIRT &amp;amp; more ", '"red" t-shirt & more'),
        ("open_clip-canonicalize", "Men's  slim_fit  jeans, 3/4!", "mens slim fit jeans 34"),
        ("siglip-canonicalize", "Men's  slim_fit\tjeans, 3/4!\u2581x", "mens slimfit jeans 34 x"),
        ("open_clip-canonicalize", "  ?! ", ""),
    ],
)
def test_texts_are_cleaned_as_the_reference_cleans_them(
    cleaning: str, text: str, expected: str
) -> None:
    assert CLEANINGS[cleaning](text) == expected


def test_the_first_numbers_of_a_vector_are_a_unit_vector_again() -> None:
    vectors = np.random.default_rng(1).standard_normal((3, 8)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    short = first_numbers(vectors, 4)
    np.testing.assert_allclose(np.linalg.norm(short, axis=1), 1, atol=1e-6)
    np.testing.assert_allclose(short[0] / short[0, 0], vectors[0, :4] / vectors[0, 0], rtol=1e-5)
    assert first_numbers(vectors, 8) is vectors
    nothing = first_numbers(np.eye(1, 8, 7, np.float32), 4)
    assert not nothing.any()
