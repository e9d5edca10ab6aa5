"""What the image tower is shown of one training photograph: whole, cut out, turned, recoloured.

Every view goes through the serving code's own preprocessing, composites on green included.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PIL import Image

from models.colour import lab_to_srgb, srgb_to_lab
from models.train.vocabulary import COLOUR_NAMES, RECOLOUR_TARGETS, colour_shares
from services.embedder.preprocess import prepare_image

GREEN = (0, 255, 0)
# plain: the whole photograph. cut: the garment on green. jittered: cut, turned, light changed,
# perhaps a part of it. recoloured: cut, in another colour. plain-recoloured: the whole photograph.
VIEWS = ("plain", "cut", "jittered", "recoloured", "recoloured-jittered", "plain-recoloured")
_MARGIN = 0.04

Pixels = npt.NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class View:
    """pixels_rgba: the image tower's input; shares: of COLOUR_NAMES over the garment."""

    pixels_rgba: Pixels
    shares: npt.NDArray[np.float32]


def make_views(
    photo: Pixels, mask: Pixels | None, rng: np.random.Generator, names: Sequence[str] = VIEWS
) -> list[View]:
    """One view for each name; without a mask the cut ones show the whole photograph too."""
    views = []
    for name in names:
        pixels, alpha = photo, mask
        if "recoloured" in name and mask is not None:
            pixels = recolour(photo, mask, rng)
        if name.startswith("plain") or mask is None:
            if "recoloured" in name:
                pixels, alpha = _jitter(pixels, alpha, rng)
            prepared = prepare_image(pixels)
        else:
            pixels, alpha = _cut(pixels, mask)
            if "jittered" in name:
                pixels, alpha = _jitter(pixels, alpha, rng)
            prepared = prepare_image(_on_green(pixels, alpha), GREEN)
        views.append(View(prepared, _shares(pixels, alpha)))
    return views


def recolour(photo: Pixels, mask: Pixels, rng: np.random.Generator) -> Pixels:
    """The garment in another colour, its folds and pattern kept."""
    lab = srgb_to_lab(photo)
    inside = mask >= 128
    mean = lab[inside].mean(axis=0)
    choices = RECOLOUR_TARGETS[COLOUR_NAMES[rng.integers(len(COLOUR_NAMES))]]
    target = srgb_to_lab(np.array(choices[rng.integers(len(choices))]))
    contrast = np.array([0.9, 0.7, 0.7]) if 20 < target[0] < 90 else np.array([0.5, 0.4, 0.4])
    shifted = lab_to_srgb(target + (lab - mean) * contrast)
    share = mask[:, :, None] / 255.0
    return np.asarray((shifted * share + photo * (1 - share)).round(), np.uint8)


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
        share = rng.uniform(0.6, 0.95)
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
