"""The index in memory in all of its spaces: a projection for each, of which one is active.

Each projection holds every product, so that any of them can answer everything from one moment to
the next. Where a product lacks vectors it stands one version back, and so is taken when they come.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from services.indexer.domain import (
    Change,
    IndexChange,
    IndexedProduct,
    IndexedSpace,
    IndexEntry,
    Spaces,
)
from services.indexer.projection import Projection
from services.indexer.queries import Found, SearchQuery
from services.indexer.spaces import searched_space

_NO_SPACE = 0


@dataclass(frozen=True, slots=True, eq=False)
class SpaceView:
    """The index as one space shows it. number: of the space; 0 while there are no vectors."""

    number: int
    space: IndexedSpace | None
    projection: Projection


@dataclass(frozen=True, slots=True, eq=False)
class ViewedQuery:
    """A query and what it is asked of; a view goes on answering when the index has left it."""

    view: SpaceView
    query: SearchQuery


@dataclass(frozen=True, slots=True, eq=False)
class _State:
    """All that changes in a switch, so that one assignment makes it."""

    spaces: Spaces
    views: Mapping[int, SpaceView]
    active: SpaceView


class SpaceMirror:
    """Implements domain.Mirror. Safe to call from any thread; stores feed it from one at a time.

    Args:
      on_version: told every index version once it is complete in all spaces.
    """

    def __init__(self, on_version: Callable[[int], None] = lambda _: None) -> None:
        self._on_version = on_version
        self._version = 0
        self._expected = 0
        self._state = _state(Spaces(), {_NO_SPACE: Projection()})

    # As a store feeds it

    def reset(self, spaces: Spaces, expected: int) -> None:
        projections = {}
        self._expected = expected
        for number in _numbers(spaces):
            known = self._state.views.get(number)
            # The same object where it goes on: it counts its loads.
            projections[number] = known.projection if known else Projection()
            found = _of(spaces, number)
            projections[number].reset(found.space if found else None, expected)
        self._version = 0
        self._state = _state(spaces, projections)

    def load(self, products: Iterable[IndexEntry]) -> None:
        views = [*self._state.views.values()]
        if len(views) == 1:
            views[0].projection.load(_seen(products, views[0].number))
            return
        # Batch by batch, or one copy of the scan would wait in memory for the other.
        for batch in _batches(products):
            for view in views:
                view.projection.load(_seen(batch, view.number))

    def begin(self, spaces: Spaces, expected: int) -> None:
        projections = {number: view.projection for number, view in self._state.views.items()}
        assert spaces.other is not None  # a new space is never the active one's
        added = Projection()
        added.reset(spaces.other.space, expected)
        projections[spaces.other.number] = added
        self._state = _state(spaces, {n: projections[n] for n in _numbers(spaces)})

    def fill(self, space: int, products: Iterable[IndexEntry]) -> None:
        self._state.views[space].projection.load(_seen(products, space))

    def apply(self, change: IndexChange) -> None:
        self._enter(change.spaces)
        for view in self._state.views.values():
            space = view.space.space if view.space else None
            upserts = [*_seen(change.upserts, view.number)]
            back = [
                seen.product_id
                for seen, entry in zip(upserts, change.upserts, strict=True)
                if _lacks(entry, view.number) and seen.version == change.version - 1
            ]
            if back:
                # Written without vectors of this space: what it had here is no longer true.
                view.projection.apply(Change(change.version, space, (), back))
            view.projection.apply(Change(change.version, space, upserts, change.deleted_ids))
        self.complete(change.version)

    def complete(self, version: int) -> None:
        for view in self._state.views.values():
            view.projection.complete(version)
        self._version = max(self._version, version)
        self._on_version(version)

    # As the service reads it

    @property
    def spaces(self) -> Spaces:
        return self._state.spaces

    @property
    def active(self) -> SpaceView:
        """What searches that name no space, and lists, are answered from."""
        return self._state.active

    @property
    def loaded_fraction(self) -> float:
        """While it is loaded, about how much is in already, 0 to 1."""
        if not self._expected:
            return 0.0
        return min(self.active.projection.tally().product_count / self._expected, 1.0)

    @property
    def projections(self) -> list[Projection]:
        return [view.projection for view in self._state.views.values()]

    def view(self, embedding_version: str) -> SpaceView:
        """The view of a space; the active one if none is named, or there are no vectors.

        Raises:
          FailedPrecondition: EMBEDDING_VERSION_MISMATCH.
        """
        state = self._state
        found = searched_space(state.spaces, embedding_version)
        return state.active if found is None else state.views[found.number]

    def _enter(self, spaces: Spaces) -> None:
        """Follows a switch, a drop, the first vectors and the last; `begin` has made the rest."""
        state = self._state
        if spaces == state.spaces:
            return
        projections = {number: view.projection for number, view in state.views.items()}
        if spaces.active is None:
            projections = {_NO_SPACE: state.active.projection}
        elif state.spaces.active is None:
            projections = {spaces.active.number: state.active.projection}
        self._state = _state(spaces, {n: projections[n] for n in _numbers(spaces)})


def search(queries: Sequence[ViewedQuery]) -> list[Found]:
    """Answers queries that wait together; those of one space on one state of the index."""
    found: dict[int, Found] = {}
    for projection in {id(one.view.projection): one.view.projection for one in queries}.values():
        places = [i for i, one in enumerate(queries) if one.view.projection is projection]
        answers = projection.search([queries[i].query for i in places])
        found |= zip(places, answers, strict=True)
    return [found[place] for place in range(len(queries))]


def _state(spaces: Spaces, projections: Mapping[int, Projection]) -> _State:
    views = {
        number: SpaceView(number, _of(spaces, number), projection)
        for number, projection in projections.items()
    }
    return _State(spaces, views, views[spaces.active.number if spaces.active else _NO_SPACE])


def _numbers(spaces: Spaces) -> list[int]:
    return [one.number for one in spaces.all] or [_NO_SPACE]


def _of(spaces: Spaces, number: int) -> IndexedSpace | None:
    return next((one for one in spaces.all if one.number == number), None)


def _lacks(entry: IndexEntry, number: int) -> bool:
    return bool(entry.vectors) and number not in entry.vectors


def _seen(entries: Iterable[IndexEntry], number: int) -> Iterator[IndexedProduct]:
    for entry in entries:
        seen = IndexedProduct(
            entry.product_id,
            entry.name,
            entry.attributes,
            entry.vectors.get(number, {}),
            entry.image_count,
            entry.version,
        )
        yield replace(seen, version=entry.version - 1) if _lacks(entry, number) else seen


def _batches(entries: Iterable[IndexEntry], size: int = 2048) -> Iterator[list[IndexEntry]]:
    batch = []
    for entry in entries:
        batch.append(entry)
        if len(batch) == size:
            yield batch
            batch = []
    yield batch
