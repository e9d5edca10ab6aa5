"""The mask rules: from the network's probabilities to garments worth cutting out.

1. A pixel is clothing where the union's probability is at least one half.
2. Specks go: a connected part smaller than LEAST_AREA of the picture or than LEAST_SHARE of the
   largest part. Holes of that absolute size are filled.
3. If next to nothing is left, or the specks were most of it, or the network is in doubt about what
   is left, there is no clothing to be cut out: the caller takes the whole picture.
4. Classes stay apart, each pixel going to the likeliest class; islands of one class inside another,
   and classes that are specks altogether, go to their neighbour.
5. Along the outline the probability is kept as a soft coverage, one network pixel to either side;
   elsewhere coverage is all or nothing.

All at the network's side. RULES_VERSION changes with anything that changes a mask.
"""

from collections.abc import Mapping, Sequence

import cv2
import numpy as np
import numpy.typing as npt

from services.segmenter.domain import Garment, MaskedGarment, Masks, Probabilities

RULES_VERSION = 1
LEAST_AREA = 0.004
"""Of the picture: 0.4 % is a tie in a portrait, or a patch of noise."""
LEAST_SHARE = 0.05
LEAST_KEPT = 0.5
"""Of the pixels above one half: below, the mask was shattered."""
LEAST_CONFIDENCE = 0.75
"""Mean probability of the union. Street photographs have 0.8 to 0.99; below lie shreds of garments
that the network does not recognise, mostly laid flat, which are better shown whole."""
FILLED_HOLE = 0.0005
"""Of the picture: logos and buttons, but not the gap between arm and body."""

Mask = npt.NDArray[np.uint8]
"""(height, width) of a box, 0 or 1."""
Box = tuple[slice, slice]
Floats = npt.NDArray[np.float32]
_OUTLINE = cv2.getStructuringElement(cv2.MORPH_RECT, (3, 3))


def find_garments(probabilities: Probabilities) -> Masks:
    """Applies the rules to one photograph."""
    side_y, side_x = probabilities.union.shape
    raw: Mask = (probabilities.union >= 0.5).astype(np.uint8)
    # Clothing fills a quarter of a usual picture: everything below works on its box, with a pixel
    # to spare for the outline and for the background around it to hang together.
    box = _grown(cv2.boundingRect(raw), 2, side_x, side_y)
    raw = np.ascontiguousarray(raw[box])
    union = np.ascontiguousarray(probabilities.union[box])
    picture = side_y * side_x
    kept = _without_specks(raw, picture)
    area = int(np.count_nonzero(kept))
    nothing = np.zeros((side_y, side_x), np.uint8)
    if area < LEAST_AREA * picture or area < LEAST_KEPT * np.count_nonzero(raw):
        return Masks((), nothing, None)
    if cv2.mean(union, kept)[0] < LEAST_CONFIDENCE:
        return Masks((), nothing, None)
    kept = _with_holes_filled(kept, picture)
    coverage = nothing
    coverage[box] = _coverage(union, kept)
    classes = {garment: values[box] for garment, values in probabilities.classes.items()}
    garments, owner = [], None
    if classes:
        owner = np.zeros((side_y, side_x), np.uint8)
        owner[box] = _owners(classes, kept, picture)
    for garment, probability in classes.items():
        assert owner is not None  # there are classes
        mask: Mask = ((owner[box] == garment.value) & (kept > 0)).astype(np.uint8)
        if mask.any():
            garments.append(_measured(garment, mask, probability, box, (side_x, side_y)))
    garments.sort(key=lambda found: -found.area_fraction)
    garments.append(_measured(Garment.UNION, kept, union, box, (side_x, side_y)))
    return Masks(tuple(garments), coverage, owner)


def _grown(box: Sequence[int], by: int, side_x: int, side_y: int) -> Box:
    left, top, width, height = box
    return (
        slice(max(0, top - by), min(side_y, top + height + by)),
        slice(max(0, left - by), min(side_x, left + width + by)),
    )


def _without_specks(mask: Mask, picture: int) -> Mask:
    count, labels, statistics, _ = cv2.connectedComponentsWithStats(mask, connectivity=8)
    if count <= 1:
        return mask
    areas = statistics[:, cv2.CC_STAT_AREA]
    areas[0] = 0
    keep = areas >= max(LEAST_AREA * picture, LEAST_SHARE * areas.max())
    if keep[1:].all():
        return mask
    kept: Mask = keep.astype(np.uint8)[labels]
    return kept


def _with_holes_filled(mask: Mask, picture: int) -> Mask:
    _, labels, statistics, _ = cv2.connectedComponentsWithStats(1 - mask, connectivity=4)
    small = statistics[:, cv2.CC_STAT_AREA] < FILLED_HOLE * picture
    small[0] = False  # label 0 is the mask itself
    if not small.any():
        return mask
    filled: Mask = mask | small.astype(np.uint8)[labels]
    return filled


def _owners(classes: Mapping[Garment, Floats], kept: Mask, picture: int) -> Mask:
    """The likeliest class of every pixel, islands and specks given to their neighbours."""
    garments = list(classes)
    # Along the outline too, which is soft: a sliver there would be a garment's stray edge.
    near = cv2.dilate(kept, _OUTLINE)
    stacked = np.stack([classes[garment] for garment in garments])
    owner = _likeliest(stacked)
    least = LEAST_AREA * picture
    for index in range(len(garments)):
        mask: Mask = ((owner == index) & (near > 0)).astype(np.uint8)
        count, labels, statistics, _ = cv2.connectedComponentsWithStats(mask, connectivity=8)
        if count <= 1:
            continue
        areas = statistics[:, cv2.CC_STAT_AREA]
        areas[0] = 0
        islands = areas < max(least, LEAST_SHARE * areas.max())
        islands[0] = False
        if islands.any():
            stacked[index][islands[labels]] = -1.0
    owner = _likeliest(stacked)
    areas = np.bincount(owner[kept > 0], minlength=len(garments))
    present = areas >= least
    if not present.any():
        present[areas.argmax()] = True
    if not present.all():
        stacked[~present] = -2.0
        owner = _likeliest(stacked)
    values = np.array([garment.value for garment in garments], np.uint8)
    owners: Mask = values[owner]
    return owners


def _likeliest(stacked: Floats) -> Mask:
    """Index of the greatest along axis 0; numpy's argmax along the outer axis is much slower."""
    best, owner = stacked[0], np.zeros(stacked.shape[1:], np.uint8)
    for index in range(1, len(stacked)):
        np.putmask(owner, stacked[index] > best, index)
        best = np.maximum(best, stacked[index])
    return owner


def _coverage(union: Floats, kept: Mask) -> Mask:
    inside = cv2.erode(kept, _OUTLINE, borderType=cv2.BORDER_REPLICATE)
    near = cv2.dilate(kept, _OUTLINE)
    coverage = cv2.convertScaleAbs(union, alpha=255.0).astype(np.uint8, copy=False)
    coverage[inside > 0] = 255
    coverage[near == 0] = 0
    return coverage


def _measured(
    garment: Garment, mask: Mask, probability: Floats, box: Box, sides: tuple[int, int]
) -> MaskedGarment:
    left, top, width, height = cv2.boundingRect(mask)
    left, top = left + box[1].start, top + box[0].start
    side_x, side_y = sides
    return MaskedGarment(
        garment,
        (left / side_x, top / side_y, (left + width) / side_x, (top + height) / side_y),
        float(np.count_nonzero(mask)) / (side_x * side_y),
        float(cv2.mean(probability, mask)[0]),
    )
