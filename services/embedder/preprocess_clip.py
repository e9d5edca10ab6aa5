"""From a photograph or a cut-out garment to the square that a network of the CLIP family sees.

The rule, exactly; a changed rule is a changed `embedding_version`. Of a photograph:

- resize-crop (CLIP): the shorter side becomes the square's, the longer keeps the aspect, rounded
  down; the middle is cut out. The reference implementations round an odd rest differently:
  transformers down, torchvision to the even number.
- squash (SigLIP): both sides become the square's.

Both with Pillow's antialiased filter on uint8, as the reference processors do it. Of a composite,
which they do not know, with `composite_background` set: the background becomes that colour (the
rule for what is background: services/embedder/preprocess.py, 1.), and what is not square is
widened with it, so that nothing of a long dress is cut off and nothing of it squashed.

Normalisation is a table in the network's first node (models/clip_export.py).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from PIL import Image

from services.embedder.preprocess import Pixels, Rgb, garment_alpha

_FILTERS = {
    "bicubic": Image.Resampling.BICUBIC,
    "bilinear": Image.Resampling.BILINEAR,
}
# Beyond, what would be cut off again is not computed: a picture of 1 x 60,000 pixels would become
# one of 3,000 million. Results differ from the reference by rounding at most.
_MOST_ASPECT = 32


@dataclass(frozen=True, slots=True)
class ClipPreprocessing:
    """A reference processor's steps up to uint8 pixels.

    arithmetic: whose rounding of the crop.
    composite_background: what the background of a composite becomes; None keeps it as it is.
    """

    kind: Literal["resize-crop", "squash"]
    side_px: int
    interpolation: Literal["bicubic", "bilinear"]
    arithmetic: Literal["transformers", "torchvision"]
    composite_background: Rgb | None

    @property
    def description(self) -> str:
        """One line for people."""
        how = (
            "shorter side to {0}, middle {0} x {0}"
            if self.kind == "resize-crop"
            else "squashed to {0} x {0}"
        ).format(self.side_px)
        behind = (
            "background kept"
            if self.composite_background is None
            else f"composites on rgb{self.composite_background}, made square"
        )
        return f"{how} (antialiased {self.interpolation}, {self.arithmetic}); {behind}"

    def prepare(self, pixels_hwc: Pixels, background: Rgb | None = None) -> Pixels:
        """The image tower's input for one picture.

        Args:
          pixels_hwc: uint8 (height, width, 3), sRGB, upright, at least 1 x 1.
          background: the colour behind the garment if the picture is a composite.

        Returns:
          uint8 (side_px, side_px, 3).
        """
        if background is not None and self.composite_background is not None:
            pixels_hwc = _on_square(pixels_hwc, background, self.composite_background)
        picture = Image.fromarray(np.ascontiguousarray(pixels_hwc))
        if self.kind == "squash":
            size = (self.side_px, self.side_px)
            return np.asarray(picture.resize(size, _FILTERS[self.interpolation]))
        return self._resized_and_cropped(picture)

    def _resized_and_cropped(self, picture: Image.Image) -> Pixels:
        width, height = picture.size
        side, short, long = self.side_px, min(picture.size), max(picture.size)
        new_long = int(side * long / short)
        start = self._crop_start(new_long - side)
        resample = _FILTERS[self.interpolation]
        if long > _MOST_ASPECT * short:
            scale = long / new_long
            first, last = start * scale, (start + side) * scale
            box = (first, 0, last, height) if width > height else (0, first, width, last)
            return np.asarray(picture.resize((side, side), resample, box=box))
        size = (new_long, side) if width > height else (side, new_long)
        resized = picture.resize(size, resample)
        left, top = (start, 0) if width > height else (0, start)
        return np.asarray(resized.crop((left, top, left + side, top + side)))

    def _crop_start(self, rest: int) -> int:
        return rest // 2 if self.arithmetic == "transformers" else round(rest / 2)


def clip_preprocessing(properties: Mapping[str, Any]) -> ClipPreprocessing:
    """From a manifest's `[properties.preprocessing]`.

    Raises:
      KeyError, TypeError, ValueError: it is not complete or names something unknown.
    """
    kind, interpolation = properties["kind"], properties["interpolation"]
    arithmetic = properties["arithmetic"]
    if kind not in ("resize-crop", "squash"):
        raise ValueError(f"preprocessing kind {kind!r} is unknown")
    if interpolation not in _FILTERS:
        raise ValueError(f"interpolation {interpolation!r} is unknown")
    if arithmetic not in ("transformers", "torchvision"):
        raise ValueError(f"arithmetic {arithmetic!r} is unknown")
    behind = properties.get("composite_background", "keep")
    colour: Rgb | None = None
    if behind != "keep":
        red, green, blue = (int(channel) for channel in behind)
        colour = (red, green, blue)
    return ClipPreprocessing(kind, int(properties["side_px"]), interpolation, arithmetic, colour)


def _on_square(pixels_hwc: Pixels, background: Rgb, colour: Rgb) -> Pixels:
    alpha = garment_alpha(pixels_hwc, background)
    if alpha is None:
        return pixels_hwc
    height, width = pixels_hwc.shape[:2]
    side = max(height, width)
    square = np.empty((side, side, 3), np.uint8)
    square[:] = colour
    top, left = (side - height) // 2, (side - width) // 2
    inside = square[top : top + height, left : left + width]
    np.copyto(inside, pixels_hwc, where=alpha[:, :, None] > 0)
    return square
