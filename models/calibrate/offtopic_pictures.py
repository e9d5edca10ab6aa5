"""Pictures that show no garment: drawn by code, and what lies around people in the street.

Drawn: skies and hills, houses, animals of circles, machines, text, patterns, noise. They stand in
for photographs of all else; the real ones that a folder has serve to test only.
"""

from collections.abc import Callable

import cv2
import numpy as np
import numpy.typing as npt

Pixels = npt.NDArray[np.uint8]
_SIDES_PX = ((480, 640), (640, 480), (512, 512))
_MOST_CLOTHING = 0.005


def drawn(count: int, seed: int) -> list[Pixels]:
    """So many pictures, as different as they come; the same for the same seed."""
    rng = np.random.default_rng(seed)
    kinds: tuple[Callable[[np.random.Generator, int, int], Pixels], ...] = (
        _landscape, _animal, _houses, _machine, _text, _blobs, _noise, _food, _flowers, _stripes,
    )  # fmt: skip
    pictures = []
    for number in range(count):
        height, width = _SIDES_PX[int(rng.integers(len(_SIDES_PX)))]
        picture = kinds[number % len(kinds)](rng, height, width)
        # As a lens and a sensor would leave it.
        picture = np.asarray(cv2.GaussianBlur(picture, (0, 0), float(rng.uniform(0.6, 2.0))))
        grain = rng.normal(0, rng.uniform(1, 8), picture.shape)
        pictures.append(np.clip(picture + grain, 0, 255).astype(np.uint8))
    return pictures


def surroundings(
    pixels: Pixels, classes: npt.NDArray[np.uint8], least_px: int = 120
) -> Pixels | None:
    """The largest part of a street photograph beside its people, or None.

    Args:
      classes: (height, width) hand-made: 0 where no clothing is.
    """
    height, width = classes.shape
    clothing = classes > 0
    best: Pixels | None = None
    for left, top, right, bottom in (
        (0, 0, width // 3, height), (2 * width // 3, 0, width, height),
        (0, 0, width // 4, height), (3 * width // 4, 0, width, height),
        (0, 0, width, height // 6), (0, 9 * height // 10, width, height),
    ):  # fmt: skip
        part = pixels[top:bottom, left:right]
        if (
            min(part.shape[:2]) < least_px
            or clothing[top:bottom, left:right].mean() > _MOST_CLOTHING
        ):
            continue
        if best is None or part.size > best.size:
            best = part
    return best


def _colour(rng: np.random.Generator, low: int = 0, high: int = 255) -> tuple[int, int, int]:
    red, green, blue = (int(value) for value in rng.integers(low, high + 1, 3))
    return red, green, blue


def _gradient(rng: np.random.Generator, height: int, width: int) -> Pixels:
    ends = np.array([_colour(rng), _colour(rng)], np.float64)
    share = np.linspace(0, 1, height)[:, None, None]
    return np.asarray(
        np.broadcast_to(ends[0] * (1 - share) + ends[1] * share, (height, width, 3))
    ).astype(np.uint8)


def _landscape(rng: np.random.Generator, height: int, width: int) -> Pixels:
    picture = _gradient(rng, height, width).copy()
    x = np.arange(width)
    for layer in range(int(rng.integers(2, 5))):
        waves = sum(
            rng.uniform(8, 60)
            / (i + 1)
            * np.sin(x * rng.uniform(0.002, 0.03) * (i + 1) + rng.uniform(0, 6))
            for i in range(4)
        )
        line = np.clip(height * (0.35 + 0.15 * layer) + waves, 0, height - 1).astype(np.int32)
        outline = np.stack([x, line], axis=1)
        hill = np.concatenate([outline, [[width - 1, height - 1], [0, height - 1]]])
        cv2.fillPoly(picture, [hill.astype(np.int32)], _colour(rng, 20, 170))
    cv2.circle(
        picture,
        (int(rng.integers(width)), int(height * 0.15)),
        int(rng.integers(15, 50)),
        (250, 240, 190),
        -1,
    )
    return picture


def _animal(rng: np.random.Generator, height: int, width: int) -> Pixels:
    picture = _gradient(rng, height, width).copy()
    fur = _colour(rng, 20, 220)
    x, y, size = width // 2, int(height * 0.55), int(min(height, width) * rng.uniform(0.18, 0.28))
    cv2.ellipse(picture, (x, y + size), (int(size * 1.3), size), 0, 0, 360, fur, -1)
    cv2.circle(picture, (x, y - size // 2), size, fur, -1)
    for side in (-1, 1):
        ear = np.array(
            [
                [x + side * size, y - 2 * size],
                [x + side * size // 5, y - int(1.3 * size)],
                [x + side * size, y - size // 2],
            ]
        )
        cv2.fillPoly(picture, [ear.astype(np.int32)], fur)
        cv2.circle(picture, (x + side * size // 3, y - size // 2), size // 8, (240, 220, 60), -1)
        cv2.circle(picture, (x + side * size // 3, y - size // 2), size // 16, (0, 0, 0), -1)
        for whisker in (-6, 0, 6):
            cv2.line(
                picture, (x, y), (x + side * int(1.4 * size), y + whisker * 3), (230, 230, 230), 1
            )
    strokes = rng.integers(0, 2 * size, (600, 2)) - size
    for dx, dy in strokes.tolist():
        shade = tuple(int(np.clip(c + rng.integers(-40, 40), 0, 255)) for c in fur)
        cv2.line(picture, (x + dx, y + dy), (x + dx + 4, y + dy + 6), shade, 1)
    return picture


def _houses(rng: np.random.Generator, height: int, width: int) -> Pixels:
    picture = _gradient(rng, height, width).copy()
    left = 0
    while left < width:
        wide, tall = int(rng.integers(50, 140)), int(rng.integers(height // 4, height))
        cv2.rectangle(
            picture, (left, height - tall), (left + wide, height), _colour(rng, 60, 200), -1
        )
        pane = _colour(rng, 150, 255)
        for row in range(height - tall + 12, height - 16, 28):
            for column in range(left + 8, left + wide - 12, 22):
                cv2.rectangle(picture, (column, row), (column + 10, row + 14), pane, -1)
        left += wide
    return picture


def _machine(rng: np.random.Generator, height: int, width: int) -> Pixels:
    picture = np.full((height, width, 3), _colour(rng, 180, 255), np.uint8)
    x, y, r = width // 2, height // 2, int(min(height, width) * rng.uniform(0.12, 0.2))
    frame = _colour(rng, 0, 200)
    for side in (-1, 1):
        centre = (x + side * int(1.7 * r), y + r)
        cv2.circle(picture, centre, r, (30, 30, 30), 5)
        for turn in np.linspace(0, np.pi, 9)[:-1]:
            dx, dy = int(r * np.cos(turn)), int(r * np.sin(turn))
            cv2.line(
                picture,
                (centre[0] - dx, centre[1] - dy),
                (centre[0] + dx, centre[1] + dy),
                (120, 120, 120),
                1,
            )
        cv2.line(picture, centre, (x, y + r), frame, 7)
        cv2.line(picture, centre, (x + side * r, y - r // 2), frame, 7)
    cv2.line(picture, (x - r, y - r // 2), (x + r, y - r // 2), frame, 7)
    cv2.line(picture, (x, y + r), (x - r, y - r), frame, 7)
    cv2.rectangle(picture, (x - r - 18, y - r - 10), (x - r + 18, y - r), (20, 20, 20), -1)
    return picture


def _text(rng: np.random.Generator, height: int, width: int) -> Pixels:
    picture = np.full((height, width, 3), _colour(rng, 200, 255), np.uint8)
    ink = _colour(rng, 0, 90)
    for row in range(40, height, 26):
        words = " ".join(
            "".join(chr(int(c)) for c in rng.integers(97, 123, rng.integers(2, 9)))
            for _ in range(9)
        )
        cv2.putText(picture, words, (16, row), cv2.FONT_HERSHEY_SIMPLEX, 0.6, ink, 1, cv2.LINE_AA)
    return picture


def _blobs(rng: np.random.Generator, height: int, width: int) -> Pixels:
    picture = _gradient(rng, height, width).copy()
    for _ in range(int(rng.integers(4, 40))):
        cv2.circle(
            picture,
            (int(rng.integers(width)), int(rng.integers(height))),
            int(rng.integers(5, 120)),
            _colour(rng),
            -1,
        )
    return picture


def _noise(rng: np.random.Generator, height: int, width: int) -> Pixels:
    cells = int(rng.integers(4, 80))
    small = rng.integers(0, 256, (cells, cells, 3)).astype(np.uint8)
    how = (cv2.INTER_NEAREST, cv2.INTER_CUBIC)[int(rng.integers(2))]
    return np.asarray(cv2.resize(small, (width, height), interpolation=how), np.uint8)


def _food(rng: np.random.Generator, height: int, width: int) -> Pixels:
    picture = np.full((height, width, 3), _colour(rng, 60, 220), np.uint8)
    x, y, r = width // 2, height // 2, int(min(height, width) * 0.42)
    cv2.circle(picture, (x, y), r, (245, 245, 240), -1)
    cv2.circle(picture, (x, y), int(r * 0.8), _colour(rng, 120, 240), -1)
    for _ in range(40):
        turn, far = rng.uniform(0, 6.3), rng.uniform(0, 0.7 * r)
        spot = (int(x + far * np.cos(turn)), int(y + far * np.sin(turn)))
        cv2.ellipse(
            picture,
            spot,
            (int(rng.integers(6, 26)), int(rng.integers(4, 14))),
            float(rng.uniform(0, 180)),
            0,
            360,
            _colour(rng),
            -1,
        )
    return picture


def _flowers(rng: np.random.Generator, height: int, width: int) -> Pixels:
    picture = np.full((height, width, 3), (40, int(rng.integers(80, 150)), 40), np.uint8)
    for _ in range(int(rng.integers(6, 24))):
        x, y, r = int(rng.integers(width)), int(rng.integers(height)), int(rng.integers(12, 50))
        petal = _colour(rng, 100, 255)
        for turn in np.linspace(0, 2 * np.pi, 7)[:-1]:
            cv2.circle(
                picture, (int(x + r * np.cos(turn)), int(y + r * np.sin(turn))), r // 2, petal, -1
            )
        cv2.circle(picture, (x, y), r // 2, (240, 200, 40), -1)
    return picture


def _stripes(rng: np.random.Generator, height: int, width: int) -> Pixels:
    y, x = np.mgrid[:height, :width]
    wave = np.sin(x * rng.uniform(0.01, 0.2) + y * rng.uniform(-0.2, 0.2) + rng.uniform(0, 6))
    if rng.random() < 0.5:
        wave = wave * np.sin(y * rng.uniform(0.01, 0.2))
    share = (wave[..., None] + 1) / 2
    return np.asarray(np.array(_colour(rng)) * share + np.array(_colour(rng)) * (1 - share)).astype(
        np.uint8
    )
