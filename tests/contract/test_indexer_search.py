"""Searching and counting in the indexer, over both stores."""

import asyncio

import numpy as np
import pytest
from grpc_health.v1 import health_pb2

from lookalike.indexer.v1 import indexer_pb2
from lookalike.type.v1 import distance_pb2, filter_pb2
from servicekit.errors import FailedPrecondition, InvalidArgument, NotFound
from services.indexer.servicer import FULL_SERVICE_NAME
from tests.contract.indexer_under_test import (
    LOWER,
    SPACE,
    UNION,
    UPPER,
    IndexerUnderTest,
    ids_of,
    indexer_config,
    like,
    near,
    only,
    record,
    under_test,
    unit,
    where,
)
from tests.fixtures.mongod import mongodb_uri

__all__ = ["indexer_config", "mongodb_uri", "under_test"]


async def test_the_nearest_come_first_with_their_cosine(under_test: IndexerUnderTest) -> None:
    await under_test.upsert(
        record("far", unit(-1)), record("near", unit(1, 0.1)), record("middle", unit(1, 1))
    )
    response = await under_test.search(near(unit(1)))
    assert ids_of(response) == ["near", "middle", "far"]
    assert [result.score for result in response.results] == [
        pytest.approx(float(unit(1) @ vector), abs=1e-6)
        for vector in (unit(1, 0.1), unit(1, 1), unit(-1))
    ]
    assert response.candidate_count == 3


async def test_equal_scores_are_in_order_of_identifier_on_every_page(
    under_test: IndexerUnderTest,
) -> None:
    names = [f"p{number:03}" for number in range(60)]
    await under_test.upsert(*(record(name, unit(1, 2, 3)) for name in reversed(names)))
    found = []
    for offset in range(0, 60, 7):
        response = await under_test.search(near(unit(3, 2, 1)), top_k=7, offset=offset)
        found += ids_of(response)
    assert found == names


async def test_a_mix_of_parts_is_their_weighted_sum(under_test: IndexerUnderTest) -> None:
    await under_test.upsert(
        record("x", unit(1)),
        record("y", unit(0, 1)),
        record("xy", unit(1, 1)),
        record("not y", unit(1, -1)),
    )
    both = await under_test.search(near(unit(1), 0.5), near(unit(0, 1), 0.5))
    assert ids_of(both)[0] == "xy"
    without = await under_test.search(near(unit(1)), near(unit(0, 1), -1.0))
    assert ids_of(without)[0] == "not y"
    assert without.results[0].score == pytest.approx(1.0, abs=1e-6)


@pytest.mark.parametrize(
    ("metric", "order"),
    [(distance_pb2.DISTANCE_METRIC_L2, 2), (distance_pb2.DISTANCE_METRIC_L1, 1)],
)
async def test_distances_are_exact_behind_filters_and_for_mixed_queries(
    under_test: IndexerUnderTest, metric: distance_pb2.DistanceMetric.ValueType, order: int
) -> None:
    rng = np.random.default_rng(7)
    rows = {f"p{number:03}": unit(*rng.standard_normal(8)) for number in range(120)}
    await under_test.upsert(
        *(record(name, vector, half=str(int(name[1:]) % 2)) for name, vector in rows.items())
    )
    first, second, away = (unit(*rng.standard_normal(8)) for _ in range(3))
    response = await under_test.search(
        near(first), near(second, 0.5), near(away, -0.7), like("p001", 0.3),
        metric=metric, filter=only(where("half", "1")), top_k=40,
    )  # fmt: skip
    mixed = first + 0.5 * second - 0.7 * away + 0.3 * rows["p001"]
    query = mixed.astype(np.float64) / np.linalg.norm(mixed)
    wanted = sorted(
        (float(np.linalg.norm(vector - query, ord=order)), name)
        for name, vector in rows.items()
        if int(name[1:]) % 2 and name != "p001"
    )[:40]
    assert ids_of(response) == [name for _, name in wanted]
    for result, (distance, name) in zip(response.results, wanted, strict=True):
        assert result.distance == pytest.approx(distance, abs=1e-5)
        assert result.score == pytest.approx(1 / (1 + distance), abs=1e-5)
        assert result.cosine == pytest.approx(float(rows[name] @ query), abs=1e-5)
        assert list(result.part_cosines) == [
            pytest.approx(float(rows[name] @ part), abs=1e-5)
            for part in (first, second, away, rows["p001"])
        ]
        assert result.best_image_score == pytest.approx(result.score, abs=1e-5)


async def test_the_usual_cosine_of_each_part_is_told(under_test: IndexerUnderTest) -> None:
    await under_test.upsert(record("x", unit(1)), record("y", unit(0, 1)))
    response = await under_test.search(near(unit(1)), near(unit(-1, 1), 0.5))
    assert list(response.usual_cosines) == [pytest.approx(0.5), pytest.approx(0.0, abs=1e-6)]
    assert response.usual_count == 2
    [result, _] = response.results
    assert not result.HasField("distance")
    assert result.cosine == result.score


async def test_an_unknown_metric_is_refused(under_test: IndexerUnderTest) -> None:
    await under_test.upsert(record("x", unit(1)))
    with pytest.raises(InvalidArgument) as caught:
        await under_test.search(near(unit(1)), metric=distance_pb2.DistanceMetric.ValueType(9))
    assert caught.value.field == "metric"


async def test_a_product_is_never_its_own_neighbour(under_test: IndexerUnderTest) -> None:
    await under_test.upsert(*(record(name, unit(1)) for name in "abcd"))
    response = await under_test.search(like("b"), embedding_version="")
    assert ids_of(response) == ["a", "c", "d"]
    # Somebody who wants to be away from a product may still be shown it.
    away = await under_test.search(near(unit(1), 2.0), like("b", -1.0))
    assert ids_of(away) == ["a", "b", "c", "d"]
    excluded = await under_test.search(near(unit(1)), excluded_product_ids=["a", "d", "nobody"])
    assert ids_of(excluded) == ["b", "c"]
    assert excluded.candidate_count == 2


async def test_only_products_with_the_garment_take_part(under_test: IndexerUnderTest) -> None:
    await under_test.upsert(
        record("outfit", [{UPPER: unit(0, 1), LOWER: unit(1), UNION: unit(1, 1)}]),
        record("skirt", [{LOWER: unit(1, 0.5), UNION: unit(1, 0.5)}], category="Skirts"),
        record("shirt", [{UPPER: unit(1), UNION: unit(1)}], category="Shirts"),
    )
    response = await under_test.search(near(unit(1)), garment=LOWER)
    assert ids_of(response) == ["outfit", "skirt"]
    assert response.candidate_count == 2
    assert response.results[0].best_garment == LOWER
    # Liking the outfit's trousers, not its own vector, which is that of everything.
    response = await under_test.search(like("outfit"), garment=LOWER)
    assert ids_of(response) == ["skirt"]
    assert response.results[0].score == pytest.approx(float(unit(1) @ unit(1, 0.5)), abs=1e-6)


async def test_the_best_image_and_garment_are_told(under_test: IndexerUnderTest) -> None:
    await under_test.upsert(
        record(
            "a",
            [
                {UPPER: unit(1), UNION: unit(1, 1)},
                {UPPER: unit(1, 0, 0.2), LOWER: unit(0, 0, 1), UNION: unit(1, 1, 1)},
            ],
            category="Shirts",
        )
    )
    [result] = (await under_test.search(near(unit(0, 0.1, 1)))).results
    assert (result.best_image_index, result.best_garment) == (1, LOWER)
    assert result.best_image_score == pytest.approx(
        float(unit(0, 0, 1) @ unit(0, 0.1, 1)), abs=1e-6
    )
    assert not result.product.images[0].embeddings
    [result] = (await under_test.search(near(unit(0, 0.1, 1)), garment=UPPER)).results
    assert (result.best_image_index, result.best_garment) == (1, UPPER)


async def test_filters_come_before_the_ranking(under_test: IndexerUnderTest) -> None:
    rng = np.random.default_rng(5)
    vectors = rng.standard_normal((300, 8)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    await under_test.upsert(
        *(
            record(f"p{number:03}", vector, colour="Teal" if number % 20 == 3 else "red")
            for number, vector in enumerate(vectors)
        )
    )
    query = unit(1, -2, 3)
    teal = np.arange(3, 300, 20)
    best = teal[np.argsort(-(vectors[teal].astype(np.float64) @ query))][:10]
    response = await under_test.search(near(query), filter=only(where("colour", "teal ")))
    assert ids_of(response) == [f"p{number:03}" for number in best]
    assert response.candidate_count == 15


async def test_conditions_of_every_kind_hold(under_test: IndexerUnderTest) -> None:
    await under_test.upsert(
        record("a", unit(1), colour=["Red", "White"], price=10, sale=True, name="One"),
        record("b", unit(1), colour="blue", price=20, sale=False, name="Two"),
        record("c", unit(1), price="20", name="one "),
        record("d", unit(1), colour="Blue", price=[5, 30]),
    )

    def at(low: float | None, high: float | None) -> filter_pb2.Condition:
        bounds = filter_pb2.NumberRange(minimum=low, maximum=high)
        return filter_pb2.Condition(field="price", range=bounds)

    for condition, expected in (
        (where("colour", "white", "BLUE"), "abd"),
        (where("colour", "blue", none_of=True), "ac"),
        (where("colour", "white", none_of=True), "bcd"),
        (where("price", 20), "b"),
        (where("price", "20"), "c"),
        (where("sale", True), "a"),
        (where("price", 1), ""),
        (at(10, 20), "ab"),
        (at(None, 9.9), "d"),
        (at(25, None), "d"),
        (filter_pb2.Condition(field="sale", exists=True), "ab"),
        (filter_pb2.Condition(field="colour", exists=False), "c"),
        (where("name", "ONE"), "ac"),
        (where("product_id", "B", "d"), "bd"),
        (where("nowhere", "x"), ""),
        (where("nowhere", "x", none_of=True), "abcd"),
        (filter_pb2.Condition(field="nowhere", exists=False), "abcd"),
    ):
        response = await under_test.search(near(unit(1)), filter=only(condition))
        assert "".join(ids_of(response)) == expected, condition
    both = only(where("colour", "blue"), at(25, None))
    assert ids_of(await under_test.search(near(unit(1)), filter=both)) == ["d"]


async def test_bad_filters_are_refused(under_test: IndexerUnderTest) -> None:
    await under_test.upsert(record("a", unit(1)))
    null, empty = where("a"), where("a")
    null.any_of.values.add().null_value = 0  # type: ignore[assignment]
    empty.any_of.SetInParent()
    for condition, reason in (
        (filter_pb2.Condition(field="a"), "FILTER_INVALID"),
        (where("", "x"), "FILTER_INVALID"),
        (null, "FILTER_INVALID"),
        (empty, "FIELD_INVALID"),
        (where("a", *map(str, range(257))), "FIELD_INVALID"),
    ):
        with pytest.raises(InvalidArgument) as error:
            await under_test.search(near(unit(1)), filter=only(condition))
        assert error.value.reason == reason
    with pytest.raises(InvalidArgument) as error:
        await under_test.search(near(unit(1)), filter=only(*[where("a", "x")] * 33))
    assert error.value.reason == "FIELD_INVALID"


async def test_bad_searches_are_refused(under_test: IndexerUnderTest) -> None:
    await under_test.upsert(record("a", unit(1)))
    for parts, fields in (
        ([], {}),
        ([near(unit(1))] * 17, {}),
        ([near(unit(1), 0.0)], {}),
        ([near(unit(1), float("nan"))], {}),
        ([indexer_pb2.QueryPart(weight=1)], {}),
        ([near(np.array([2.0, 0, 0, 0, 0, 0, 0, 0]))], {}),
        ([near(unit(1)), near(unit(1), -1)], {}),
        ([near(unit(1))], {"top_k": 0}),
        ([near(unit(1))], {"top_k": -1}),
        ([near(unit(1))], {"top_k": 10_001}),
        ([near(unit(1))], {"offset": -1}),
        ([near(unit(1))], {"garment": 9}),
        ([near(unit(1))], {"embedding_version": ""}),
        ([near(unit(1))], {"min_index_version": -1}),
    ):
        with pytest.raises(InvalidArgument) as error:
            await under_test.search(*parts, **fields)
        assert error.value.reason == "FIELD_INVALID", (parts, fields)
    with pytest.raises(NotFound) as missing:
        await under_test.search(like("nobody"))
    assert missing.value.reason == "PRODUCT_NOT_FOUND"


async def test_queries_of_another_space_are_refused(under_test: IndexerUnderTest) -> None:
    await under_test.upsert(record("a", unit(1)))
    for vector, space, reason in (
        (unit(1), "space/2", "EMBEDDING_VERSION_MISMATCH"),
        (np.array([1.0, 0.0]), SPACE, "DIMENSION_MISMATCH"),
    ):
        with pytest.raises(FailedPrecondition) as error:
            await under_test.search(near(vector), embedding_version=space)
        assert error.value.reason == reason


async def test_an_empty_index_finds_nothing(under_test: IndexerUnderTest) -> None:
    response = await under_test.search(near(unit(1)))
    assert (ids_of(response), response.candidate_count) == ([], 0)
    facets = await under_test.stub.ListFacets(indexer_pb2.ListFacetsRequest())
    assert (list(facets.facets), facets.product_count) == ([], 0)
    info = await under_test.stub.GetIndexInfo(indexer_pb2.GetIndexInfoRequest())
    assert (info.product_count, info.embedding_version, info.dimension) == (0, "", 0)


async def test_facets_follow_the_conditions_on_other_fields(under_test: IndexerUnderTest) -> None:
    await under_test.upsert(
        record("a", unit(1), colour="red", type="skirt", sku="1"),
        record("b", unit(1), colour="Red", type="skirt", sku="2"),
        record("c", unit(1), colour="Red ", type="shirt", sku="3"),
        record("d", unit(1), colour=["blue", "Red"], type="shirt", sku="4"),
        record("e", unit(1), colour="green", sale=True, size=38),
        record("f", unit(1), colour="green", sale=True, size=38.0),
    )
    request = indexer_pb2.ListFacetsRequest(
        min_index_version=await under_test.newest_version(),
        filter=only(where("colour", "red")),
    )
    response = await under_test.stub.ListFacets(request)
    facets = {
        facet.field: [(value.value, value.product_count) for value in facet.values]
        for facet in response.facets
    }
    assert [facet.field for facet in response.facets] == ["colour", "sale", "size", "type"]
    colours = [(value.string_value, count) for value, count in facets["colour"]]
    assert colours == [("Red", 4), ("green", 2), ("blue", 1)]
    assert [(value.string_value, count) for value, count in facets["type"]] == [
        ("shirt", 2),
        ("skirt", 2),
    ]
    assert facets["sale"] == facets["size"] == []
    assert response.product_count == 4
    request = indexer_pb2.ListFacetsRequest(fields=["sku", "colour", "nowhere"], max_values=2)
    response = await under_test.stub.ListFacets(request)
    assert [facet.field for facet in response.facets] == ["sku", "colour", "nowhere"]
    assert [facet.distinct_values for facet in response.facets] == [4, 3, 0]
    assert [len(facet.values) for facet in response.facets] == [2, 2, 0]


async def test_searches_and_writes_at_once_see_whole_states(under_test: IndexerUnderTest) -> None:
    """Every state has all products at the same place: a search must never see a mix."""
    names = [f"p{number}" for number in range(20)]
    places = [unit(*([0] * axis), 1) for axis in range(8)]
    await under_test.upsert(*(record(name, places[0]) for name in names))

    async def write() -> None:
        for place in places[1:]:
            await under_test.upsert(*(record(name, place) for name in names))

    async def read() -> None:
        query = unit(8, 7, 6, 5, 4, 3, 2, 1)
        for _ in range(30):
            response = await under_test.search(near(query), top_k=20, min_index_version=0)
            assert len(response.results) == 20
            assert len({round(result.score, 5) for result in response.results}) == 1

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(write())
        for _ in range(4):
            tasks.create_task(read())


async def test_many_results_come_in_order(under_test: IndexerUnderTest) -> None:
    rng = np.random.default_rng(1)
    vectors = rng.standard_normal((700, 8)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    for start in range(0, 700, 100):
        await under_test.upsert(*(record(f"p{n}", vectors[n]) for n in range(start, start + 100)))
    query = unit(1, 1, 1)
    response = await under_test.search(near(query), top_k=600, offset=50)
    order = np.argsort(-(vectors.astype(np.float64) @ query))[50:650]
    assert ids_of(response) == [f"p{number}" for number in order]


async def test_what_the_index_holds_is_told(under_test: IndexerUnderTest) -> None:
    await under_test.upsert(
        record("a", [{UPPER: unit(1), UNION: unit(1)}, {UNION: unit(1)}], category="Tops"),
        record("b", unit(1)),
    )
    await under_test.search(near(unit(1)))
    info = await under_test.stub.GetIndexInfo(indexer_pb2.GetIndexInfoRequest())
    assert (info.product_count, info.image_count, info.vector_count) == (2, 3, 5)
    assert info.store == under_test.indexer.store.kind
    assert info.matrix_size_bytes > 0


async def test_health_says_serving_once_the_index_is_loaded(under_test: IndexerUnderTest) -> None:
    health = under_test.server.health
    seen = health.status_of(FULL_SERVICE_NAME)
    if seen != health_pb2.HealthCheckResponse.SERVING:
        seen = await health.next_change(FULL_SERVICE_NAME, seen)
    assert seen == health_pb2.HealthCheckResponse.SERVING


async def test_a_product_that_was_found_before_is_found_as_it_is_now(
    under_test: IndexerUnderTest,
) -> None:
    await under_test.upsert(
        record("a", [{UNION: unit(1)}, {UPPER: unit(0, 1)}], name="old", colour="red"),
        record("b", unit(1, 1)),
    )
    for _ in range(2):
        [first, _second] = (await under_test.search(near(unit(1)), garment=UNION)).results
        assert (first.product.name, first.product.attributes["colour"]) == ("old", "red")
        assert (first.best_image_index, first.best_garment) == (0, UNION)

    version = await under_test.upsert(
        record("a", [{UPPER: unit(0, 1)}, {UNION: unit(1)}], name="new", colour="blue")
    )
    response = await under_test.search(near(unit(1)), garment=UNION, min_index_version=version)
    assert [result.product.name for result in response.results] == ["new", ""]
    assert response.results[0].product.attributes["colour"] == "blue"
    assert response.results[0].best_image_index == 1

    gone = await under_test.stub.DeleteProducts(
        indexer_pb2.DeleteProductsRequest(product_ids=["a"])
    )
    response = await under_test.search(near(unit(1)), min_index_version=gone.index_version)
    assert ids_of(response) == ["b"]

    version = await under_test.upsert(record("a", unit(1), name="again"))
    response = await under_test.search(near(unit(1)), min_index_version=version)
    assert [result.product.name for result in response.results] == ["again", ""]


async def test_results_bear_no_vectors_also_when_they_are_found_again(
    under_test: IndexerUnderTest,
) -> None:
    await under_test.upsert(record("a", [{UNION: unit(1), UPPER: unit(1, 1)}], colour="red"))
    found = [(await under_test.search(near(unit(1)))).results[0] for _ in range(2)]
    assert found[0] == found[1]
    assert not found[0].product.HasField("embedding")
    assert not found[0].product.images[0].embeddings
    got = await under_test.stub.GetProduct(indexer_pb2.GetProductRequest(product_id="a"))
    assert found[0].product == got.product
