"""What a product is before any model sees it: attributes in one form, digests, refusals."""

import hashlib
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from servicekit.errors import InvalidArgument
from services.gateway.attributes import canonical_attributes, canonical_json
from services.gateway.incoming import (
    ImageData,
    ImageUri,
    IncomingImage,
    IncomingProduct,
    Unreadable,
    check,
)
from services.gateway.media_types import media_type


def product(
    *images: IncomingImage,
    product_id: str = "p1",
    name: str = "Skirt",
    attributes: dict[str, object] | None = None,
) -> IncomingProduct:
    images = images or (IncomingImage(ImageData(b"bytes"), "a.jpg"),)
    size = sum(len(one.source.data) for one in images if isinstance(one.source, ImageData))
    return IncomingProduct(product_id, name, attributes or {}, images, size, size)


async def refusal(sent: IncomingProduct) -> InvalidArgument:
    with pytest.raises(InvalidArgument) as caught:
        await check(sent)
    return caught.value


async def digest(sent: IncomingProduct) -> str:
    return (await check(sent)).content_digest


def test_what_says_nothing_is_dropped() -> None:
    given_attributes = {
        "colour": "blue",
        "season": None,
        "brand": "",
        "blank": "  ",
        "tags": [],
        "sizes": ["S", None, "", "M"],
        "nulls": [None],
        "price": 12,
        "sale": False,
    }
    assert canonical_attributes(given_attributes) == {
        "colour": "blue",
        "sizes": ("S", "M"),
        "price": 12.0,
        "sale": False,
    }


@pytest.mark.parametrize(
    "value", [{"a": 1}, [["nested"]], [{"a": 1}], math.nan, math.inf, [math.inf], {}]
)
def test_what_an_attribute_cannot_be_is_refused_by_name(value: object) -> None:
    with pytest.raises(InvalidArgument) as caught:
        canonical_attributes({"odd": value})
    assert (caught.value.reason, caught.value.field) == ("FIELD_INVALID", "product.attributes.odd")


def test_sixty_four_keys_and_sixty_four_kibibytes_are_the_limit() -> None:
    assert len(canonical_attributes({f"k{n}": n for n in range(64)})) == 64
    for too_much in (
        {f"k{n}": n for n in range(65)},
        {"text": "x" * 65_536},
        {"text": "ä" * 40_000},
        {"text": ["x" * 10] * 7_000},
        {"": "no key"},
        {" ": "no key"},
        {"a\x07b": "no attribute"},
        {"k" * 1_025: "no attribute"},
        {"text": "x" * 10_000_000},
    ):
        with pytest.raises(InvalidArgument, match="attribute"):
            canonical_attributes(too_much)


scalars = st.one_of(
    st.none(), st.booleans(), st.floats(allow_nan=False, allow_infinity=False), st.text(max_size=9)
)


@given(st.dictionaries(st.text(min_size=1, max_size=9), scalars | st.lists(scalars, max_size=4)))
def test_canonical_attributes_are_a_fixed_point(given_attributes: dict[str, object]) -> None:
    try:
        once = canonical_attributes(given_attributes)
    except InvalidArgument:
        return  # a blank key, or one with a control character
    assert canonical_attributes(dict(once)) == once


def test_json_is_the_same_whatever_the_order_of_keys() -> None:
    assert canonical_json({"b": 1, "ä": [True, "x"]}) == '{"b":1,"ä":[true,"x"]}'.encode()
    assert canonical_json({"b": 1, "a": 2}) == canonical_json({"a": 2, "b": 1})


async def test_the_digest_is_that_of_all_that_makes_a_product() -> None:
    base = await digest(product())
    label = IncomingImage(ImageData(b"bytes"), "b.jpg")
    other = IncomingImage(ImageData(b"other"), "a.jpg")
    changed = [
        product(name="Trousers"),
        product(attributes={"colour": "blue"}),
        product(label),
        product(other),
        product(other, IncomingImage(ImageData(b"bytes"), "a.jpg")),
        product(IncomingImage(ImageData(b"bytes"), "a.jpg"), other),
        product(IncomingImage(ImageUri("https://shop/a.jpg"), "a.jpg")),
        product(IncomingImage(Unreadable("no such file"), "a.jpg")),
        product(IncomingImage(None, "a.jpg")),
    ]
    assert len({base, *[await digest(sent) for sent in changed]}) == len(changed) + 1


async def test_the_digest_is_blind_to_what_says_nothing() -> None:
    assert await digest(product()) == await digest(product(attributes={"colour": "", "x": None}))
    one = product(attributes={"a": 1.0, "b": 2.0})
    assert await digest(one) == await digest(product(attributes={"b": 2, "a": 1}))


async def test_large_images_have_the_same_digest_as_small_ones_have() -> None:
    data = bytes(600_000)
    checked = await check(product(IncomingImage(ImageData(data), "")))
    assert checked.image_sha256s == (hashlib.sha256(data).hexdigest(),)


@pytest.mark.parametrize(
    ("sent", "field"),
    [
        (product(product_id=""), "product.product_id"),
        (product(product_id="x" * 257), "product.product_id"),
        (product(product_id="a\nb"), "product.product_id"),
        (product(name="ä" * 513), "product.name"),
        (product(IncomingImage(None, "x" * 1_025)), "product.images[0].label"),
        (product(*[IncomingImage(ImageData(b"x"), "")] * 33), "product.images"),
        (product(attributes={"a": {"b": 1}}), "product.attributes.a"),
    ],
)
async def test_faults_of_a_product_name_the_field(sent: IncomingProduct, field: str) -> None:
    error = await refusal(sent)
    assert (error.reason, error.field) == ("FIELD_INVALID", field)


async def test_a_product_without_images_is_empty() -> None:
    error = await refusal(IncomingProduct("p", "name", {}, (), 0, 0))
    assert error.reason == "PRODUCT_EMPTY"


@pytest.mark.parametrize(
    ("data", "name"),
    [
        (b"\xff\xd8\xff\xe0rest", "image/jpeg"),
        (b"\x89PNG\r\n\x1a\nrest", "image/png"),
        (b"GIF89a", "image/gif"),
        (b"RIFF\x00\x00\x00\x00WEBPVP8 ", "image/webp"),
        (b"\x00\x00\x00\x1cftypavif\x00\x00\x00\x00", "image/avif"),
        (b"\x00\x00\x00\x1cftypheic\x00\x00\x00\x00", "image/heic"),
        (b"\x00\x00\x00\x1cftypmif1\x00\x00\x00\x00mif1avif", "image/avif"),
        (b"II*\x00", "image/tiff"),
        (b"<html>", "application/octet-stream"),
        (b"", "application/octet-stream"),
    ],
)
def test_media_types_are_told_by_the_first_bytes(data: bytes, name: str) -> None:
    assert media_type(data) == name
