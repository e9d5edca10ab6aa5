"""Words that everybody uses of clothes, whatever a shop calls them: what must not be forgotten."""

from typing import Final

_GARMENTS: Final = (
    "t-shirt", "shirt", "blouse", "polo shirt", "tank top", "long-sleeved top", "sweater",
    "hoodie", "cardigan", "jacket", "coat", "blazer", "vest", "dress", "evening dress",
    "summer dress", "skirt", "mini skirt", "trousers", "jeans", "leggings", "shorts", "jumpsuit",
    "swimsuit", "sports bra", "underwear", "pyjamas", "socks", "shoes", "sneakers", "boots",
    "sandals", "hat", "cap", "scarf", "gloves", "bag", "backpack", "belt", "sunglasses",
)  # fmt: skip
_COLOURS: Final = (
    "red", "orange", "yellow", "green", "light blue", "dark blue", "purple", "pink", "brown",
    "beige", "white", "grey", "black",
)  # fmt: skip
_PATTERNS: Final = ("striped", "checked", "floral", "dotted", "plain", "printed")
_PEOPLE: Final = ("women", "men", "children")
_MATERIALS: Final = ("cotton", "denim", "leather", "wool", "silk", "linen")

GARMENT_WORDS: Final = _GARMENTS
GENERAL_WORDS: Final = (
    *_GARMENTS,
    *(f"{colour} clothes" for colour in _COLOURS),
    *(f"{colour} {garment}" for colour in _COLOURS for garment in ("dress", "t-shirt", "trousers")),
    *(f"{pattern} clothes" for pattern in _PATTERNS),
    *(f"clothes for {person}" for person in _PEOPLE),
    *(f"made of {material}" for material in _MATERIALS),
)
