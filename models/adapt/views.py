"""The pictures that are made of one photograph: as ingested, whole, and changed ones.

Changed: a part of it, mirrored, in other light; of the cut-out garment and of the whole photograph
in turns. Every one goes through the model's own preprocessing afterwards.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

RECIPE: Final = 1
"""Of this file: vectors made by another recipe are not taken from the cache."""
_LEAST_GARMENT: Final = 0.15

Pixels = npt.NDArray[np.uint8]
Rgb = tuple[int, int, int]


@dataclass(frozen=True, slots=True)
class View:
    """uint8 (height, width, 3), and the colour behind the garment, None for a whole photograph."""

    pixels_hwc: Pixels
    background: Rgb | None


def make_views(photo: Pixels, crop: View | None, count: int, seed: int) -> list[View]:
    """`count` views of a photograph, the first as ingested, the second the whole of it.

    Args:
      crop: the garment on its background as the segmenter cuts it; None where it found none.
    """
    rng = np.random.default_rng(seed)
    whole = View(photo, None)
    views = [crop or whole, whole]
    while len(views) < count:
        views.append(_changed(crop if crop is not None and len(views) % 2 == 0 else whole, rng))
    return views[:count]


def _changed(view: View, rng: np.random.Generator) -> View:
    pixels = view.pixels_hwc
    behind = (
        np.zeros(pixels.shape[:2], bool)
        if view.background is None
        else (pixels == np.array(view.background, np.uint8)).all(axis=2)
    )
    rows, columns = _part(~behind, rng)
    pixels, behind = pixels[rows, columns], behind[rows, columns]
    if rng.random() < 0.5:
        pixels, behind = pixels[:, ::-1], behind[:, ::-1]
    gain = rng.uniform(0.85, 1.15) * rng.uniform(0.96, 1.04, size=3)
    gamma = rng.uniform(0.85, 1.18)
    levels = (np.arange(256) / 255.0) ** gamma * 255.0
    table = np.clip(levels[:, None] * gain, 0, 255).astype(np.uint8)
    lit = np.stack([table[:, channel][pixels[:, :, channel]] for channel in range(3)], axis=2)
    # The colour behind is a key: in other light it would no longer be known for what it is.
    lit[behind] = pixels[behind]
    return View(np.ascontiguousarray(lit), view.background)


def _part(garment: npt.NDArray[np.bool_], rng: np.random.Generator) -> tuple[slice, slice]:
    height, width = garment.shape
    for _ in range(4):
        share = rng.uniform(0.6, 1.0)
        part_height, part_width = max(8, round(height * share)), max(8, round(width * share))
        top = int(rng.integers(max(1, height - part_height + 1)))
        left = int(rng.integers(max(1, width - part_width + 1)))
        part = (slice(top, top + part_height), slice(left, left + part_width))
        if garment[part].mean() >= _LEAST_GARMENT:
            return part
    return slice(None), slice(None)
