"""What people say of clothes: as words for the embedder, and as conditions on attributes."""

from dataclasses import dataclass, replace


@dataclass(frozen=True, slots=True)
class Features:
    """The features of lookalike.gateway.v1.Features; empty: not said."""

    type: str = ""
    colour: str = ""
    category: str = ""
    pattern: str = ""
    season: str = ""
    person: str = ""

    def conditions(self) -> tuple[tuple[str, str], ...]:
        """Attribute and value of each feature that is said, in a fixed order."""
        said = (
            ("type", self.type),
            ("colour", self.colour),
            ("category", self.category),
            ("pattern", self.pattern),
            ("season", self.season),
            ("person", self.person),
        )
        return tuple((field, value.strip()) for field, value in said if value.strip())

    def without_category(self) -> "Features":
        """The same, the category not said."""
        return replace(self, category="")

    def words(self) -> str:
        """A caption such as shops write: `light blue striped skirt for women, summer`.

        Empty if nothing is said.
        """
        said = dict(self.conditions())
        # A category often repeats the type (`skirts` of `skirt`); the finer word is enough.
        noun = said.get("type") or said.get("category", "")
        words = [said.get("colour", ""), said.get("pattern", ""), noun]
        caption = " ".join(word for word in words if word)
        if person := said.get("person"):
            caption = f"{caption or 'clothes'} for {person}"
        if season := said.get("season"):
            caption = f"{caption or 'clothes'}, {season}"
        return caption
