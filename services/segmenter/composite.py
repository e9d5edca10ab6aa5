"""From masks at the network's side to pixels: class maps and garments on a background.

Coverage, which is soft, is resized; class ids never are. A garment's own coverage is the union's
times the share of that garment, which comes from resizing "belongs to it" as 0 or 255.

Along the outline a photograph's pixel is already a mixture of garment and old background, also a
pixel or so inside it. The garment's colour there is therefore taken from its core around it, and
mixed once, with the new background. Only outline pixels are computed on; the rest is copied.
"""

import math
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from services.segmenter.domain import Alpha, BoundingBox, Garment, Masks, PixelsHWC, Rgb, whole

EDGE_CONTRAST = 1.6
"""How much steeper than the network's own the outline becomes."""
RIM_SHARE = 700
"""One pixel of rim for so many of the picture's longer side: the lens mixes that much."""
_COVERED = 255


class Compositor:
    """The Cutter of the domain."""

    def classes(self, masks: Masks, width_px: int, height_px: int) -> npt.NDArray[np.uint8]:
        """Class ids 0 to 3, (height, width). Without classes the union is told as FULL."""
        ids = np.zeros((height_px, width_px), np.uint8)
        picture = (width_px, height_px)
        box = _reach_of(masks, Garment.UNION, picture)
        if box is None:
            return ids
        size = (box.width_px, box.height_px)
        part = ids[box.top_px : box.bottom_px, box.left_px : box.right_px]
        covered = _sampled(masks.coverage, box, size, picture) >= 128
        if masks.owner is None:
            part[covered] = Garment.FULL.value
            return ids
        best = np.zeros(part.shape, np.uint8)
        for garment in (found.garment for found in masks.garments):
            if garment is not Garment.UNION:
                share = _sampled(_share(masks.owner, garment), box, size, picture)
                np.putmask(part, share > best, garment.value)
                best = np.maximum(best, share)
        part[~covered] = 0
        return ids

    def cut(
        self,
        pixels_hwc: PixelsHWC,
        masks: Masks,
        garment: Garment,
        box: BoundingBox,
        background: Rgb,
        max_side_px: int,
    ) -> PixelsHWC:
        """One garment on the background; the untouched picture if there is no clothing."""
        picture = (pixels_hwc.shape[1], pixels_hwc.shape[0])
        size = _reduced(box, max_side_px)
        inner = _reach_of(masks, garment, picture)
        if inner is not None and size == (box.width_px, box.height_px):
            return self._pasted(pixels_hwc, masks, garment, box, inner, background)
        region = _region(pixels_hwc, box)
        if size != (box.width_px, box.height_px):
            region = _as_bytes(cv2.resize(region, size, interpolation=cv2.INTER_AREA))
        if inner is None:
            return np.ascontiguousarray(region)
        alpha = _alpha(masks, garment, box, size, picture)
        return _mixed(region, alpha, background, _cell_px(masks, picture) * size[0] / box.width_px)

    def reduced(self, pixels_hwc: PixelsHWC, max_side_px: int) -> PixelsHWC:
        """The whole picture, no larger than asked for."""
        size = _reduced(whole(pixels_hwc), max_side_px)
        if size == (pixels_hwc.shape[1], pixels_hwc.shape[0]):
            return pixels_hwc
        return _as_bytes(cv2.resize(pixels_hwc, size, interpolation=cv2.INTER_AREA))

    def _pasted(
        self,
        pixels_hwc: PixelsHWC,
        masks: Masks,
        garment: Garment,
        box: BoundingBox,
        inner: BoundingBox,
        background: Rgb,
    ) -> PixelsHWC:
        """At the photograph's own size: only what the garment may reach is computed."""
        picture = (pixels_hwc.shape[1], pixels_hwc.shape[0])
        left, top = max(box.left_px, inner.left_px), max(box.top_px, inner.top_px)
        right, bottom = min(box.right_px, inner.right_px), min(box.bottom_px, inner.bottom_px)
        result = np.empty((box.height_px, box.width_px, 3), np.uint8)
        result[:] = background
        if left < right and top < bottom:
            part = BoundingBox(left, top, right - left, bottom - top)
            alpha = _alpha(masks, garment, part, (part.width_px, part.height_px), picture)
            result[
                top - box.top_px : bottom - box.top_px, left - box.left_px : right - box.left_px
            ] = _mixed(_region(pixels_hwc, part), alpha, background, _cell_px(masks, picture))
        return result


def _region(pixels_hwc: PixelsHWC, box: BoundingBox) -> PixelsHWC:
    return pixels_hwc[box.top_px : box.bottom_px, box.left_px : box.right_px]


def _cell_px(masks: Masks, picture: tuple[int, int]) -> float:
    """The longer side of one network pixel, in pixels of the photograph."""
    side_y, side_x = masks.coverage.shape
    return float(max(picture[0] / side_x, picture[1] / side_y))


def _reach_of(masks: Masks, garment: Garment, picture: tuple[int, int]) -> BoundingBox | None:
    """The pixels that a garment's soft outline may reach; None if it is not in the picture."""
    side_y, side_x = masks.coverage.shape
    for found in masks.garments:
        if found.garment is garment:
            left, top, right, bottom = found.box
            left_px = max(0, math.floor((left - 2 / side_x) * picture[0]))
            top_px = max(0, math.floor((top - 2 / side_y) * picture[1]))
            right_px = min(picture[0], math.ceil((right + 2 / side_x) * picture[0]))
            bottom_px = min(picture[1], math.ceil((bottom + 2 / side_y) * picture[1]))
            return BoundingBox(left_px, top_px, right_px - left_px, bottom_px - top_px)
    return None


def _alpha(
    masks: Masks,
    garment: Garment,
    box: BoundingBox,
    size: tuple[int, int],
    picture: tuple[int, int],
) -> Alpha:
    alpha = _steeper(_sampled(masks.coverage, box, size, picture))
    if garment is not Garment.UNION and masks.owner is not None:
        share = _steeper(_sampled(_share(masks.owner, garment), box, size, picture))
        alpha = _as_bytes(cv2.multiply(alpha, share, scale=1 / 255))
    return alpha


def _reduced(box: BoundingBox, max_side_px: int) -> tuple[int, int]:
    longer = max(box.width_px, box.height_px)
    if max_side_px <= 0 or longer <= max_side_px:
        return box.width_px, box.height_px
    factor = max_side_px / longer
    return max(1, round(box.width_px * factor)), max(1, round(box.height_px * factor))


def _share(owner: npt.NDArray[np.uint8], garment: Garment) -> Alpha:
    return np.where(owner == garment.value, np.uint8(255), np.uint8(0))


def _sampled(
    map_hw: Alpha, box: BoundingBox, size: tuple[int, int], picture: tuple[int, int]
) -> Alpha:
    """The part of a map of the whole picture that lies in a box, at another size.

    Bilinear between the centres of pixels, exact for boxes that fall between the map's pixels;
    where the map is much finer than the target it is averaged first.
    """
    side_y, side_x = map_hw.shape
    # Map pixels per target pixel.
    step_x = box.width_px / size[0] * side_x / picture[0]
    step_y = box.height_px / size[1] * side_y / picture[1]
    if step_x > 1.0 or step_y > 1.0:
        finer = (max(1, round(side_x / max(1.0, step_x))), max(1, round(side_y / max(1.0, step_y))))
        map_hw = _as_bytes(cv2.resize(map_hw, finer, interpolation=cv2.INTER_AREA))
        step_x, step_y = step_x * finer[0] / side_x, step_y * finer[1] / side_y
        side_x, side_y = finer
    left = box.left_px * side_x / picture[0]
    top = box.top_px * side_y / picture[1]
    mapping = np.array(
        [
            [step_x, 0.0, left + step_x / 2 - 0.5],
            [0.0, step_y, top + step_y / 2 - 0.5],
        ]
    )
    return _as_bytes(
        cv2.warpAffine(
            map_hw,
            mapping,
            size,
            flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
            borderMode=cv2.BORDER_REPLICATE,
        )
    )


def _as_bytes(array: npt.NDArray[Any]) -> npt.NDArray[np.uint8]:
    """The same array; OpenCV's stubs do not say that uint8 stays uint8."""
    return array.astype(np.uint8, copy=False)


_STEEPER = np.clip((np.arange(256) - 127.5) * EDGE_CONTRAST + 127.5, 0, 255).round().astype("u1")


def _steeper(alpha: Alpha) -> Alpha:
    return _as_bytes(cv2.LUT(alpha, _STEEPER))


def _mixed(region: PixelsHWC, alpha: Alpha, background: Rgb, cell_px: float) -> PixelsHWC:
    mixed = np.empty(region.shape, np.uint8)
    mixed[:] = background
    rim_px = max(1, round(max(region.shape[:2]) / RIM_SHARE))
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * rim_px + 1, 2 * rim_px + 1))
    covered = (alpha == _COVERED).astype(np.uint8)
    core = _as_bytes(cv2.erode(covered, disc, borderType=cv2.BORDER_REPLICATE))
    cv2.copyTo(region, core, mixed)
    rows, columns = np.nonzero((alpha > 0) & (core == 0))
    if rows.size:
        # The soft outline is three network pixels wide; from its far side the core must be seen.
        reach_px = rim_px + math.ceil(3 * cell_px) + 1
        colours = _garment_colours(region, core, rows, columns, 2 * reach_px + 1)
        weight = alpha[rows, columns, np.newaxis].astype(np.float32) / _COVERED
        blend = colours * weight + np.asarray(background, np.float32) * (1.0 - weight)
        mixed[rows, columns] = np.rint(blend).astype(np.uint8)
    return mixed


def _garment_colours(
    region: PixelsHWC,
    core: npt.NDArray[np.uint8],
    rows: npt.NDArray[np.intp],
    columns: npt.NDArray[np.intp],
    window_px: int,
) -> npt.NDArray[np.float32]:
    """(pixels, 3): the mean of the core's pixels around each pixel of the outline; its own colour
    where none is near (straps, lace)."""
    window = (window_px, window_px)
    inside = cv2.copyTo(region, core)
    near = cv2.boxFilter(inside, cv2.CV_32F, window, normalize=False)[rows, columns]
    count = cv2.boxFilter(core, cv2.CV_32F, window, normalize=False)[rows, columns, np.newaxis]
    own = region[rows, columns].astype(np.float32)
    colours: npt.NDArray[np.float32] = np.where(count > 0, near / np.maximum(count, 1.0), own)
    return colours
