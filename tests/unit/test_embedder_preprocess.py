"""The rule from a photograph to the image tower's square, held by an independent arithmetic."""

import numpy as np
import numpy.typing as npt
import pytest

from services.embedder.preprocess import SIDE_PX, prepare_image

GREEN = (0, 255, 0)
Pixels = npt.NDArray[np.uint8]


def antialiased_weights(source: int, target: int) -> npt.NDArray[np.float64]:
    """(target, source): the triangle filter, widened by the scale when reducing."""
    scale = source / target
    support = max(scale, 1.0)
    centres = (np.arange(target) + 0.5) * scale
    distance = np.abs(np.arange(source)[None] + 0.5 - centres[:, None]) / support
    weights = np.clip(1 - distance, 0, None)
    return np.asarray(weights / weights.sum(axis=1, keepdims=True))


def letterboxed(pixels: Pixels) -> npt.NDArray[np.float64]:
    """float (260, 260, 3): the reference for a picture without a background."""
    height, width = pixels.shape[:2]
    scale = SIDE_PX / max(height, width)
    rows, columns = max(1, round(height * scale)), max(1, round(width * scale))
    down, across = antialiased_weights(height, rows), antialiased_weights(width, columns)
    resized = (down @ (across @ pixels.astype(np.float64)).reshape(height, -1)).reshape(
        rows, columns, 3
    )
    square = np.full((SIDE_PX, SIDE_PX, 3), 255.0)
    top, left = (SIDE_PX - rows) // 2, (SIDE_PX - columns) // 2
    square[top : top + rows, left : left + columns] = resized
    return square


def photograph(height: int, width: int, seed: int = 0) -> Pixels:
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, 255, (height // 7 + 1, width // 7 + 1, 3), np.uint8)
    return np.ascontiguousarray(coarse.repeat(7, axis=0).repeat(7, axis=1)[:height, :width])


def composite() -> Pixels:
    """60 x 100 green with a garment of 40 x 30 at row 10, column 50."""
    pixels = np.empty((60, 100, 3), np.uint8)
    pixels[:] = GREEN
    pixels[10:50, 50:80] = photograph(40, 30, seed=5)
    return pixels


@pytest.mark.parametrize(
    ("height", "width"), [(900, 333), (333, 900), (100, 40), (40, 260), (261, 260), (7, 3)]
)
def test_non_square_photographs_are_letterboxed_with_antialias(height: int, width: int) -> None:
    pixels = photograph(height, width)
    prepared = prepare_image(pixels)
    difference = np.abs(prepared[:, :, :3] - letterboxed(pixels))
    # Pillow rounds between its two passes.
    assert difference.max() <= 1.51


def test_alpha_is_full_on_a_photograph_and_nothing_around_it() -> None:
    prepared = prepare_image(photograph(300, 100))
    rows, columns = np.nonzero(prepared[:, :, 3] == 255)
    assert (rows.min(), rows.max()) == (0, 259)
    assert (columns.min(), columns.max()) == (86, 172)
    assert (prepared[:, :86, 3] == 0).all()
    assert (prepared[:, :86, :3] == 255).all()


def test_the_garment_of_a_composite_fills_the_square_without_its_outermost_pixel() -> None:
    inner = composite()[11:49, 51:79]
    prepared = prepare_image(composite(), GREEN)
    assert np.abs(prepared[:, :, :3] - letterboxed(inner)).max() <= 1.51
    assert (prepared[:, :, 3] == 255).sum() == 260 * round(28 * 260 / 38)


def test_no_green_is_left_of_a_composite() -> None:
    prepared = prepare_image(composite(), GREEN).astype(int)
    garment_like_green = (prepared[:, :, :3] == np.array(GREEN)).all(axis=2)
    assert not garment_like_green.any()


def test_the_background_may_be_any_colour_and_nearly_it() -> None:
    pixels = composite()
    pixels[(pixels == np.array(GREEN)).all(axis=2)] = (250, 3, 120)
    np.testing.assert_array_equal(
        prepare_image(pixels, (255, 0, 125)), prepare_image(composite(), GREEN)
    )


def test_a_picture_without_the_background_colour_is_taken_whole() -> None:
    pixels = np.full((50, 20, 3), 90, np.uint8)
    np.testing.assert_array_equal(prepare_image(pixels, GREEN), prepare_image(pixels))


def test_a_picture_that_is_all_background_is_taken_whole() -> None:
    pixels = np.empty((50, 20, 3), np.uint8)
    pixels[:] = GREEN
    np.testing.assert_array_equal(prepare_image(pixels, GREEN), prepare_image(pixels))


@pytest.mark.parametrize("shape", [(1, 1), (1, 5000), (5000, 1), (2, 2), (1, 2)])
def test_one_pixel_and_extreme_aspects_survive(shape: tuple[int, int]) -> None:
    pixels = photograph(*shape)
    for background in (None, GREEN):
        prepared = prepare_image(pixels, background)
        assert prepared.shape == (SIDE_PX, SIDE_PX, 4)
        assert prepared[:, :, 3].max() == 255


def test_a_view_of_read_only_memory_will_do() -> None:
    data = photograph(30, 20).tobytes()
    pixels = np.frombuffer(data, np.uint8).reshape(30, 20, 3)
    assert prepare_image(pixels, GREEN).shape == (SIDE_PX, SIDE_PX, 4)


def test_the_manifest_of_the_network_wants_this_square() -> None:
    from models.efficientnet import IMAGE_SIDE_PX

    assert IMAGE_SIDE_PX == SIDE_PX
