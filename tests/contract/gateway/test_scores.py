"""What scores mean, other distances, the category of a photograph: the real services."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import grpc
import pytest

from lookalike.gateway.v1 import search_pb2
from lookalike.type.v1 import distance_pb2, image_pb2
from tests.contract.gateway.stack import (
    ServiceProcess,
    Stack,
    Targets,
    gateway_over,
    ingest,
    product,
    refusal,
    running,
)
from tests.fixtures.garments import COLOURS, SHAPES, Garment, jpeg

PHOTOS = {
    (shape, colour): jpeg(Garment(shape, colour, striped=False, seed=3))
    for shape in SHAPES
    for colour in list(COLOURS)[:2]
}


@pytest.fixture(scope="module")
def filled(
    model_services: tuple[ServiceProcess, ServiceProcess],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Targets]:
    """An index of painted garments with categories, which tests only read."""
    folder: Path = tmp_path_factory.mktemp("scores")
    segmenter, embedder = model_services
    indexer = ServiceProcess("indexer", folder / "log", data_dir=str(folder / "index"))
    with running(indexer):
        yield Targets(segmenter.target, embedder.target, indexer.target)


@pytest.fixture
async def catalogue(filled: Targets) -> AsyncIterator[Stack]:
    """A gateway over that index; who comes first fills it."""
    async with gateway_over(filled) as stack:
        await ingest(
            stack,
            *(
                product(f"{colour}-{shape}", photo, attributes={"category": f"{shape}s"})
                for (shape, colour), photo in PHOTOS.items()
            ),
        )
        yield stack


def words(text: str, weight: float = 1.0) -> search_pb2.SearchPart:
    return search_pb2.SearchPart(text=text, weight=weight)


def photograph(data: bytes) -> search_pb2.SearchPart:
    query = search_pb2.ImageQuery(image=image_pb2.Image(encoded=data))
    return search_pb2.SearchPart(image=query)


async def test_results_tell_how_probably_they_match(catalogue: Stack) -> None:
    response = await catalogue.search.SearchProducts(
        search_pb2.SearchProductsRequest(parts=[words("a red dress")])
    )
    told = [result.match_probability for result in response.results]
    assert told == sorted(told, reverse=True)
    assert all(0 <= probability <= 1 for probability in told)
    meaning = response.score_meaning
    assert meaning.embedding_version
    assert meaning.fitted_on
    assert [result.weak for result in response.results] == [
        probability < meaning.weak_below for probability in told
    ]
    assert response.no_good_match == all(result.weak for result in response.results)


async def test_a_question_about_something_else_finds_no_good_match(catalogue: Stack) -> None:
    response = await catalogue.search.SearchProducts(
        search_pb2.SearchProductsRequest(parts=[words("a red bicycle")], page_size=2)
    )
    assert response.results[0].weak
    assert response.no_good_match
    following = await catalogue.search.SearchProducts(
        search_pb2.SearchProductsRequest(
            parts=[words("a red bicycle")], page_size=2, page_token=response.next_page_token
        )
    )
    assert following.no_good_match


async def test_nothing_is_said_of_lists_and_of_what_is_only_unwanted(catalogue: Stack) -> None:
    for parts in ([], [words("stripes", -1.0)]):
        response = await catalogue.search.SearchProducts(
            search_pb2.SearchProductsRequest(parts=parts)
        )
        assert response.results
        assert not response.HasField("no_good_match")
        assert not response.HasField("score_meaning")
        assert not any(result.HasField("match_probability") for result in response.results)


async def test_similar_products_tell_it_too(catalogue: Stack) -> None:
    name = next(f"{colour}-{shape}" for shape, colour in PHOTOS)
    response = await catalogue.search.FindSimilarProducts(
        search_pb2.FindSimilarProductsRequest(product_id=name)
    )
    assert all(result.HasField("match_probability") for result in response.results)
    assert response.HasField("no_good_match")


@pytest.mark.parametrize(
    "metric", [distance_pb2.DISTANCE_METRIC_L2, distance_pb2.DISTANCE_METRIC_L1]
)
async def test_distances_rise_as_scores_fall(
    catalogue: Stack, metric: distance_pb2.DistanceMetric.ValueType
) -> None:
    response = await catalogue.search.SearchProducts(
        search_pb2.SearchProductsRequest(
            parts=[photograph(PHOTOS["dress", "red"])], metric=metric, page_size=1_000
        )
    )
    distances = [result.distance for result in response.results]
    assert distances == sorted(distances)
    assert response.results[0].product.product_id == "red-dress"
    for result in response.results:
        assert result.score == pytest.approx(1 / (1 + result.distance), abs=1e-5)


async def test_the_category_of_a_photograph_is_guessed_and_kept_from_page_to_page(
    catalogue: Stack,
) -> None:
    request = search_pb2.SearchProductsRequest(
        parts=[photograph(PHOTOS["dress", "red"]), words("red")],
        features=search_pb2.Features(category="auto"),
        page_size=1,
    )
    response = await catalogue.search.SearchProducts(request)
    report, other = response.part_reports
    guess = report.category_guess
    assert not other.HasField("category_guess")
    assert guess.category in {f"{shape}s" for shape in SHAPES}
    assert 0 < guess.confidence <= 1
    inside = len(list(COLOURS)[:2]) if guess.applied else len(PHOTOS)
    assert response.candidate_count == inside
    request.page_token = response.next_page_token
    following = await catalogue.search.SearchProducts(request)
    assert following.candidate_count == inside
    assert following.part_reports[0].category_guess.applied == guess.applied


@pytest.mark.parametrize("parts", [[], [words("dress")]])
async def test_a_category_is_not_inferred_without_a_photograph(
    catalogue: Stack, parts: list[search_pb2.SearchPart]
) -> None:
    request = search_pb2.SearchProductsRequest(
        parts=parts, features=search_pb2.Features(category="auto")
    )
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await catalogue.search.SearchProducts(request)
    assert refusal(caught.value) == (grpc.StatusCode.INVALID_ARGUMENT, "FIELD_INVALID")
