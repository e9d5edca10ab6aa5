"""From a photograph or a cut-out garment to the square that the image tower sees.

The rule, exactly; a changed rule is a changed `embedding_version`:

1. Behind a garment: with a background colour given, every pixel within 8 of it in each channel is
   background; the garment then loses its outermost pixel, which is half background. If less than
   0.5 % of the picture remains, it was no composite and all of it is garment. With no background
   colour all of the picture is garment.
2. Background becomes white; the picture is cut to the garment's box.
3. The longer side becomes 260 px (up or down), the shorter keeps the aspect and is at least 1 px:
   Pillow's antialiased bilinear filter, for the colours and for the garment's alpha.
4. It stands in the middle of 260 x 260; around it white, alpha 0.

Normalisation, (value - 127) / 128, is the network's first node.
"""

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageFilter

SIDE_PX = 260
KEY_TOLERANCE = 8
MIN_GARMENT_SHARE = 0.005
DESCRIPTION = (
    "key out the background colour (tolerance 8, eroded 1 px) to white, cut to the garment's box, "
    "letterbox to 260 x 260 (antialiased bilinear), RGB (v - 127) / 128 and alpha"
)

Pixels = npt.NDArray[np.uint8]
Rgb = tuple[int, int, int]


def prepare_image(pixels_hwc: Pixels, background: Rgb | None = None) -> Pixels:
    """The image tower's input for one picture.

    Args:
      pixels_hwc: uint8 (height, width, 3), sRGB, upright, at least 1 x 1.
      background: the colour behind the garment if the picture is a composite.

    Returns:
      uint8 (260, 260, 4): RGB and the garment's alpha.
    """
    alpha = None if background is None else _garment_alpha(pixels_hwc, background)
    if alpha is None:
        picture = Image.fromarray(np.ascontiguousarray(pixels_hwc))
        mask = Image.new("L", picture.size, 255)
    else:
        white = np.where(alpha[:, :, None] > 0, pixels_hwc, np.uint8(255))
        mask = Image.fromarray(alpha)
        box = mask.getbbox()
        picture, mask = Image.fromarray(white).crop(box), mask.crop(box)
    return _letterbox(picture, mask)


def _garment_alpha(pixels_hwc: Pixels, background: Rgb) -> Pixels | None:
    low = np.clip(np.array(background) - KEY_TOLERANCE, 0, 255)
    high = np.clip(np.array(background) + KEY_TOLERANCE, 0, 255)
    behind = ((pixels_hwc >= low) & (pixels_hwc <= high)).all(axis=2)
    if not behind.any():
        return None
    whole = np.where(behind, np.uint8(0), np.uint8(255))
    eroded = np.asarray(Image.fromarray(whole).filter(ImageFilter.MinFilter(3)))
    if (eroded > 0).mean() < MIN_GARMENT_SHARE:
        return None
    return eroded


def _letterbox(picture: Image.Image, mask: Image.Image) -> Pixels:
    width, height = picture.size
    scale = SIDE_PX / max(width, height)
    size = (
        max(1, min(SIDE_PX, round(width * scale))),
        max(1, min(SIDE_PX, round(height * scale))),
    )
    left, top = (SIDE_PX - size[0]) // 2, (SIDE_PX - size[1]) // 2
    square = np.empty((SIDE_PX, SIDE_PX, 4), np.uint8)
    square[:, :, :3] = 255
    square[:, :, 3] = 0
    inside = square[top : top + size[1], left : left + size[0]]
    inside[:, :, :3] = np.asarray(picture.resize(size, Image.Resampling.BILINEAR))
    inside[:, :, 3] = np.asarray(mask.resize(size, Image.Resampling.BILINEAR))
    return square
