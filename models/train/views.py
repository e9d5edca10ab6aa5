"""What the image tower is shown of one training photograph: whole, cut out, turned, recoloured.

Every view goes through the serving code's own preprocessing, composites on green included.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PIL import Image

from models.colour import lab_to_srgb, srgb_to_lab
from models.train.patterns import PATTERNS, PLAIN, UNKNOWN, pattern_field
from models.train.vocabulary import (
    BASIC_NAMES,
    BASIC_OF,
    COLOUR_NAMES,
    RECOLOUR_TARGETS,
    colour_shares,
)
from services.embedder.preprocess import prepare_image

GREEN = (0, 255, 0)
# plain: the whole photograph. cut: the garment on green. jittered: cut, turned, light changed,
# perhaps a part of it. recoloured: jittered, in another colour. patterned: the same, with a painted
# pattern.
VIEWS = ("plain", "cut", "jittered", "jittered-again", "recoloured", "patterned")
OWN_COLOUR = tuple(i for i, name in enumerate(VIEWS) if name not in ("recoloured", "patterned"))
OTHER_COLOUR = tuple(i for i in range(len(VIEWS)) if i not in OWN_COLOUR)
# From this share of one basic colour on, nothing is striped, checked or dotted.
_PLAIN_SHARE = 0.93
_MARGIN = 0.04
# Sum of the distances in L, a and b below which a pattern would not show.
_LEAST_CONTRAST = 25.0

Pixels = npt.NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class View:
    """pixels_rgba: the image tower's input; shares: of COLOUR_NAMES over the garment; pattern: an
    index of PATTERNS, PLAIN or UNKNOWN."""

    pixels_rgba: Pixels
    shares: npt.NDArray[np.float32]
    pattern: int


def make_views(
    photo: Pixels, mask: Pixels | None, rng: np.random.Generator, names: Sequence[str] = VIEWS
) -> list[View]:
    """One view for each name; without a mask the cut ones show the whole photograph too, and
    nothing is recoloured or painted."""
    views = []
    for name in names:
        pixels, alpha, pattern = photo, mask, UNKNOWN
        if mask is not None and name == "recoloured":
            pixels = recolour(photo, mask, rng)
        if mask is not None and name == "patterned":
            pattern = int(rng.integers(len(PATTERNS)))
            pixels = paint(photo, mask, pattern, rng)
        if name != "plain" and mask is not None:
            pixels, alpha = _cut(pixels, mask)
        if name not in ("plain", "cut"):
            pixels, alpha = _jitter(pixels, alpha, rng)
        shares = _shares(pixels, alpha)
        if pattern == UNKNOWN and _basic_share(shares) >= _PLAIN_SHARE:
            pattern = PLAIN
        cut_out = name != "plain" and mask is not None and alpha is not None
        prepared = (
            prepare_image(_on_green(pixels, alpha), GREEN) if cut_out else (prepare_image(pixels))
        )
        views.append(View(prepared, shares, pattern))
    return views


def recolour(photo: Pixels, mask: Pixels, rng: np.random.Generator) -> Pixels:
    """The garment in another colour, its folds and pattern kept."""
    lab = srgb_to_lab(photo)
    return _blend(photo, mask, _dyed(lab, mask, rng))


def paint(photo: Pixels, mask: Pixels, pattern: int, rng: np.random.Generator) -> Pixels:
    """The garment with a pattern of two colours, one of them perhaps its own."""
    lab = srgb_to_lab(photo)
    first = lab if rng.random() < 0.4 else _dyed(lab, mask, rng)
    second = _dyed(lab, mask, rng)
    inside = mask >= 128
    if np.abs(first[inside].mean(axis=0) - second[inside].mean(axis=0)).sum() < _LEAST_CONTRAST:
        second = first.copy()
        light = first[inside][:, 0].mean()
        second[:, :, 0] += 45 if light < 50 else -45
    field = np.zeros(mask.shape, np.float32)
    rows, columns = np.nonzero(inside)
    top, left = rows.min(), columns.min()
    bottom, right = rows.max() + 1, columns.max() + 1
    field[top:bottom, left:right] = pattern_field(pattern, bottom - top, right - left, rng)
    return _blend(photo, mask, first + (second - first) * field[:, :, None])


def _dyed(
    lab: npt.NDArray[np.float64], mask: Pixels, rng: np.random.Generator
) -> npt.NDArray[np.float64]:
    """The photograph in Lab with the garment's mean colour moved to a named one."""
    choices = RECOLOUR_TARGETS[COLOUR_NAMES[rng.integers(len(COLOUR_NAMES))]]
    target = srgb_to_lab(np.array(choices[rng.integers(len(choices))]))
    target = target + rng.normal(0, 3, 3)
    contrast = np.array([0.9, 0.7, 0.7]) if 20 < target[0] < 90 else np.array([0.5, 0.4, 0.4])
    return np.asarray(target + (lab - lab[mask >= 128].mean(axis=0)) * contrast)


def _blend(photo: Pixels, mask: Pixels, lab: npt.NDArray[np.float64]) -> Pixels:
    share = mask[:, :, None] / 255.0
    return np.asarray((lab_to_srgb(lab) * share + photo * (1 - share)).round(), np.uint8)


def _cut(photo: Pixels, mask: Pixels) -> tuple[Pixels, Pixels]:
    rows, columns = np.nonzero(mask >= 128)
    margin = round(_MARGIN * max(np.ptp(rows), np.ptp(columns)))
    top, bottom = max(rows.min() - margin, 0), rows.max() + 1 + margin
    left, right = max(columns.min() - margin, 0), columns.max() + 1 + margin
    return photo[top:bottom, left:right], mask[top:bottom, left:right]


def _on_green(photo: Pixels, mask: Pixels) -> Pixels:
    share = mask[:, :, None] / 255.0
    return np.asarray((photo * share + np.array(GREEN) * (1 - share)).round(), np.uint8)


def _jitter(
    photo: Pixels, mask: Pixels | None, rng: np.random.Generator
) -> tuple[Pixels, Pixels | None]:
    """Mirrored perhaps, turned a little, a part of it perhaps, its light changed a little."""
    mask = np.full(photo.shape[:2], 255, np.uint8) if mask is None else mask
    stacked = np.dstack([photo, mask])
    if rng.random() < 0.5:
        stacked = stacked[:, ::-1]
    height, width = stacked.shape[:2]
    if rng.random() < 0.5:
        share = rng.uniform(0.5, 0.95)
        rows, columns = max(8, round(height * share)), max(8, round(width * share))
        top = rng.integers(max(1, height - rows + 1))
        left = rng.integers(max(1, width - columns + 1))
        part = stacked[top : top + rows, left : left + columns]
        if (part[:, :, 3] >= 128).mean() > 0.1:
            stacked = part
    angle = float(rng.normal(0, 5))
    gain = rng.uniform(0.85, 1.15) * rng.uniform(0.96, 1.04, size=3)
    rgb = stacked[:, :, :3] / 255.0
    light = np.clip(255 * rgb ** rng.uniform(0.85, 1.18) * gain, 0, 255).astype(np.uint8)
    # Colours and mask turn separately: Pillow forgets the colours behind an alpha of 0.
    turned = Image.fromarray(light).rotate(
        angle, Image.Resampling.BILINEAR, fillcolor=(255, 255, 255)
    )
    alpha = Image.fromarray(np.ascontiguousarray(stacked[:, :, 3]))
    return np.asarray(turned), np.asarray(alpha.rotate(angle, Image.Resampling.BILINEAR))


def _shares(photo: Pixels, mask: Pixels | None) -> npt.NDArray[np.float32]:
    step = max(1, max(photo.shape[:2]) // 64)
    rgb = photo[::step, ::step].reshape(-1, 3)
    weights = np.ones(len(rgb)) if mask is None else (mask[::step, ::step].ravel() >= 128) * 1.0
    return colour_shares(rgb, weights)


_BASIC_OF_NAME = np.array(
    [[BASIC_OF[name] == basic for basic in BASIC_NAMES] for name in COLOUR_NAMES]
)


def _basic_share(shares: npt.NDArray[np.float32]) -> float:
    return float((shares @ _BASIC_OF_NAME).max())
