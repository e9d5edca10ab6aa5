"""Protocol C's words for categories, fixed before the validation photographs were looked at."""

TEMPLATES = ("{0}", "a photo of a {0}", "{0}, product photo")
"""A class's vector is the normalised mean of these sentences' vectors."""
_WORDS = {
    "longsleeve": "long sleeve top",
    "polo": "polo shirt",
    "undershirt": "tank top",
    "body": "baby bodysuit",
    "outwear": "jacket",
}
"""Where a label is not what people call the garment."""


def prompts(label: str) -> list[str]:
    """Sentences for one label; an unknown label speaks for itself."""
    words = _WORDS.get(label, label.replace("_", " "))
    return [template.format(words) for template in TEMPLATES]
