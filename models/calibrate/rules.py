"""What counts as a match where nobody labelled pairs: stated rules on categories and colours."""

import re

import numpy as np
import numpy.typing as npt

from models.colour import srgb_to_lab

COLOUR_TOLERANCE = 25.0
"""Distance in Lab up to which two garments are of one colour to a person: that of two reds of one
shop, less than from navy to black jeans."""

# Words of a shop's category that each label of a photograph may be sold under.
_SOLD_AS: dict[str, tuple[str, ...]] = {
    "blazer": ("blazer", "jacket"),
    "blouse": ("blouse", "shirts"),
    "body": ("body",),
    "dress": ("dress", "dresses"),
    "hat": ("hat", "hats", "beanie"),
    "hoodie": ("hoodie", "hoodies", "sweatshirts"),
    "longsleeve": ("tee", "tees", "t-shirt", "t-shirts", "sweater", "sweaters", "sweatshirts"),
    "outwear": ("jacket", "jackets", "coat", "coats", "parka"),
    "pants": ("pant", "pants", "jeans", "trousers", "cut"),
    "polo": ("polo", "tees", "t-shirts"),
    "shirt": ("shirt", "shirts", "blouses", "blouse"),
    "shoes": ("shoes", "boots", "sneakers"),
    "shorts": ("short", "shorts"),
    "skirt": ("skirt", "skirts"),
    "t-shirt": ("tee", "tees", "t-shirt", "t-shirts"),
    "top": ("top", "tops", "tanks", "tank"),
    "undershirt": ("tank", "tanks", "tops"),
}


def sold_as(label: str, category: str) -> bool:
    """Whether a photograph with this label may be looked for in this category of a shop."""
    words = re.findall(r"[a-z][a-z-]*", category.lower())
    return any(word in words for word in _SOLD_AS.get(label, (label, f"{label}s")))


def colour_of(pixels: npt.NDArray[np.uint8]) -> npt.NDArray[np.float64]:
    """A garment's colour: the median of its pixels in Lab. Shapes: (n, 3); returns (3,)."""
    return np.asarray(np.median(srgb_to_lab(pixels), axis=0), np.float64)
