"""Products kept ready to be shown."""

from typing import Any

import numpy as np

from services.indexer.domain import Garment, GarmentEmbedding, Product, ProductImage, Vector
from services.indexer.metric import Metric
from services.indexer.shown import Rendered, ShownProducts


def product(product_id: str, version: int, *views: dict[Garment, Vector]) -> Product:
    images = tuple(
        ProductImage(
            sha256="",
            uri="",
            label="",
            width_px=1,
            height_px=1,
            size_bytes=1,
            whole_image_fallback=False,
            garments=(),
            embeddings=tuple(GarmentEmbedding(*found) for found in view.items()),
        )
        for view in views
    )
    return Product(product_id, f"{product_id} {version}", {}, images, (), "", "", version=version)


def render(found: Product) -> tuple[Rendered, int]:
    return Rendered(found.name), 1_000


def unit(*values: float) -> Vector:
    vector = np.array(values, np.float32)
    return (vector / np.linalg.norm(vector)).astype(np.float32)


def test_a_product_is_found_in_just_its_version_and_load() -> None:
    kept = ShownProducts(render, 10**6)
    kept.put(product("a", 1), load=1)
    assert kept.get("a", 1, load=1) is not None
    assert kept.get("a", 2, load=1) is None
    assert kept.get("a", 1, load=2) is None
    assert kept.get("b", 1, load=1) is None
    kept.put(product("a", 2), load=1)
    assert kept.get("a", 1, load=1) is None
    found: Any = kept.get("a", 2, load=1)
    assert found.rendered == "a 2"


def test_what_was_shown_longest_ago_makes_room() -> None:
    size = ShownProducts(render, 0).put(product("a", 1), load=1).size_bytes
    kept = ShownProducts(render, 2 * size)
    kept.put(product("a", 1), load=1)
    kept.put(product("b", 1), load=1)
    kept.get("a", 1, load=1)
    kept.put(product("c", 1), load=1)
    assert [name for name in "abc" if kept.get(name, 1, load=1)] == ["a", "c"]
    assert kept.size_bytes == 2 * size


def test_a_new_version_takes_the_room_of_the_old_one() -> None:
    kept = ShownProducts(render, 10**6)
    size = kept.put(product("a", 1), load=1).size_bytes
    kept.put(product("a", 2), load=1)
    assert kept.size_bytes == size


def test_without_room_nothing_is_kept() -> None:
    kept = ShownProducts(render, 0)
    shown: Any = kept.put(product("a", 1), load=1)
    assert shown.rendered == "a 1"
    assert kept.get("a", 1, load=1) is None
    assert kept.size_bytes == 0


def test_vectors_count_as_bytes_too() -> None:
    kept = ShownProducts(render, 10**9)
    bare = kept.put(product("a", 1), load=1).size_bytes
    view = {Garment.UNION: np.zeros(512, np.float32)}
    assert kept.put(product("b", 1, view), load=1).size_bytes >= bare + 2048


def test_the_first_of_the_nearest_views_is_the_best() -> None:
    near, far = unit(1, 0.1), unit(-1, 0)
    shown = ShownProducts(render, 0).put(
        product("a", 1, {Garment.UNION: far}, {Garment.UPPER: near}, {Garment.UPPER: near}), load=1
    )
    view, score = shown.best(unit(1, 0.1), None, Metric.COSINE)
    assert view is not None
    assert (view.image_index, view.garment) == (1, Garment.UPPER)
    assert 0.9999 < score <= 1.0
    view, score = shown.best(unit(1, 0), Garment.UNION, Metric.COSINE)
    assert view is not None
    assert view.image_index == 0
    assert score == -1.0
    assert shown.best(unit(1, 0), Garment.FULL, Metric.COSINE) == (None, 0.0)
