"""Patterns painted on garments, so that words for them can be learnt from any photograph.

A painted pattern keeps the photograph's shading: it mixes two recoloured versions of the garment.
"""

from collections.abc import Callable
from typing import Final

import cv2
import numpy as np
import numpy.typing as npt

Field = npt.NDArray[np.float32]

PATTERNS: Final = ("striped", "checked", "dotted", "floral", "camouflage")
PLAIN: Final = len(PATTERNS)
"""What a garment of one colour is labelled, after the painted ones."""
UNKNOWN: Final = -1

# A period as a share of the garment's longer side: pinstripes to broad bands.
_FINEST, _COARSEST = 0.02, 0.14


def pattern_field(pattern: int, height: int, width: int, rng: np.random.Generator) -> Field:
    """How much of the second colour each pixel takes: float32 (height, width), 0 to 1."""
    period = max(height, width) * float(np.exp(rng.uniform(np.log(_FINEST), np.log(_COARSEST))))
    painter = _PAINTERS[PATTERNS[pattern]]
    field = painter(_coordinates(height, width, rng), max(period, 3.0), rng)
    # Woven edges are not sharper than the photograph.
    return cv2.GaussianBlur(field.astype(np.float32), (3, 3), 0.7)


def _coordinates(height: int, width: int, rng: np.random.Generator) -> npt.NDArray[np.float32]:
    """x and y of each pixel, (2, height, width), turned a little and bent as cloth bends."""
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    angle = rng.normal(0, 0.08)
    bend, wave = rng.uniform(0, 0.02) * max(height, width), rng.uniform(0.5, 1.5)
    x = x + bend * np.sin(wave * 2 * np.pi * y / height + rng.uniform(0, 6))
    y = y + bend * np.sin(wave * 2 * np.pi * x / width + rng.uniform(0, 6))
    cosine, sine = np.float32(np.cos(angle)), np.float32(np.sin(angle))
    return np.stack([cosine * x - sine * y, sine * x + cosine * y])


def _wave(values: Field, period: float, duty: float) -> Field:
    return ((values / period) % 1.0 < duty).astype(np.float32)


def _striped(xy: Field, period: float, rng: np.random.Generator) -> Field:
    along = xy[1] if rng.random() < 0.65 else xy[0]
    if rng.random() < 0.15:
        along = (xy[0] + xy[1]) * np.float32(0.7)
    return _wave(along, period, rng.uniform(0.2, 0.6))


def _checked(xy: Field, period: float, rng: np.random.Generator) -> Field:
    period, duty = max(period, 6.0), rng.uniform(0.3, 0.55)
    if rng.random() < 0.2:
        turned = (xy[0] + xy[1]) * 0.7, (xy[0] - xy[1]) * 0.7
    else:
        turned = xy[0], xy[1]
    field = (_wave(turned[0], period, duty) + _wave(turned[1], period, duty)) / 2
    if rng.random() < 0.5:
        thin = np.maximum(
            _wave(turned[0] + period / 3, period, 0.08), _wave(turned[1] + period / 3, period, 0.08)
        )
        field = np.abs(field - 0.8 * thin)
    return field


def _dotted(xy: Field, period: float, rng: np.random.Generator) -> Field:
    period = max(period, 6.0)
    rows = np.floor(xy[1] / period)
    across = (xy[0] / period + 0.5 * (rows % 2)) % 1.0 - 0.5
    down = (xy[1] / period) % 1.0 - 0.5
    return (across**2 + down**2 < rng.uniform(0.18, 0.36) ** 2).astype(np.float32)


def _floral(xy: Field, period: float, rng: np.random.Generator) -> Field:
    height, width = xy.shape[1:]
    radius = max(period / 2, 4.0)
    field = np.zeros((height, width), np.float32)
    for _ in range(int(height * width / (radius * radius * rng.uniform(7, 14)))):
        centre = rng.uniform(0, [width, height])
        size, petals, turn = (
            radius * rng.uniform(0.6, 1.2),
            int(rng.integers(4, 7)),
            rng.uniform(0, 6),
        )
        for petal in range(petals):
            angle = turn + 2 * np.pi * petal / petals
            at = centre + size * 0.55 * np.array([np.cos(angle), np.sin(angle)])
            axes = (max(int(size * 0.5), 1), max(int(size * 0.28), 1))
            place = (int(at[0]), int(at[1]))
            cv2.ellipse(field, place, axes, float(np.degrees(angle)), 0, 360, 1.0, -1)
        middle = (int(centre[0]), int(centre[1]))
        cv2.circle(field, middle, max(int(size * 0.2), 1), 0.3, -1)
    return field


def _camouflage(xy: Field, period: float, rng: np.random.Generator) -> Field:
    height, width = xy.shape[1:]
    sigma = max(period * 0.7, 3.0)
    layers = []
    for _ in range(2):
        noise = rng.standard_normal((height, width)).astype(np.float32)
        smooth = cv2.GaussianBlur(noise, (0, 0), sigma)
        layers.append(smooth > np.quantile(smooth, rng.uniform(0.5, 0.7)))
    return np.asarray(np.where(layers[0], 1.0, np.where(layers[1], 0.5, 0.0)), np.float32)


_PAINTERS: Final[dict[str, Callable[[Field, float, np.random.Generator], Field]]] = {
    "striped": _striped,
    "checked": _checked,
    "dotted": _dotted,
    "floral": _floral,
    "camouflage": _camouflage,
}
