"""Messages in which two bytes make a value: what is too much is refused before it is looked at."""

import pytest
from google.protobuf import struct_pb2

from lookalike.gateway.v1 import ingest_pb2, search_pb2
from servicekit.errors import InvalidArgument
from services.gateway.attributes import MAX_SENT_BYTES
from services.gateway.batch_ingest import MAX_PRODUCTS
from services.gateway.incoming import MAX_IMAGES, check
from services.gateway.query import MAX_PARTS
from services.gateway.wire import ingest, search

_EMPTY_VALUE = b"\x0a\x00"


async def refused(sent: ingest_pb2.IngestProduct) -> str | None:
    with pytest.raises(InvalidArgument) as caught:
        await check(ingest.product(sent))
    assert caught.value.reason == "FIELD_INVALID"
    return caught.value.field


async def test_attributes_of_a_million_nulls_are_not_turned_into_python() -> None:
    sent = ingest_pb2.IngestProduct(product_id="p", images=[ingest_pb2.IngestImage(data=b"x")])
    nulls = struct_pb2.ListValue.FromString(_EMPTY_VALUE * (MAX_SENT_BYTES // 2))
    sent.attributes.fields["nulls"].list_value.CopyFrom(nulls)
    assert ingest.product(sent).attributes is None
    assert await refused(sent) == "product.attributes"


async def test_one_image_too_many_is_enough_and_all_bytes_count_as_credit() -> None:
    images = [ingest_pb2.IngestImage(data=b"xyz")] * (MAX_IMAGES + 20)
    sent = ingest_pb2.IngestProduct(product_id="p", images=images)
    parsed = ingest.product(sent)
    assert len(parsed.images) == MAX_IMAGES + 1
    assert parsed.size_bytes == 3 * len(images)
    assert await refused(sent) == "product.images"


def test_one_product_or_part_too_many_is_enough() -> None:
    products = [ingest_pb2.IngestProduct()] * (MAX_PRODUCTS + 20)
    batch = ingest.batch(ingest_pb2.IngestBatchRequest(products=products))
    assert len(batch) == MAX_PRODUCTS + 1
    parts = [search_pb2.SearchPart(text="blue")] * (MAX_PARTS + 20)
    question = search.search(search_pb2.SearchProductsRequest(parts=parts))
    assert len(question.parts) == MAX_PARTS + 1
