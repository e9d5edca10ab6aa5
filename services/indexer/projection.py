"""The index in memory: vectors, attributes and who has them. Rebuilt from the store at any time.

One lock: a search, a listing or a facet sees the state after one whole transaction, never half of
one, and nothing is copied for it. A search holds it for milliseconds.
"""

import bisect
import threading
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from services.indexer.columns import Mask
from services.indexer.domain import Change, IndexedProduct, Slot, Space, Tally, Vector
from services.indexer.facets import AttributeIndex, Facets
from services.indexer.filters import Filter
from services.indexer.matrix import Candidates, Matrix, Query
from services.indexer.metric import Metric, score_of
from services.indexer.queries import Found, Hit, Page, SearchQuery, Sitter, Sitting, Usual

_LOAD_PRODUCTS = 2048


class Projection:
    """Implements domain.Mirror. Safe to call from any thread.

    Args:
      on_version: told every index version once it is complete, in the thread that completed it.
    """

    def __init__(self, on_version: Callable[[int], None] = lambda _: None) -> None:
        self._lock = threading.Lock()
        self._on_version = on_version
        self._version = 0
        self._loads = 0
        self._space: Space | None = None
        self._forget(None, 0)

    # As a store feeds it

    def reset(self, space: Space | None, expected: int) -> None:
        with self._lock:
            self._loads += 1
            self._forget(space, expected)

    def load(self, products: Iterable[IndexedProduct]) -> None:
        source = iter(products)

        def next_batch() -> list[IndexedProduct]:
            return list(islice(source, _LOAD_PRODUCTS))

        # One batch is read while the one before is taken in: both are half native code.
        with ThreadPoolExecutor(1, "index-load") as ahead:
            following = ahead.submit(next_batch)
            while batch := following.result():
                following = ahead.submit(next_batch)
                with self._lock:
                    self._take(batch, ())

    def apply(self, change: Change) -> None:
        with self._lock:
            self._enter_space(change.space)
            gone = [
                product_id
                for product_id in change.deleted_ids
                if self._version_of(product_id) < change.version
            ]
            self._take(change.upserts, gone)
        self.complete(change.version)

    def complete(self, version: int) -> None:
        with self._lock:
            self._version = max(self._version, version)
        self._on_version(version)

    # As the service reads it

    @property
    def version(self) -> int:
        return self._version

    @property
    def space(self) -> Space | None:
        return self._space

    @property
    def loads(self) -> int:
        """How often it was loaded from the beginning."""
        return self._loads

    def tally(self) -> Tally:
        with self._lock:
            matrices = self._matrices.values()
            return Tally(
                len(self._row_of),
                int(self._images.sum()),
                sum(len(matrix) for matrix in matrices),
                sum(matrix.size_bytes for matrix in matrices),
            )

    def vector(self, product_id: str, slot: Slot) -> Vector | None:
        """The product's vector of a slot, else its own; None if it has none.

        Raises:
          KeyError: there is no such product.
        """
        with self._lock:
            row = self._row_of[product_id]
            for wanted in (slot, Slot.OWN):
                if wanted in self._matrices:
                    found = self._matrices[wanted].get(row)
                    if found is not None:
                        return found
            return None

    def search(self, queries: Sequence[SearchQuery]) -> list[Found]:
        """Answers queries that wait together, all on one state of the index."""
        with self._lock:
            found: list[Found | None] = [None] * len(queries)
            for slot in Slot:
                chosen = [i for i, query in enumerate(queries) if query.slot is slot]
                if chosen:
                    answers = self._search_slot(slot, [queries[i] for i in chosen])
                    for index, answer in zip(chosen, answers, strict=True):
                        found[index] = answer
            return [answer for answer in found if answer is not None]

    def page(self, conditions: Filter, after: str, limit: int) -> Page:
        """Products in order of identifier, those greater than `after` only."""
        with self._lock:
            order = self._sorted_ids()
            start = bisect.bisect_right(order, after) if after else 0
            if not conditions:
                found = order[start : start + limit]
                return Page(tuple(found), start + limit < len(order), len(order))
            passing = self._attributes.passing(conditions, self._alive)
            total = int(np.count_nonzero(passing))
            if total * 16 < len(order):
                few = sorted(self._ids[row] for row in np.flatnonzero(passing))
                start = bisect.bisect_right(few, after) if after else 0
                return Page(tuple(few[start : start + limit]), start + limit < len(few), total)
            found = []
            for position in range(start, len(order)):
                if passing[self._row_of[order[position]]]:
                    if len(found) == limit:
                        return Page(tuple(found), True, total)
                    found.append(order[position])
            return Page(tuple(found), False, total)

    def facets(self, fields: Sequence[str], conditions: Filter, max_values: int) -> Facets:
        with self._lock:
            return self._attributes.facets(fields, conditions, self._alive, max_values)

    def sitting(self, after: str, limit: int, fields: Sequence[str]) -> Sitting:
        """What a map is drawn from, of the products whose identifiers are greater than `after`.

        Some at a time, so that searches come in between.
        """
        with self._lock:
            order = self._sorted_ids()
            start = bisect.bisect_right(order, after) if after else 0
            looked_at = order[start : start + limit]
            last = looked_at[-1] if start + limit < len(order) else None
            matrix = self._matrices.get(Slot.OWN)
            if matrix is None or not looked_at:
                return Sitting((), np.zeros((0, 0), np.float32), last)
            rows, vectors = matrix.gather([self._row_of[one] for one in looked_at])
            chosen = np.zeros(len(self._alive), np.bool_)
            chosen[rows] = True
            values = {field: self._attributes.values_of(field, chosen) for field in fields}
            sitters = tuple(
                Sitter(
                    self._ids[row],
                    self._attributes.name_of(row),
                    {field: tuple(found[row]) for field, found in values.items() if row in found},
                )
                for row in rows
            )
            return Sitting(sitters, vectors, last)

    def gone(self, product_ids: Sequence[str]) -> list[bool]:
        """For each whether there is no such product."""
        with self._lock:
            return [product_id not in self._row_of for product_id in product_ids]

    # Inside the lock

    def _forget(self, space: Space | None, expected: int) -> None:
        self._space = space
        self._version = 0
        self._matrices: dict[Slot, Matrix] = {}
        if space is not None:
            self._matrices = {slot: Matrix(space.dimension, expected) for slot in Slot}
        self._attributes = AttributeIndex()
        self._row_of: dict[str, int] = {}
        # Row 0 is columns.NOBODY, which is never alive.
        self._ids: list[str] = [""]
        self._free: list[int] = []
        self._order: list[str] = []
        self._order_stale = False
        self._alive: Mask = np.zeros(1, np.bool_)
        self._images: NDArray[np.int32] = np.zeros(1, np.int32)
        self._versions: NDArray[np.int64] = np.zeros(1, np.int64)

    def _enter_space(self, space: Space | None) -> None:
        if space == self._space:
            return
        # A space changes only while no product has a vector.
        self._space = space
        self._matrices = {} if space is None else {slot: Matrix(space.dimension) for slot in Slot}

    def _version_of(self, product_id: str) -> int:
        row = self._row_of.get(product_id)
        return -1 if row is None else int(self._versions[row])

    def _take(self, upserts: Sequence[IndexedProduct], deleted_ids: Sequence[str]) -> None:
        newest = {
            product.product_id: product
            for product in upserts
            if self._version_of(product.product_id) < product.version
        }
        gone_ids = [product_id for product_id in deleted_ids if product_id in self._row_of]
        changed = [self._row_of[product_id] for product_id in newest if product_id in self._row_of]
        gone = [self._row_of[product_id] for product_id in gone_ids]
        removed = np.zeros(len(self._alive), np.bool_)
        removed[changed + gone] = True
        for matrix in self._matrices.values():
            matrix.remove(gone)
        self._order_stale = self._order_stale or bool(gone)
        for product_id in gone_ids:
            row = self._row_of.pop(product_id)
            self._ids[row] = ""
            self._alive[row] = False
            self._images[row] = 0
            self._free.append(row)
        rows = [self._row_for(product_id) for product_id in newest]
        for row, product in zip(rows, newest.values(), strict=True):
            self._images[row] = product.image_count
            self._versions[row] = product.version
        # A row of this transaction's dead may already belong to one of its newborn: first all
        # removals, then all additions.
        added = list(zip(rows, newest.values(), strict=True))
        self._attributes.update(removed, changed + gone, added)
        self._put_vectors(added)

    def _row_for(self, product_id: str) -> int:
        row = self._row_of.get(product_id)
        if row is not None:
            return row
        if self._free:
            row = self._free.pop()
            self._ids[row] = product_id
        else:
            row = len(self._ids)
            self._ids.append(product_id)
            if row >= len(self._alive):
                for name in ("_alive", "_images", "_versions"):
                    old = getattr(self, name)
                    new = np.zeros(max(2 * len(old), 256), old.dtype)
                    new[: len(old)] = old
                    setattr(self, name, new)
        self._row_of[product_id] = row
        self._alive[row] = True
        self._order_stale = True
        return row

    def _put_vectors(self, added: Sequence[tuple[int, IndexedProduct]]) -> None:
        for slot, matrix in self._matrices.items():
            having = [row for row, product in added if slot in product.vectors]
            if len(having) < len(added):
                matrix.remove([row for row, product in added if slot not in product.vectors])
            matrix.put(
                having, [product.vectors[slot] for _, product in added if slot in product.vectors]
            )

    def _sorted_ids(self) -> list[str]:
        if self._order_stale:
            # Nearly in order already after a few writes, which the sort makes use of.
            alive = [product_id for product_id in self._order if product_id in self._row_of]
            known = set(alive)
            alive += [product_id for product_id in self._row_of if product_id not in known]
            alive.sort()
            self._order, self._order_stale = alive, False
        return self._order

    def _search_slot(self, slot: Slot, queries: Sequence[SearchQuery]) -> list[Found]:
        matrix = self._matrices.get(slot)
        # A query may have been made in a space that has been left since.
        ours = self._space is not None and all(
            len(query.vector) == self._space.dimension for query in queries
        )
        if matrix is None or not len(matrix) or not ours:
            return [Found((), 0, self._version, self._loads) for _ in queries]
        masks: dict[tuple[Filter, frozenset[str]], NDArray[np.int64] | None] = {}
        asked = []
        for query in queries:
            key = (tuple(query.conditions), query.excluded_ids)
            if key not in masks:
                masks[key] = self._rows_taking_part(matrix, query)
            asked.append(Query(query.vector, query.skip + query.top_k, masks[key], query.metric))
        found = matrix.search(asked)
        return [
            Found(
                self._ranked(matrix, query, candidates),
                len(matrix) if part.rows is None else len(part.rows),
                self._version,
                self._loads,
                usual,
            )
            for query, part, candidates, usual in zip(
                queries, asked, found, _usual(matrix, queries), strict=True
            )
        ]

    def _rows_taking_part(self, matrix: Matrix, query: SearchQuery) -> NDArray[np.int64] | None:
        excluded = [
            row for product_id in query.excluded_ids if (row := self._row_of.get(product_id))
        ]
        if not query.conditions and not excluded:
            return None
        passing = self._attributes.passing(query.conditions, self._alive)
        passing[excluded] = False
        return np.flatnonzero(passing[matrix.owners])

    def _ranked(
        self, matrix: Matrix, query: SearchQuery, candidates: Candidates
    ) -> tuple[Hit, ...]:
        owners = matrix.owners[candidates.rows]
        ranked = sorted(
            zip(candidates.scores.tolist(), owners.tolist(), candidates.rows.tolist(), strict=True),
            key=lambda entry: (-entry[0], self._ids[entry[1]]),
        )[query.skip : query.skip + query.top_k]
        if query.metric is Metric.COSINE and not query.parts:
            return tuple(
                Hit(self._ids[owner], cosine, int(self._versions[owner]), None, cosine, (cosine,))
                for cosine, owner in ((_clamped(score), owner) for score, owner, _ in ranked)
            )
        rows = np.array([row for _, _, row in ranked], np.int64)
        cosines = matrix.cosines(rows, (query.vector, *query.parts)).tolist()
        hits = []
        for (score, owner, _), (cosine, *of_parts) in zip(ranked, cosines, strict=True):
            distance = None if query.metric is Metric.COSINE else -score
            hits.append(
                Hit(
                    self._ids[owner],
                    _clamped(score) if distance is None else score_of(distance),
                    int(self._versions[owner]),
                    distance,
                    _clamped(cosine),
                    tuple(map(_clamped, of_parts or [cosine])),
                )
            )
        return tuple(hits)


def _usual(matrix: Matrix, queries: Sequence[SearchQuery]) -> list[Usual]:
    vectors = [vector for query in queries for vector in query.parts or (query.vector,)]
    means, count = matrix.usual(vectors)
    left = iter(means.tolist())
    return [Usual(tuple(islice(left, len(query.parts) or 1)), count) for query in queries]


def _clamped(cosine: float) -> float:
    return min(1.0, max(-1.0, cosine))
