"""Products and images of the indexer, over both stores."""

import hashlib
import struct

import numpy as np
import pytest
from google.rpc import status_pb2

from lookalike.indexer.v1 import indexer_pb2
from lookalike.type.v1 import product_pb2
from servicekit.errors import FailedPrecondition, InvalidArgument, NotFound, Unavailable
from servicekit.status import from_status
from tests.contract.indexer_under_test import (
    FULL,
    LOWER,
    PIPELINE,
    SPACE,
    UNION,
    UPPER,
    IndexerUnderTest,
    indexer_config,
    like,
    near,
    only,
    record,
    sha,
    under_test,
    unit,
    where,
)
from tests.fixtures.mongod import mongodb_uri

__all__ = ["indexer_config", "mongodb_uri", "under_test"]


async def get(tested: IndexerUnderTest, product_id: str, **fields: object) -> product_pb2.Product:
    request = indexer_pb2.GetProductRequest(product_id=product_id, **fields)  # type: ignore[arg-type]
    response = await tested.stub.GetProduct(request, timeout=10)
    return response.product


async def test_a_product_comes_back_as_it_was_stored(under_test: IndexerUnderTest) -> None:
    failure = product_pb2.ImageFailure(
        image_index=1,
        label="broken.jpg",
        stage=product_pb2.INGEST_STAGE_DECODE,
        status=status_pb2.Status(code=3, message="truncated"),
    )
    given = record(
        "a/1 ü",
        [{UPPER: unit(1), UNION: unit(1, 1)}, {UPPER: unit(1, 0, 1)}],
        name="A hoodie",
        failures=[failure],
        category="Hoodies",
        colour=["Blue", "white"],
        price=12.5,
        sale=True,
        nothing="",
        nobody=None,
        none=[],
        **{"a.b$c": "kept"},
    )
    given.product.images[0].uri = "https://shop.example/1.jpg"
    given.product.images[1].whole_image_fallback = True
    version = await under_test.upsert(given)
    found = await get(under_test, "a/1 ü", min_index_version=version)
    assert found.name == "A hoodie"
    assert dict(found.attributes) == {
        "category": "Hoodies",
        "colour": ["Blue", "white"],
        "price": 12.5,
        "sale": True,
        "a.b$c": "kept",
    }
    assert found.own_garment == UPPER
    assert found.pipeline_version == PIPELINE
    assert list(found.image_failures) == [failure]
    assert found.create_time == found.update_time
    assert found.create_time.seconds > 1_700_000_000
    assert not found.HasField("embedding")
    for image, sent in zip(found.images, given.product.images, strict=True):
        assert not image.embeddings
        del sent.embeddings[:]
        assert image == sent


async def test_vectors_come_only_when_asked_for(under_test: IndexerUnderTest) -> None:
    given = record("a", [{UPPER: unit(1), UNION: unit(1, 1)}, {UPPER: unit(1, 0, 1)}])
    await under_test.upsert(given)
    found = await get(under_test, "a", view=product_pb2.PRODUCT_VIEW_VECTORS)
    assert [image.embeddings for image in found.images] == [
        image.embeddings for image in given.product.images
    ]
    own = np.frombuffer(found.embedding.values_f32, "<f4")
    mean = unit(1).astype(np.float64) + unit(1, 0, 1)
    np.testing.assert_allclose(own, mean / np.linalg.norm(mean), atol=1e-6)


async def test_an_update_replaces_the_whole_product(under_test: IndexerUnderTest) -> None:
    await under_test.upsert(record("a", unit(1), name="old", colour="red", size="M"))
    before = await get(under_test, "a")
    version = await under_test.upsert(record("a", unit(0, 1), name="new", colour="blue"))
    found = await get(under_test, "a", min_index_version=version)
    assert found.name == "new"
    assert dict(found.attributes) == {"colour": "blue"}
    assert found.create_time == before.create_time
    assert found.update_time.ToNanoseconds() >= before.update_time.ToNanoseconds()
    response = await under_test.search(near(unit(0, 1)))
    assert [result.score for result in response.results] == [pytest.approx(1.0)]
    assert response.candidate_count == 1


async def test_of_several_with_one_identifier_the_last_wins(under_test: IndexerUnderTest) -> None:
    await under_test.upsert(
        record("a", unit(1), name="first"),
        record("b", unit(1)),
        record("a", unit(1), name="last"),
    )
    assert (await get(under_test, "a")).name == "last"


async def test_a_product_without_images_can_be_listed_and_not_found_by_looks(
    under_test: IndexerUnderTest,
) -> None:
    await under_test.upsert(record("bare", [], name="no photograph yet"), record("a", unit(1)))
    assert (await get(under_test, "bare")).name == "no photograph yet"
    assert (await under_test.search(near(unit(1)))).candidate_count == 1
    with pytest.raises(NotFound) as error:
        await under_test.search(like("bare"))
    assert error.value.reason == "GARMENT_NOT_FOUND"


async def test_one_bad_product_fails_alone(under_test: IndexerUnderTest) -> None:
    long_name = record("long", unit(1), name="x" * 1025)
    nested = record("nested", unit(1))
    nested.product.attributes.update({"a": {"b": 1}})
    off_length = record("off", unit(1))
    off_length.product.images[0].embeddings[0].embedding.values_f32 = struct.pack("<8f", *[1] * 8)
    poisoned = record("nan", unit(1))
    poisoned.product.images[0].embeddings[0].embedding.values_f32 = struct.pack(
        "<8f", *[float("nan")] * 8
    )
    twice = record("twice", unit(1))
    twice.product.images[0].embeddings.append(twice.product.images[0].embeddings[0])
    no_garment = record("none", unit(1))
    no_garment.product.images[0].embeddings[0].garment = 0  # type: ignore[assignment]
    wrong_size = record("size", unit(1))
    wrong_size.dimension = 9
    bad_digest = record("digest", unit(1))
    bad_digest.product.images[0].sha256 = "A" * 64
    bad = [
        record("", unit(1)),
        record("x" * 257, unit(1)),
        record("tab\tbed", unit(1)),
        long_name,
        nested,
        off_length,
        poisoned,
        twice,
        no_garment,
        wrong_size,
        bad_digest,
        record("big", unit(1), blob="x" * 70_000),
        record("many", unit(1), **{f"k{index}": 1 for index in range(65)}),
        record("infinite", unit(1), price=float("inf")),
    ]
    request = indexer_pb2.UpsertProductsRequest(
        products=[record("first", unit(1)), *bad, record("last", unit(1))]
    )
    response = await under_test.stub.UpsertProducts(request)
    problems = [from_status(status) for status in response.statuses[1:-1]]
    assert [status.code for status in response.statuses] == [0, *[3] * len(bad), 0]
    assert {problem.reason for problem in problems} == {"FIELD_INVALID"}
    assert problems[3].field == "products[4].product.name"
    listed = await under_test.stub.ListProducts(
        indexer_pb2.ListProductsRequest(min_index_version=response.index_version)
    )
    assert [product.product_id for product in listed.products] == ["first", "last"]


async def test_a_vector_that_is_nearly_of_length_one_is_put_right(
    under_test: IndexerUnderTest,
) -> None:
    await under_test.upsert(record("a", (unit(1, 1) * np.float32(1.0005)).astype(np.float32)))
    found = await get(under_test, "a", view=product_pb2.PRODUCT_VIEW_VECTORS)
    own = np.frombuffer(found.embedding.values_f32, "<f4")
    assert np.linalg.norm(own) == pytest.approx(1.0, abs=1e-6)


async def test_vectors_of_another_model_are_refused(under_test: IndexerUnderTest) -> None:
    await under_test.upsert(record("a", unit(1)))
    foreign = record("b", unit(1), space="space/2")
    shorter = record("c", np.array([1, 0], np.float32))
    response = await under_test.stub.UpsertProducts(
        indexer_pb2.UpsertProductsRequest(products=[foreign, shorter, record("d", unit(1))])
    )
    reasons = [from_status(status).reason for status in response.statuses[:2]]
    assert reasons == ["EMBEDDING_VERSION_MISMATCH", "DIMENSION_MISMATCH"]
    assert [status.code for status in response.statuses] == [9, 9, 0]
    info = await under_test.stub.GetIndexInfo(indexer_pb2.GetIndexInfoRequest())
    assert (info.embedding_version, info.dimension) == (SPACE, 8)


async def test_an_emptied_index_takes_a_new_space(under_test: IndexerUnderTest) -> None:
    await under_test.upsert(record("a", unit(1)), record("b", unit(0, 1)))
    request = indexer_pb2.DeleteProductsRequest(product_ids=["b", "x", "a", "b"])
    deleted = await under_test.stub.DeleteProducts(request)
    assert list(deleted.deleted_product_ids) == ["b", "a"]
    assert list(deleted.unknown_product_ids) == ["x"]
    other = np.zeros(3, np.float32)
    other[0] = 1
    version = await under_test.upsert(record("c", other, space="space/2"))
    assert version > deleted.index_version
    response = await under_test.search(near(other), embedding_version="space/2")
    assert [result.product.product_id for result in response.results] == ["c"]
    info = await under_test.stub.GetIndexInfo(indexer_pb2.GetIndexInfoRequest())
    assert (info.embedding_version, info.dimension) == ("space/2", 3)


async def test_deleted_products_are_gone_from_everywhere(under_test: IndexerUnderTest) -> None:
    await under_test.upsert(*(record(name, unit(1), colour=name) for name in "abc"))
    gone = await under_test.stub.DeleteProducts(
        indexer_pb2.DeleteProductsRequest(product_ids=["b"])
    )
    assert [r.product.product_id for r in (await under_test.search(near(unit(1)))).results] == [
        "a",
        "c",
    ]
    with pytest.raises(NotFound) as error:
        await get(under_test, "b", min_index_version=gone.index_version)
    assert error.value.reason == "PRODUCT_NOT_FOUND"
    facets = await under_test.stub.ListFacets(indexer_pb2.ListFacetsRequest(fields=["colour"]))
    assert [value.value.string_value for value in facets.facets[0].values] == ["a", "c"]


async def test_pages_hold_every_product_once_in_order(under_test: IndexerUnderTest) -> None:
    names = [f"p{number:02}" for number in range(25)]
    version = await under_test.upsert(*(record(name, unit(1)) for name in reversed(names)))
    found, token = [], ""
    while True:
        page = await under_test.stub.ListProducts(
            indexer_pb2.ListProductsRequest(
                page_size=10, page_token=token, min_index_version=version
            )
        )
        assert page.total_size == 25
        found += [product.product_id for product in page.products]
        token = page.next_page_token
        if not token:
            break
    assert found == names


async def test_pages_follow_the_filter(under_test: IndexerUnderTest) -> None:
    version = await under_test.upsert(
        *(
            record(f"p{number:02}", unit(1), colour="Blue" if number % 3 else "red")
            for number in range(20)
        )
    )
    chosen = only(where("colour", " RED"))
    request = indexer_pb2.ListProductsRequest(page_size=4, filter=chosen, min_index_version=version)
    first = await under_test.stub.ListProducts(request)
    request.page_token = first.next_page_token
    second = await under_test.stub.ListProducts(request)
    ids = [product.product_id for product in (*first.products, *second.products)]
    assert ids == ["p00", "p03", "p06", "p09", "p12", "p15", "p18"]
    assert (first.total_size, second.next_page_token) == (7, "")


async def test_foreign_page_tokens_and_negative_sizes_are_refused(
    under_test: IndexerUnderTest,
) -> None:
    await under_test.upsert(*(record(name, unit(1)) for name in "abc"))
    listing = under_test.stub.ListProducts
    first = await listing(indexer_pb2.ListProductsRequest(page_size=1))
    for request in (
        indexer_pb2.ListProductsRequest(page_token="nonsense"),
        indexer_pb2.ListProductsRequest(page_token="é"),
        indexer_pb2.ListProductsRequest(
            page_token=first.next_page_token, filter=only(where("colour", "red"))
        ),
    ):
        with pytest.raises(InvalidArgument) as error:
            await listing(request)
        assert error.value.reason == "PAGE_TOKEN_INVALID"
    with pytest.raises(InvalidArgument) as error:
        await listing(indexer_pb2.ListProductsRequest(page_size=-1))
    assert (error.value.reason, error.value.field) == ("FIELD_INVALID", "page_size")
    assert len((await listing(indexer_pb2.ListProductsRequest(page_size=5000))).products) == 3


async def test_a_read_waits_for_the_version_it_names(under_test: IndexerUnderTest) -> None:
    version = await under_test.upsert(record("a", unit(1)))
    with pytest.raises(Unavailable) as error:
        await under_test.stub.GetProduct(
            indexer_pb2.GetProductRequest(product_id="a", min_index_version=version + 5),
            timeout=0.5,
        )
    assert error.value.reason == "INDEX_BEHIND"
    for number in range(5):
        version = await under_test.upsert(record(f"b{number}", unit(1)))
        request = indexer_pb2.SearchProductsRequest(
            parts=[near(unit(1))], top_k=10, embedding_version=SPACE, min_index_version=version
        )
        response = await under_test.stub.SearchProducts(request, timeout=10)
        assert len(response.results) == number + 2
        assert response.index_version >= version


async def test_images_are_kept_by_content(under_test: IndexerUnderTest) -> None:
    data = bytes(range(256)) * 9000  # more than one chunk of GridFS
    blob = indexer_pb2.Blob(
        sha256=hashlib.sha256(data).hexdigest(), data=data, media_type="image/png"
    )
    for _ in range(2):
        await under_test.stub.PutImages(indexer_pb2.PutImagesRequest(images=[blob, blob]))
    request = indexer_pb2.GetImageRequest(sha256=blob.sha256)
    assert (await under_test.stub.GetImage(request)).image == blob
    await under_test.restart()
    assert (await under_test.stub.GetImage(request)).image == blob


async def test_images_that_are_not_what_they_say_are_refused(
    under_test: IndexerUnderTest,
) -> None:
    good = indexer_pb2.Blob(sha256=hashlib.sha256(b"x").hexdigest(), data=b"x")
    for blob, reason in (
        (indexer_pb2.Blob(sha256=good.sha256, data=b"y"), "IMAGE_DIGEST_MISMATCH"),
        (indexer_pb2.Blob(sha256=good.sha256), "IMAGE_EMPTY"),
        (indexer_pb2.Blob(sha256="../" + "a" * 61, data=b"y"), "FIELD_INVALID"),
    ):
        with pytest.raises(InvalidArgument) as error:
            await under_test.stub.PutImages(indexer_pb2.PutImagesRequest(images=[good, blob]))
        assert error.value.reason == reason
    with pytest.raises(NotFound) as missing:
        await under_test.stub.GetImage(indexer_pb2.GetImageRequest(sha256=sha("unknown")))
    assert missing.value.reason == "IMAGE_NOT_FOUND"
    with pytest.raises(InvalidArgument):
        await under_test.stub.GetImage(indexer_pb2.GetImageRequest(sha256="../../etc/passwd"))


async def put(tested: IndexerUnderTest, data: bytes) -> str:
    digest = hashlib.sha256(data).hexdigest()
    blob = indexer_pb2.Blob(sha256=digest, data=data, media_type="image/jpeg")
    await tested.stub.PutImages(indexer_pb2.PutImagesRequest(images=[blob]))
    return digest


def with_image(product_id: str, digest: str) -> indexer_pb2.ProductRecord:
    made = record(product_id, unit(1))
    made.product.images[0].sha256 = digest
    return made


async def is_there(tested: IndexerUnderTest, digest: str) -> bool:
    try:
        await tested.stub.GetImage(indexer_pb2.GetImageRequest(sha256=digest))
    except NotFound:
        return False
    return True


async def test_an_image_goes_with_the_last_product_that_has_it(
    under_test: IndexerUnderTest,
) -> None:
    shared, single = await put(under_test, b"shared"), await put(under_test, b"single")
    await under_test.upsert(
        with_image("a", shared), with_image("b", shared), with_image("c", single)
    )
    delete = under_test.stub.DeleteProducts
    await delete(indexer_pb2.DeleteProductsRequest(product_ids=["a", "c"]))
    assert (await is_there(under_test, shared), await is_there(under_test, single)) == (True, False)
    # An update that no longer has the image counts as well.
    await under_test.upsert(with_image("b", sha("another")))
    assert not await is_there(under_test, shared)


async def test_sweeping_spares_images_that_are_needed_or_new(
    under_test: IndexerUnderTest,
) -> None:
    kept, gone = await put(under_test, b"kept"), await put(under_test, b"gone")
    back, waiting = await put(under_test, b"back"), await put(under_test, b"waiting")
    await under_test.upsert(with_image("a", kept), with_image("b", gone), with_image("c", back))
    await under_test.stub.DeleteProducts(indexer_pb2.DeleteProductsRequest(product_ids=["b", "c"]))
    assert await under_test.indexer.store.sweep_images(3600) == 0
    # A product that is committed between deletion and sweep finds its image again.
    await under_test.upsert(with_image("d", back))
    assert await is_there(under_test, back)
    assert await under_test.indexer.store.sweep_images(-1) == 2
    assert [await is_there(under_test, one) for one in (kept, gone, back, waiting)] == [
        True,
        False,
        True,
        False,
    ]
    assert await put(under_test, b"gone") == gone
    assert await is_there(under_test, gone)


async def test_what_is_known_is_told(under_test: IndexerUnderTest) -> None:
    status = status_pb2.Status(code=3, message="broken")
    broken = product_pb2.ImageFailure(image_index=1, label="x", status=status)
    passing = product_pb2.ImageFailure(image_index=1, label="x", status=status, retryable=True)
    same = record("same", [{UPPER: unit(1), UNION: unit(1, 1)}], digest="d1", failures=[broken])
    retryable = record("retryable", [{FULL: unit(0, 1)}], digest="d2", failures=[passing])
    other = record("other", [{LOWER: unit(1)}], digest="d3", pipeline="pipeline/2")
    await under_test.upsert(same, retryable, other, record("changed", unit(1), digest="d4"))
    keys = [("same", "d1"), ("retryable", "d2"), ("other", "d3"), ("changed", "d5"), ("new", "d")]
    response = await under_test.stub.LookUpKnown(
        indexer_pb2.LookUpKnownRequest(
            products=[
                indexer_pb2.KnownProductKey(product_id=name, content_digest=digest)
                for name, digest in keys
            ],
            image_sha256s=[sha("same 0"), sha("retryable 0"), sha("other 0"), sha("new 0")],
            pipeline_version=PIPELINE,
        )
    )
    [known] = response.unchanged_products
    assert (known.product_id, list(known.image_failures)) == ("same", [broken])
    images = {image.sha256: image for image in response.images}
    assert images == {
        sha("same 0"): same.product.images[0],
        sha("retryable 0"): retryable.product.images[0],
    }


async def test_a_photograph_that_many_products_share_is_told_once(
    under_test: IndexerUnderTest,
) -> None:
    placeholder = record("placeholder", [{UNION: unit(1)}]).product.images[0]
    bare = record("bare", [{}], name="no vectors")
    bare.product.images[0].sha256 = placeholder.sha256
    sharing = [record(f"p{number:03}", [{UNION: unit(1)}]) for number in range(50)]
    for one in sharing:
        one.product.images.add().CopyFrom(placeholder)
    await under_test.upsert(bare, *sharing)
    response = await under_test.stub.LookUpKnown(
        indexer_pb2.LookUpKnownRequest(
            image_sha256s=[placeholder.sha256, sha("p007 0"), placeholder.sha256],
            pipeline_version=PIPELINE,
        )
    )
    assert sorted(image.sha256 for image in response.images) == sorted(
        [placeholder.sha256, sha("p007 0")]
    )
    assert placeholder in response.images


async def test_sizes_of_requests_are_checked(under_test: IndexerUnderTest) -> None:
    stub = under_test.stub
    for call in (
        stub.UpsertProducts(indexer_pb2.UpsertProductsRequest()),
        stub.UpsertProducts(
            indexer_pb2.UpsertProductsRequest(products=[record("a", unit(1))] * 1001)
        ),
        stub.DeleteProducts(indexer_pb2.DeleteProductsRequest()),
        stub.GetProduct(indexer_pb2.GetProductRequest()),
        stub.GetProduct(indexer_pb2.GetProductRequest(product_id="a", view=9)),  # type: ignore[arg-type]
        stub.PutImages(indexer_pb2.PutImagesRequest()),
        stub.LookUpKnown(indexer_pb2.LookUpKnownRequest(image_sha256s=["zz"])),
        stub.ListFacets(indexer_pb2.ListFacetsRequest(max_values=1001)),
    ):
        with pytest.raises(InvalidArgument) as error:
            await call
        assert error.value.reason == "FIELD_INVALID"


async def test_a_restart_keeps_everything(under_test: IndexerUnderTest) -> None:
    records = [
        record(
            f"p{number:03}",
            [{UPPER: unit(1, number / 50), UNION: unit(1, 1, number / 50)}, {UNION: unit(0, 1)}],
            category="Tees" if number % 2 else "Hats",
            colour=["Red", "blue"][number % 2],
        )
        for number in range(120)
    ]
    await under_test.upsert(*records)
    await under_test.stub.DeleteProducts(
        indexer_pb2.DeleteProductsRequest(product_ids=["p000", "p077"])
    )

    async def everything() -> list[object]:
        stub = under_test.stub
        return [
            await under_test.search(near(unit(1, 1)), top_k=500),
            await under_test.search(near(unit(1, 1)), top_k=7, garment=UPPER),
            await stub.ListFacets(indexer_pb2.ListFacetsRequest()),
            await stub.ListProducts(
                indexer_pb2.ListProductsRequest(view=product_pb2.PRODUCT_VIEW_VECTORS)
            ),
            (await stub.GetIndexInfo(indexer_pb2.GetIndexInfoRequest())).index_version,
        ]

    before = await everything()
    await under_test.restart()
    assert await everything() == before


async def test_foreign_errors_are_typed(under_test: IndexerUnderTest) -> None:
    await under_test.upsert(record("a", unit(1)))
    with pytest.raises(FailedPrecondition) as error:
        await under_test.search(near(unit(1)), embedding_version="space/2")
    assert error.value.metadata == {"expected": SPACE, "given": "space/2"}
