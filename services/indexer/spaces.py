"""The rules of the index's vector spaces, the same for every store.

One space is active. At most one other is beside it: one that is being built, or the one that was
active before. A product is written in the active space always, and in the other one if the writer
can; where it was not, it lacks vectors until somebody brings them.
"""

from collections.abc import Sequence
from dataclasses import replace

from servicekit.errors import FailedPrecondition, LookalikeError, NotFound
from services.indexer.domain import (
    IndexedSpace,
    Product,
    Space,
    SpaceRole,
    Spaces,
    SpaceVectors,
)

Placed = tuple[tuple[int, SpaceVectors], ...]
"""A product's vectors with the numbers of their spaces."""


def with_products(
    spaces: Spaces, products: Sequence[Product]
) -> tuple[Spaces, list[tuple[Product, Placed]]]:
    """The spaces once the index holds the products, and where each of these belongs.

    Raises:
      FailedPrecondition: EMBEDDING_VERSION_MISMATCH, DIMENSION_MISMATCH.
    """
    placed = []
    for product in products:
        spaces, places = with_product(spaces, product)
        placed.append((product, places))
    return spaces, placed


def with_product(spaces: Spaces, product: Product) -> tuple[Spaces, Placed]:
    """See `with_products`. The first vectors of an index make its active space."""
    found = product.in_spaces
    if not found:
        return spaces, ()
    if spaces.active is None:
        first = IndexedSpace(spaces.next_number, found[0].space, SpaceRole.ACTIVE)
        return Spaces(first, None, first.number + 1), ((first.number, found[0]),)
    active = spaces.active
    if all(one.space.embedding_version != active.space.embedding_version for one in found):
        raise _mismatch(active.space, found[0].space.embedding_version)
    placed = []
    for one in found:
        # A space that was dropped while the product was on its way is nobody's loss.
        if known := spaces.find(one.space.embedding_version):
            check_dimension(known.space, one.space.dimension)
            placed.append((known.number, one))
    return spaces, tuple(placed)


def begun(spaces: Spaces, space: Space) -> Spaces:
    """The spaces with one more beside the active one; in an empty index it is the active one.

    Raises:
      FailedPrecondition: SPACE_CONFLICT, DIMENSION_MISMATCH.
    """
    if known := spaces.find(space.embedding_version):
        check_dimension(known.space, space.dimension)
        return spaces
    if spaces.active is None:
        first = IndexedSpace(spaces.next_number, space, SpaceRole.ACTIVE)
        return Spaces(first, None, first.number + 1)
    if spaces.other is not None:
        other = spaces.other.space.embedding_version
        raise conflict(
            f"The index holds {other!r} beside its active space; drop that first: two spaces at"
            " a time.",
            other,
        )
    added = IndexedSpace(spaces.next_number, space, SpaceRole.BUILDING)
    return Spaces(spaces.active, added, added.number + 1)


def switched(spaces: Spaces, embedding_version: str, lacking_count: int, force: bool) -> Spaces:
    """The spaces with another one active; the one that was is kept.

    Raises:
      NotFound: SPACE_NOT_FOUND.
      FailedPrecondition: SPACE_INCOMPLETE.
    """
    wanted = known_space(spaces, embedding_version)
    if wanted.role is SpaceRole.ACTIVE:
        return spaces
    if lacking_count and not force:
        raise FailedPrecondition(
            f"{lacking_count} products lack vectors in {embedding_version!r}: searches would find"
            " them no more.",
            reason="SPACE_INCOMPLETE",
            metadata={"lacking_count": str(lacking_count)},
        )
    assert spaces.active is not None  # there is no other without it
    return replace(
        spaces,
        active=replace(wanted, role=SpaceRole.ACTIVE),
        other=replace(spaces.active, role=SpaceRole.PREVIOUS),
    )


def dropped(spaces: Spaces, embedding_version: str) -> Spaces:
    """The spaces without one.

    Raises:
      FailedPrecondition: SPACE_CONFLICT, it is the active one.
    """
    found = spaces.find(embedding_version)
    if found is None:
        return spaces
    if found.role is SpaceRole.ACTIVE:
        raise conflict(
            f"{embedding_version!r} is the active space; switch to another one first.",
            embedding_version,
        )
    return replace(spaces, other=None)


def emptied(spaces: Spaces) -> Spaces:
    """The spaces of an index that has no vectors any more: whichever comes first is the next."""
    return Spaces(next_number=spaces.next_number)


def begins(before: Spaces, after: Spaces) -> bool:
    """Whether a space has come to be beside the active one."""
    return after.other is not None and all(after.other.number != one.number for one in before.all)


def known_space(spaces: Spaces, embedding_version: str) -> IndexedSpace:
    """Raises: NotFound: SPACE_NOT_FOUND."""
    found = spaces.find(embedding_version)
    if found is None:
        raise NotFound(
            f"The index has no space {embedding_version!r}.",
            reason="SPACE_NOT_FOUND",
            metadata={"resource_type": "vector space", "resource_name": embedding_version},
        )
    return found


def still_there(spaces: Spaces, space: IndexedSpace) -> None:
    """Raises: FailedPrecondition: SPACE_CONFLICT, the index has left the space meanwhile."""
    if all(one.number != space.number for one in spaces.all):
        version = space.space.embedding_version
        raise conflict(f"{version!r} was dropped meanwhile.", version)


def searched_space(spaces: Spaces, embedding_version: str) -> IndexedSpace | None:
    """The space that a search names; the active one if it names none. None: there are no vectors.

    Raises:
      FailedPrecondition: EMBEDDING_VERSION_MISMATCH.
    """
    if spaces.active is None or not embedding_version:
        return spaces.active
    found = spaces.find(embedding_version)
    if found is None:
        raise _mismatch(spaces.active.space, embedding_version)
    return found


def check_dimension(space: Space, dimension: int) -> None:
    """Raises: FailedPrecondition: DIMENSION_MISMATCH."""
    if dimension != space.dimension:
        raise FailedPrecondition(
            f"The index holds vectors of {space.dimension} values, not {dimension}.",
            reason="DIMENSION_MISMATCH",
            metadata={"expected": str(space.dimension), "given": str(dimension)},
            field="dimension",
        )


def conflict(message: str, embedding_version: str) -> LookalikeError:
    """SPACE_CONFLICT."""
    return FailedPrecondition(
        message, reason="SPACE_CONFLICT", metadata={"embedding_version": embedding_version}
    )


def _mismatch(active: Space, given: str) -> LookalikeError:
    return FailedPrecondition(
        f"The index holds vectors of {active.embedding_version!r}, not {given!r}.",
        reason="EMBEDDING_VERSION_MISMATCH",
        metadata={"expected": active.embedding_version, "given": given},
        field="embedding_version",
    )
