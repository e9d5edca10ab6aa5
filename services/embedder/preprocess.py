"""From a photograph or a cut-out garment to the square that the image tower sees.

The rule, exactly; a changed rule is a changed `embedding_version`:

1. Behind a garment: with a background colour given, every pixel within 8 of it in each channel is
   background; the garment then loses its outermost pixel, which is half background. If less than
   0.5 % of the picture remains, it was no composite and all of it is garment. With no background
   colour all of the picture is garment.
2. Background becomes white; the picture is cut to the garment's box.
3. The longer side becomes 260 px (up or down; a manifest may name another side), the shorter keeps
   the aspect and is at least 1 px: Pillow's antialiased bilinear filter, for the colours and for
   the garment's alpha.
4. It stands in the middle of 260 x 260; around it white, alpha 0.

Normalisation, (value - 127) / 128, is the network's first node.
"""

import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image

SIDE_PX = 260
KEY_TOLERANCE = 8
MIN_GARMENT_SHARE = 0.005
_NEIGHBOURS = np.ones((3, 3), np.uint8)

Pixels = npt.NDArray[np.uint8]
Rgb = tuple[int, int, int]


def description(side_px: int) -> str:
    """The rule in one line, for people."""
    return (
        f"key out the background colour (tolerance {KEY_TOLERANCE}, eroded 1 px) to white, cut to "
        f"the garment's box, letterbox to {side_px} x {side_px} (antialiased bilinear), "
        "RGB (v - 127) / 128 and alpha"
    )


def prepare_image(
    pixels_hwc: Pixels, background: Rgb | None = None, side_px: int = SIDE_PX
) -> Pixels:
    """The image tower's input for one picture.

    Args:
      pixels_hwc: uint8 (height, width, 3), sRGB, upright, at least 1 x 1.
      background: the colour behind the garment if the picture is a composite.
      side_px: of the square.

    Returns:
      uint8 (side_px, side_px, 4): RGB and the garment's alpha.
    """
    alpha = None if background is None else garment_alpha(pixels_hwc, background)
    if alpha is None:
        picture = Image.fromarray(np.ascontiguousarray(pixels_hwc))
        mask = Image.new("L", picture.size, 255)
    else:
        # Alpha is 0 or 255: its opposite turns the background white and leaves the garment alone.
        white = cv2.bitwise_or(pixels_hwc, cv2.merge([cv2.bitwise_not(alpha)] * 3))
        mask = Image.fromarray(alpha)
        box = mask.getbbox()
        picture, mask = Image.fromarray(white).crop(box), mask.crop(box)
    return _letterbox(picture, mask, side_px)


def garment_alpha(pixels_hwc: Pixels, background: Rgb) -> Pixels | None:
    """uint8 (height, width): 255 on the garment, 0 behind it, by rule 1; None if it is no
    composite."""
    low = tuple(max(channel - KEY_TOLERANCE, 0) for channel in background)
    high = tuple(min(channel + KEY_TOLERANCE, 255) for channel in background)
    behind = cv2.inRange(pixels_hwc, low, high)
    if not behind.any():
        return None
    eroded = np.asarray(cv2.erode(cv2.bitwise_not(behind), _NEIGHBOURS), np.uint8)
    if cv2.countNonZero(eroded) < MIN_GARMENT_SHARE * eroded.size:
        return None
    return eroded


def _letterbox(picture: Image.Image, mask: Image.Image, side_px: int) -> Pixels:
    width, height = picture.size
    scale = side_px / max(width, height)
    size = (
        max(1, min(side_px, round(width * scale))),
        max(1, min(side_px, round(height * scale))),
    )
    left, top = (side_px - size[0]) // 2, (side_px - size[1]) // 2
    square = np.empty((side_px, side_px, 4), np.uint8)
    square[:, :, :3] = 255
    square[:, :, 3] = 0
    inside = square[top : top + size[1], left : left + size[0]]
    inside[:, :, :3] = np.asarray(picture.resize(size, Image.Resampling.BILINEAR))
    inside[:, :, 3] = np.asarray(mask.resize(size, Image.Resampling.BILINEAR))
    return square
