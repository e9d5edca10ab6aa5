"""Products as searches show them, kept in memory while there is room.

A search names the version of each product that it compared, and what is kept is found by that
version: nothing needs to be told of a write, and nothing old can be shown.
"""

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import NewType

from services.indexer.domain import Garment, Product, Vector
from services.indexer.metric import Metric, nearness

Rendered = NewType("Rendered", object)
"""A product without its vectors, as the doorway writes it; nothing else looks inside."""

Load = tuple[int, int]
"""A space's number and which load of it: a version means the same within one of them only."""

Render = Callable[[Product], tuple[Rendered, int]]
"""Makes it, and says about how many bytes of memory it takes."""

# Of the objects around a product and around each of its vectors, about.
_PRODUCT_BYTES = 1_000
_VECTOR_BYTES = 300


@dataclass(frozen=True, slots=True, eq=False)
class View:
    """What one photograph shows of one garment. Shapes: vector (d,), of length 1."""

    image_index: int
    garment: Garment
    vector: Vector


@dataclass(frozen=True, slots=True, eq=False)
class Shown:
    """A product in one version, and what tells its best photograph."""

    product_id: str
    version: int
    rendered: Rendered
    views: tuple[View, ...]
    size_bytes: int

    def best(
        self, vector: Vector, garment: Garment | None, metric: Metric
    ) -> tuple[View | None, float]:
        """The view nearest to a vector, among those of a garment if one is given, with its score;
        the first of equals; None and 0 if there is no view."""
        best: View | None = None
        best_score = -2.0
        for view in self.views:
            if garment is None or view.garment is garment:
                score = nearness(metric, view.vector, vector)
                if score > best_score:
                    best, best_score = view, score
        return best, 0.0 if best is None else best_score


class ShownProducts:
    """Keeps what was shown last.

    Args:
      render: see Render.
      max_bytes: kept at most, about; 0 keeps nothing.
    """

    def __init__(self, render: Render, max_bytes: int) -> None:
        self._render = render
        self._max_bytes = max_bytes
        self._kept: OrderedDict[str, tuple[Load, Shown]] = OrderedDict()
        self.size_bytes = 0

    def get(self, product_id: str, version: int, load: Load) -> Shown | None:
        """The product in just this version of this load of a space, if it is kept."""
        kept = self._kept.get(product_id)
        if kept is None or kept[0] != load or kept[1].version != version:
            return None
        self._kept.move_to_end(product_id)
        return kept[1]

    def put(self, product: Product, load: Load) -> Shown:
        """The product as it is shown, kept from now on. It comes with its images' vectors."""
        rendered, rendered_bytes = self._render(product)
        views = tuple(
            View(index, found.garment, found.vector)
            for index, image in enumerate(product.images)
            for found in image.embeddings
        )
        vectors_bytes = sum(view.vector.nbytes + _VECTOR_BYTES for view in views)
        size_bytes = _PRODUCT_BYTES + rendered_bytes + vectors_bytes
        shown = Shown(product.product_id, product.version, rendered, views, size_bytes)
        replaced = self._kept.pop(product.product_id, None)
        if replaced is not None:
            self.size_bytes -= replaced[1].size_bytes
        self._kept[product.product_id] = (load, shown)
        self.size_bytes += size_bytes
        while self.size_bytes > self._max_bytes:
            _, (_, oldest) = self._kept.popitem(last=False)
            self.size_bytes -= oldest.size_bytes
        return shown
