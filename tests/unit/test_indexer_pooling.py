"""Which garment a product is, and how its views become one vector."""

import numpy as np
import pytest

from services.indexer.domain import Garment, GarmentEmbedding, ProductImage, Slot, Vector
from services.indexer.pooling import named_garment, own_garment, pool

UPPER, LOWER, FULL, UNION = Garment.UPPER, Garment.LOWER, Garment.FULL, Garment.UNION


def direction(*values: float) -> Vector:
    vector = np.array([*values, *[0.0] * (4 - len(values))])
    return (vector / np.linalg.norm(vector)).astype(np.float32)


def image(**vectors: Vector) -> ProductImage:
    found = tuple(GarmentEmbedding(Garment[name.upper()], one) for name, one in vectors.items())
    return ProductImage("0" * 64, embeddings=found)


@pytest.mark.parametrize(
    ("attributes", "garment"),
    [
        ({"category": "Skirts"}, LOWER),
        ({"category": "light blue jeans"}, LOWER),
        ({"category": "Hoodies & Sweatshirts"}, UPPER),
        ({"category": "T-shirts"}, UPPER),
        ({"category": "T-Shirt"}, UPPER),
        ({"category": "Evening Dresses"}, FULL),
        ({"category": "Jackets and Coats"}, FULL),
        ({"category": "shirt dress"}, FULL),
        ({"category": "dress shirt"}, UPPER),
        ({"category": "Women/Tops/Tanks"}, UPPER),
        ({"category": ("Women", "Bottoms", "Shorts")}, LOWER),
        ({"category": "Shoes"}, UNION),
        ({"category": "Handbags"}, UNION),
        ({"category": "New in", "type": "trousers"}, LOWER),
        ({"type": "Robe"}, FULL),
        ({"category": "Straight Cut"}, None),
        ({"category": 7.0}, None),
        ({}, None),
    ],
)
def test_the_category_names_the_garment(
    attributes: dict[str, object], garment: Garment | None
) -> None:
    assert named_garment(attributes) == garment  # type: ignore[arg-type]


def test_a_skirt_is_not_averaged_with_the_models_blouse() -> None:
    views = [
        image(upper=direction(0, 1), lower=direction(1), union=direction(1, 1)),
        image(upper=direction(0, 0, 1), union=direction(0, 0, 1, 1)),
        image(lower=direction(1, 0, 0.2), union=direction(1, 0, 1)),
    ]
    own = own_garment({"category": "Skirts"}, views)
    assert own is LOWER
    expected = direction(1).astype(np.float64) + direction(1, 0, 0.2)
    np.testing.assert_allclose(
        pool(own, views)[Slot.OWN], expected / np.linalg.norm(expected), atol=1e-6
    )


def test_a_view_in_which_a_coat_was_taken_for_a_jacket_still_counts() -> None:
    views = [
        image(full=direction(1), union=direction(0, 0, 0, 1)),
        image(upper=direction(0, 1), union=direction(0, 0, 0, 1)),
        image(union=direction(0, 0, 1)),
    ]
    own = own_garment({"category": "Coats"}, views)
    assert own is FULL
    np.testing.assert_allclose(pool(own, views)[Slot.OWN], direction(1, 1, 1), atol=1e-6)


def test_a_coat_that_was_always_taken_for_a_jacket_is_one() -> None:
    views = [image(upper=direction(1), union=direction(0, 1))]
    own = own_garment({"category": "Coats"}, views)
    assert own is UPPER
    np.testing.assert_allclose(pool(own, views)[Slot.OWN], direction(1), atol=1e-6)


def test_without_a_category_the_garment_on_which_the_views_agree_is_its_own() -> None:
    views = [
        image(upper=direction(1, angle), lower=direction(-angle, 1), union=direction(1, 1))
        for angle in (0.0, 0.1, 0.2)
    ]
    shifted = [
        image(upper=direction(1, 0, 3 * index), lower=direction(1), union=direction(1, 1))
        for index in range(3)
    ]
    assert own_garment({}, shifted) is LOWER
    assert own_garment({"category": "Straight Cut"}, shifted) is LOWER
    # What is seen in a minority of the views is not the product.
    rare = [*views[:1], *(image(upper=direction(1), union=direction(1)) for _ in range(3))]
    assert own_garment({}, rare) is UPPER


def test_a_single_view_with_one_garment_is_that_garment() -> None:
    assert own_garment({}, [image(lower=direction(1), union=direction(1))]) is LOWER
    both = image(lower=direction(1), upper=direction(1), union=direction(1))
    assert own_garment({}, [both]) is UNION


def test_what_no_segmentation_found_is_its_union() -> None:
    views = [image(union=direction(1)), image(union=direction(0, 1))]
    for attributes in ({}, {"category": "Skirts"}, {"category": "Bags"}):
        own = own_garment(attributes, views)
        assert own is UNION
        np.testing.assert_allclose(pool(own, views)[Slot.OWN], direction(1, 1), atol=1e-6)


def test_a_garment_without_a_union_is_found_nevertheless() -> None:
    views = [image(upper=direction(1)), image(lower=direction(0, 1)), image(upper=direction(1))]
    own = own_garment({"category": "Bags"}, views)
    assert own is UPPER
    assert Slot.OWN in pool(own, views)


def test_images_without_vectors_make_no_product_vector() -> None:
    assert own_garment({"category": "Skirts"}, [ProductImage("0" * 64)]) is None
    assert pool(None, [ProductImage("0" * 64)]) == {}


def test_pooled_vectors_have_length_one_and_every_view_counts_the_same() -> None:
    views = [image(union=direction(1)), image(union=direction(0, 1)), ProductImage("0" * 64)]
    pooled = pool(UNION, views)
    assert set(pooled) == {Slot.OWN, Slot.UNION}
    for vector in pooled.values():
        assert vector.dtype == np.float32
        assert np.linalg.norm(vector) == pytest.approx(1.0, abs=1e-6)
    np.testing.assert_allclose(pooled[Slot.UNION], direction(1, 1), atol=1e-6)


def test_views_that_cancel_each_other_out_leave_no_nonsense() -> None:
    pooled = pool(UNION, [image(union=direction(1)), image(union=direction(-1))])
    np.testing.assert_array_equal(pooled[Slot.OWN], np.zeros(4, np.float32))
