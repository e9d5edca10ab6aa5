"""What needs no model: the colour histogram that protocol A's figures are held against.

HSV histogram, exactly: the picture reduced to 128 x 128 (area averages), converted to HSV, counted
in 16 x 4 x 4 bins of equal width (hue, saturation, value); square root of each bin's share, which
makes the cosine the Bhattacharyya coefficient. `photograph` counts all pixels; `garment` only those
of the product's own garment, which is a harder floor: it has the masks already.
"""

import cv2
import numpy as np

from models.eval.catalogue import Catalogue
from models.eval.cutouts import GREEN, Cutouts, Pixels, Shown
from models.eval.progress import Steps
from models.eval.protocols import Vectors, unit
from models.eval.vector_cache import VectorCache

BINS = (16, 4, 4)
FLOORS = {"floor: photograph": False, "floor: garment": True}
"""Whether a floor looks at the own garment only."""
_RANGES = [0, 180, 0, 256, 0, 256]


def histogram(pixels: Pixels) -> Vectors:
    """(256,) of length 1, for pixels (n, 3)."""
    hsv = cv2.cvtColor(pixels[None], cv2.COLOR_RGB2HSV)
    counts = cv2.calcHist([hsv], [0, 1, 2], None, list(BINS), _RANGES)
    return unit(np.sqrt(np.asarray(counts, np.float32).ravel()))


def floor_cache() -> VectorCache:
    """Where histograms are kept; they depend on no model."""
    return VectorCache("floor-hsv", "x".join(map(str, BINS)))


def floor_vectors(
    catalogue: Catalogue, cutouts: Cutouts, cache: VectorCache, steps: Steps, *, garment: bool
) -> dict[str, Vectors]:
    """The histogram of every view, by image name."""
    shown = {
        view.key: Shown(view.path, view.garment, GREEN) if garment else Shown(view.path)
        for view in catalogue.views.values()
    }
    keys = {one: cutouts.key(one) for one in dict.fromkeys(shown.values())}
    known = cache.get(list(keys.values()))
    missing = [one for one, key in keys.items() if key not in known]
    name = "histograms, garment" if garment else "histograms, photograph"
    new: dict[str, Vectors] = {}
    for one in steps.over(name, missing, len(missing)):
        new[keys[one]] = histogram(cutouts.colours(one))
    cache.put(new)
    known |= new
    return {key: known[keys[one]] for key, one in shown.items()}
