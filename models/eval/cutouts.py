"""What a model is shown of a photograph: the whole, or a garment on some background.

Cut as ingest does it, by the segmenter's own code; only the colour behind the garment varies.
"""

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from models.colour import srgb_to_lab
from models.eval.mask_cache import MaskCache
from models.eval.photographs import Photographs
from services.segmenter.composite import Compositor
from services.segmenter.domain import GREEN_SCREEN, Garment, Masks, Outputs, crops_of, whole

Pixels = npt.NDArray[np.uint8]
Rgb = tuple[int, int, int]

PLAIN = "plain"
GREEN = "green"
FAR = "far"
COLOURS: dict[str, Rgb] = {GREEN: GREEN_SCREEN, "white": (255, 255, 255), "grey": (128, 128, 128)}
FAR_COLOURS: tuple[Rgb, ...] = (
    GREEN_SCREEN,
    (255, 0, 255),
    (0, 0, 255),
    (255, 0, 0),
    (0, 255, 255),
)
"""What FAR chooses from: the corners of the RGB cube that are colours, yellow left out as the
nearest to skin and straw."""
_NEAREST_SHARE = 10
"""Per cent of a garment's pixels that may lie nearer to the background than the distance judged."""
_SAMPLE_PX = 128
_LEAST_PIXELS = 32


@dataclass(frozen=True, slots=True)
class Shown:
    """What is to be embedded.

    garment: None for the whole photograph.
    background: PLAIN, a name of COLOURS, or FAR.
    """

    path: Path
    garment: Garment | None = None
    background: str = PLAIN


class Cutouts:
    """Makes the pictures; the masks must be in the cache."""

    def __init__(self, photographs: Photographs, masks: MaskCache, max_side_px: int) -> None:
        self._photographs = photographs
        self._masks = masks
        self._max_side_px = max_side_px
        self._cutter = Compositor()
        self._found: dict[Path, tuple[Garment, ...]] = {}

    def garments(self, path: Path) -> tuple[Garment, ...]:
        """What ingest would embed of a photograph; the union alone where nothing was found."""
        return self._found_in(path) or (Garment.UNION,)

    def masks(self, path: Path) -> Masks:
        return self._masks.load(self._photographs.sha256(path))

    def classes(self, path: Path) -> npt.NDArray[np.uint8]:
        """Class ids, (height, width)."""
        height, width = self._photographs.pixels(path).shape[:2]
        return self._cutter.classes(self.masks(path), width, height)

    def key(self, shown: Shown) -> str:
        """Names the picture by content; equal keys show equal pixels."""
        sha256 = self._photographs.sha256(shown.path)
        if shown.garment is None or not self._found_in(shown.path):
            return f"{sha256} whole"
        cut = f"{self._masks.version} {shown.garment.name} {self._max_side_px}"
        behind = f"far {FAR_COLOURS}" if shown.background == FAR else COLOURS[shown.background]
        return f"{sha256} {cut} {behind}"

    def picture(self, shown: Shown) -> tuple[Pixels, Rgb | None]:
        """Pixels, and the colour behind the garment if it was cut out."""
        pixels = self._photographs.pixels(shown.path)
        if shown.garment is None:
            return pixels, None
        masks = self.masks(shown.path)
        behind = COLOURS.get(shown.background)
        if behind is None:
            behind = farthest(garment_pixels(pixels, masks, shown.garment))
        outputs = Outputs(
            crops=True,
            background=behind,
            max_side_px=self._max_side_px,
            crop_garments=frozenset({shown.garment}),
        )
        if masks.whole_image_fallback:
            box = whole(pixels)
            side = self._max_side_px
            return self._cutter.cut(pixels, masks, Garment.UNION, box, behind, side), None
        [crop] = crops_of(self._cutter, pixels, masks, outputs)
        return crop.pixels_hwc, behind

    def _found_in(self, path: Path) -> tuple[Garment, ...]:
        if path not in self._found:
            self._found[path] = self._masks.garments(self._photographs.sha256(path))
        return self._found[path]

    def colours(self, shown: Shown) -> Pixels:
        """The garment's own pixels, (n, 3); all of the picture's without a garment."""
        pixels = self._photographs.pixels(shown.path)
        masks = None if shown.garment is None else self.masks(shown.path)
        return garment_pixels(pixels, masks, shown.garment or Garment.UNION)


def garment_pixels(pixels: Pixels, masks: Masks | None, garment: Garment) -> Pixels:
    """A sample of a garment's pixels away from its outline, (n, 3); without one the picture's."""
    size = (_SAMPLE_PX, _SAMPLE_PX)
    small = np.asarray(cv2.resize(pixels, size, interpolation=cv2.INTER_AREA), np.uint8)
    if masks is None or masks.whole_image_fallback:
        return small.reshape(-1, 3)
    inside = cv2.resize(masks.coverage, size, interpolation=cv2.INTER_NEAREST) == 255
    if garment is not Garment.UNION and masks.owner is not None:
        owner = cv2.resize(masks.owner, size, interpolation=cv2.INTER_NEAREST)
        inside &= owner == garment.value
    chosen = small[inside]
    return chosen if len(chosen) >= _LEAST_PIXELS else small.reshape(-1, 3)


def farthest(pixels: Pixels) -> Rgb:
    """The colour of FAR_COLOURS to which hardly any pixel is near, in Lab; the first of equals."""
    garment = srgb_to_lab(pixels)
    distances = [
        np.percentile(np.linalg.norm(garment - srgb_to_lab(colour), axis=1), _NEAREST_SHARE)
        for colour in FAR_COLOURS
    ]
    return FAR_COLOURS[int(np.argmax(distances))]
