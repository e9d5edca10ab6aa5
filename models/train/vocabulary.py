"""Words for clothes and colours, and of what each word is true.

Photographs carry one `kind` each. A word is true of some kinds, perhaps true of others (those
pairs are left out of the loss, neither pulled nor pushed) and false of the rest.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from models.colour import scaled, srgb_to_lab

KINDS = (
    "t-shirt", "long-sleeve", "sweater", "sweatshirt", "hoodie", "polo", "shirt", "blouse",
    "tank", "top", "bra", "body", "dress", "skirt", "pants", "shorts", "jacket", "coat",
    "blazer", "shoes", "hat", "sunglasses", "neck-warmer",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Word:
    """Synonyms with one extension."""

    texts: tuple[str, ...]
    true_of: tuple[str, ...]
    perhaps: tuple[str, ...] = ()


WORDS = (
    Word(
        ("t-shirt", "t-shirts", "tee", "tees", "tee shirt", "short sleeve t-shirt"),
        ("t-shirt",),
        ("top", "polo", "body"),
    ),
    Word(
        ("long sleeve top", "long sleeve shirt", "long-sleeved tee", "longsleeve"),
        ("long-sleeve",),
        ("sweater", "sweatshirt", "top", "shirt", "blouse", "hoodie", "body"),
    ),
    Word(
        ("sweater", "sweaters", "jumper", "pullover", "knitwear", "knitted sweater"),
        ("sweater",),
        ("long-sleeve", "sweatshirt", "hoodie"),
    ),
    Word(
        ("sweatshirt", "sweatshirts", "sweats"),
        ("sweatshirt", "hoodie"),
        ("long-sleeve", "sweater"),
    ),
    Word(
        ("hoodie", "hoodies", "hooded sweatshirt", "hoody", "pullover hoodie", "zip hoodie"),
        ("hoodie",),
        ("sweatshirt", "jacket"),
    ),
    Word(
        ("hoodies & sweatshirts", "hoodies and sweatshirts"),
        ("hoodie", "sweatshirt"),
        ("long-sleeve", "sweater"),
    ),
    Word(
        ("shirt", "shirts", "button-up shirt", "dress shirt", "buttoned shirt"),
        ("shirt",),
        ("blouse", "polo", "t-shirt", "long-sleeve", "top"),
    ),
    Word(("blouse", "blouses", "elegant blouse"), ("blouse",), ("shirt", "top", "long-sleeve")),
    Word(("shirts and blouses", "blouses & shirts"), ("shirt", "blouse"), ("top",)),
    Word(("polo", "polo shirt", "polos", "polo t-shirt"), ("polo",), ("t-shirt",)),
    Word(
        ("tank top", "tank", "tanks", "sleeveless top", "undershirt", "singlet", "camisole"),
        ("tank",),
        ("top", "bra", "body"),
    ),
    Word(("bras & tanks", "bras and tanks"), ("bra", "tank"), ("top",)),
    Word(("sports bra", "bra", "bras", "bralette", "crop top"), ("bra",), ("top", "tank")),
    Word(
        ("top", "tops", "upper garment"),
        ("t-shirt", "long-sleeve", "tank", "top", "blouse", "bra"),
        ("polo", "shirt", "sweater", "sweatshirt", "hoodie", "body"),
    ),
    Word(
        ("tops and t-shirts", "tees and tops"),
        ("t-shirt", "top", "tank"),
        ("long-sleeve", "blouse", "bra", "polo", "body"),
    ),
    Word(("bodysuit", "baby bodysuit", "onesie", "romper"), ("body",)),
    Word(("dress", "dresses", "gown", "frock"), ("dress",)),
    Word(("skirt", "skirts"), ("skirt",)),
    Word(("pants", "trousers", "slacks", "bottoms", "long pants", "pant"), ("pants",)),
    Word(("jeans", "leggings", "joggers", "sweatpants", "chinos", "tights"), (), ("pants",)),
    Word(("shorts", "short pants", "short", "bermuda shorts"), ("shorts",)),
    Word(
        ("jacket", "jackets", "windbreaker", "shell jacket", "outdoor jacket"),
        ("jacket",),
        ("coat", "blazer", "hoodie", "sweatshirt"),
    ),
    Word(("coat", "coats", "overcoat"), ("coat",), ("jacket", "blazer")),
    Word(
        ("jackets and coats", "outerwear", "outwear", "coats & jackets"),
        ("jacket", "coat"),
        ("blazer", "hoodie"),
    ),
    Word(("blazer", "blazers", "suit jacket", "sport coat"), ("blazer",), ("jacket", "coat")),
    Word(("shoes", "footwear", "shoe", "pair of shoes"), ("shoes",)),
    Word(("sneakers", "boots", "sandals", "trainers", "heels"), (), ("shoes",)),
    Word(("hat", "hats", "cap", "headwear"), ("hat",)),
    Word(("beanie", "baseball cap", "bucket hat"), (), ("hat",)),
    Word(("sunglasses", "eyewear"), ("sunglasses",)),
    Word(("neck warmer", "scarf", "neck gaiter"), ("neck-warmer",)),
)

# Name, basic name, sRGB examples. What lies nearest names a pixel.
_COLOURS: tuple[tuple[str, str, tuple[tuple[int, int, int], ...]], ...] = (
    ("black", "black", ((0, 0, 0), (22, 22, 24), (38, 37, 38))),
    ("dark grey", "grey", ((62, 62, 64), (80, 80, 82))),
    ("grey", "grey", ((105, 105, 107), (128, 128, 128), (150, 150, 152))),
    ("light grey", "grey", ((175, 175, 177), (198, 198, 200))),
    ("white", "white", ((225, 225, 225), (240, 240, 240), (255, 255, 255))),
    ("ecru", "white", ((240, 234, 214),)),
    ("beige", "beige", ((222, 205, 178), (200, 178, 148), (230, 215, 195))),
    ("brown", "brown", ((101, 67, 33), (120, 80, 55), (75, 50, 35), (150, 105, 70))),
    ("khaki", "green", ((120, 115, 80), (95, 92, 65))),
    ("burgundy", "red", ((110, 20, 40), (85, 20, 30))),
    ("red", "red", ((200, 20, 30), (225, 40, 45), (170, 20, 25))),
    ("coral", "orange", ((245, 110, 90),)),
    ("orange", "orange", ((245, 130, 30), (225, 95, 25), (250, 160, 70))),
    ("yellow", "yellow", ((250, 215, 40), (240, 225, 110), (220, 185, 40))),
    ("mint", "green", ((170, 225, 200), (150, 210, 190))),
    ("light green", "green", ((160, 215, 120), (170, 220, 60))),
    ("green", "green", ((50, 150, 70), (80, 160, 60), (20, 120, 70))),
    ("dark green", "green", ((25, 65, 40), (40, 75, 50))),
    ("olive", "green", ((100, 105, 50),)),
    ("turquoise", "blue", ((50, 180, 180), (80, 200, 205))),
    ("light blue", "blue", ((150, 190, 230), (170, 205, 235), (140, 170, 205))),
    ("blue", "blue", ((40, 90, 180), (30, 110, 210), (60, 100, 150), (30, 60, 150))),
    ("dark blue", "blue", ((20, 30, 75), (30, 40, 65), (25, 45, 95))),
    ("lavender", "purple", ((190, 170, 220), (170, 150, 205))),
    ("purple", "purple", ((110, 50, 140), (130, 80, 160), (85, 35, 105))),
    ("pink", "pink", ((250, 175, 195), (240, 130, 170), (225, 80, 140), (235, 200, 205))),
)
COLOUR_NAMES = tuple(name for name, _, _ in _COLOURS)
BASIC_OF = {name: basic for name, basic, _ in _COLOURS}
BASIC_NAMES = tuple(dict.fromkeys(BASIC_OF.values()))
SYNONYMS = {
    "grey": ("gray",),
    "light grey": ("light gray", "silver"),
    "dark grey": ("dark gray", "charcoal"),
    "dark blue": ("navy", "navy blue"),
    "burgundy": ("maroon", "dark red", "wine red"),
    "beige": ("tan", "sand", "cream"),
    "ecru": ("off-white", "ivory"),
    "light blue": ("sky blue", "pale blue"),
    "turquoise": ("teal", "aqua"),
    "lavender": ("lilac", "lila", "light purple"),
    "purple": ("violet",),
    "pink": ("rose",),
    "mint": ("mint green",),
    "khaki": ("army green",),
}
_OWNER = np.array([i for i, colour in enumerate(_COLOURS) for _ in colour[2]])
_POINTS = scaled(srgb_to_lab(np.array([rgb for colour in _COLOURS for rgb in colour[2]])))
RECOLOUR_TARGETS = {name: rgbs for name, _, rgbs in _COLOURS}


def colour_shares(rgb: npt.ArrayLike, weights: npt.ArrayLike) -> npt.NDArray[np.float32]:
    """Share of the weighted pixels that each of COLOUR_NAMES names, (26,)."""
    points = scaled(srgb_to_lab(rgb))
    nearest = ((points[:, None] - _POINTS[None]) ** 2).sum(axis=-1).argmin(axis=1)
    weight = np.asarray(weights, np.float64)
    shares = np.bincount(_OWNER[nearest], weight, minlength=len(_COLOURS))
    return (shares / max(shares.sum(), 1e-6)).astype(np.float32)
