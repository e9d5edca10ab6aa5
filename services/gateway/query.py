"""Finding products: a question to vectors, vectors to a ranking, a ranking to a page."""

import math
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from typing import Protocol, TypeVar

from servicekit.errors import FailedPrecondition, InvalidArgument
from services.gateway.categories import AUTO, Categories
from services.gateway.domain import Embedder, Index
from services.gateway.judgement import Judge
from services.gateway.models import ModelCache
from services.gateway.page_token import ListedPage, RankedPage, read_token, write_token
from services.gateway.query_vectors import PartVector, QueryVectors
from services.gateway.ranking import (
    Conditions,
    Hits,
    IndexQuery,
    ListQuery,
    Metric,
    ProductTarget,
    VectorTarget,
    View,
)
from services.gateway.search_messages import (
    Judged,
    Part,
    PhotographPart,
    ProductPart,
    Ranked,
    ScoreMeaning,
    Search,
    SearchPage,
    Similar,
)
from services.gateway.segmentations import Segmentations
from services.gateway.text_vectors import TextVectors
from services.gateway.values import Deadline, EmbedderInfo, Garment

DEFAULT_RESULTS = 5
MAX_RESULTS = 1_000
MAX_PARTS = 16
MAX_WEIGHT = 10.0
_MAX_OFFSET = 100_000
"""The indexer's own limit: nobody leafs so far, and each page ranks again."""

Answer = TypeVar("Answer")


class SearchObserver(Protocol):
    """Told what people search by."""

    def part_searched(self, part: Part) -> None: ...


class Searcher:
    """Answers questions; holds no state but which model serves."""

    def __init__(
        self,
        segmentations: Segmentations,
        embedder: Embedder,
        texts: TextVectors,
        index: Index,
        models: ModelCache,
        observer: SearchObserver,
    ) -> None:
        self._vectors = QueryVectors(segmentations, embedder, texts)
        self._categories = Categories(index, texts)
        self._index = index
        self._models = models
        self._observer = observer

    async def search(self, search: Search, deadline: Deadline) -> SearchPage:
        """A page of the answer to a question.

        Raises:
          LookalikeError: see SearchService.SearchProducts.
        """
        page_size = _count("page_size", search.page_size)
        if len(search.parts) > MAX_PARTS:
            raise _invalid(f"A question has at most {MAX_PARTS} parts.", "parts")
        for position, part in enumerate(search.parts):
            _check_weight(position, part.weight)
            if isinstance(part, ProductPart):
                _check_id(f"parts[{position}].product_id", part.product_id)
        page = read_token(search.page_token, search.digest) if search.page_token else None
        if wants_category(search) and not any(map(_shows, search.parts)):
            raise _invalid(
                "The category `auto` is inferred from a photograph, and there is none of positive "
                "weight.",
                "features.category",
            )
        if not search.parts:
            return await self._list(search, page, page_size, deadline)
        for part in search.parts:
            self._observer.part_searched(part)
        if page is None:
            page = RankedPage(search.digest, 0, "")
        if isinstance(page, ListedPage):
            raise InvalidArgument(
                "The page token belongs to another query.", reason="PAGE_TOKEN_INVALID"
            )
        return await self._rank(search, page, page_size, deadline)

    async def similar(
        self,
        product_id: str,
        k: int | None,
        garment: Garment,
        conditions: Conditions | None,
        min_index_version: int,
        metric: Metric,
        deadline: Deadline,
    ) -> Similar:
        """The k products most similar to one, never itself.

        Raises:
          LookalikeError: see SearchService.FindSimilarProducts.
        """
        count = _count("k", k)
        _check_id("product_id", product_id)

        async def ask(model: EmbedderInfo) -> Similar:
            query = IndexQuery(
                targets=(ProductTarget(product_id, 1.0),),
                garment=garment,
                conditions=conditions,
                equal_attributes=(),
                top_k=count,
                offset=0,
                excluded_product_ids=(product_id,),
                embedding_version=model.version,
                min_index_version=min_index_version,
                metric=metric,
            )
            hits = await self._index.search(query, timeout_s=deadline.remaining_s())
            judged = _judged(hits, (ProductPart(product_id, 1.0),), (None,), model)
            return Similar(judged, hits.index_version, hits.embedding_version)

        return await self._in_one_space("", ask, deadline)

    async def _rank(
        self, search: Search, page: RankedPage, page_size: int, deadline: Deadline
    ) -> SearchPage:
        return await self._in_one_space(
            page.embedding_version,
            lambda model: self._rank_in(model, search, page, page_size, deadline),
            deadline,
        )

    async def _in_one_space(
        self, pinned: str, ask: Callable[[EmbedderInfo], Awaitable[Answer]], deadline: Deadline
    ) -> Answer:
        """The answer to a question in the space that is searched, or in the one that an earlier
        page was of. If that was left meanwhile, or the embedder restarted, it is asked again."""

        async def model() -> EmbedderInfo:
            if pinned:
                return await self._models.of_space(pinned, deadline.remaining_s())
            return await self._models.embedder(deadline.remaining_s())

        try:
            return await ask(await model())
        except FailedPrecondition as error:
            if error.reason != "EMBEDDING_VERSION_MISMATCH":
                raise
        self._models.forget_embedder()
        return await ask(await model())

    async def _rank_in(
        self,
        model: EmbedderInfo,
        search: Search,
        page: RankedPage,
        page_size: int,
        deadline: Deadline,
    ) -> SearchPage:
        vectors = await self._vectors.of(search.parts, model, deadline)
        query = IndexQuery(
            targets=tuple(map(_target, search.parts, vectors)),
            garment=search.garment,
            conditions=search.conditions,
            equal_attributes=search.features.conditions(),
            top_k=page_size,
            offset=page.offset,
            excluded_product_ids=(),
            embedding_version=model.version,
            min_index_version=search.min_index_version,
            metric=search.metric,
        )
        category = page.category
        if wants_category(search):
            query, vectors, category = await self._in_category(
                search, query, vectors, page, model, deadline
            )
        hits = await self._index.search(query, timeout_s=deadline.remaining_s())
        judged = _judged(hits, search.parts, [one.values_f32 for one in vectors], model)
        if page.offset:
            judged = replace(judged, no_good_match=page.no_good_match)
        next_token = ""
        end = page.offset + page_size
        if end < hits.candidate_count and end <= _MAX_OFFSET:
            following = RankedPage(
                search.digest, end, model.version, judged.no_good_match, category
            )
            next_token = write_token(following)
        return SearchPage(
            judged=judged,
            listed=(),
            next_page_token=next_token,
            candidate_count=hits.candidate_count,
            index_version=hits.index_version,
            part_reports=tuple(vector.report for vector in vectors),
            embedding_version=hits.embedding_version,
        )

    async def _in_category(
        self,
        search: Search,
        query: IndexQuery,
        vectors: list[PartVector],
        page: RankedPage,
        model: EmbedderInfo,
        deadline: Deadline,
    ) -> tuple[IndexQuery, list[PartVector], str]:
        """The query inside the category that its photographs show, if they show one clearly."""
        everything = replace(
            query, equal_attributes=search.features.without_category().conditions()
        )
        places = [place for place, part in enumerate(search.parts) if _shows(part)]
        shown = [vectors[place].values_f32 or b"" for place in places]
        guesses, category = await self._categories.of(shown, everything, model, deadline)
        if page.offset:
            # What was written since the first page must not move the others elsewhere.
            category = page.category
        told = list(vectors)
        for place, guess in zip(places, guesses, strict=True):
            guess = replace(guess, applied=bool(category))
            told[place] = replace(
                told[place], report=replace(told[place].report, category_guess=guess)
            )
        if not category:
            return everything, told, ""
        features = replace(search.features, category=category)
        return replace(query, equal_attributes=features.conditions()), told, category

    async def _list(
        self,
        search: Search,
        page: RankedPage | ListedPage | None,
        page_size: int,
        deadline: Deadline,
    ) -> SearchPage:
        if isinstance(page, RankedPage):
            raise InvalidArgument(
                "The page token belongs to another query.", reason="PAGE_TOKEN_INVALID"
            )
        # A list does not name its version; it sees at least the one that the index had before.
        info = await self._index.info(timeout_s=deadline.remaining_s())
        version = max(info.index_version, search.min_index_version)
        listed = await self._index.list_products(
            ListQuery(
                page_size=page_size,
                page_token=page.token if page is not None else "",
                conditions=search.conditions,
                equal_attributes=search.features.conditions(),
                view=View.BASIC,
                min_index_version=version,
            ),
            timeout_s=deadline.remaining_s(),
        )
        next_token = ""
        if listed.next_page_token:
            next_token = write_token(ListedPage(search.digest, listed.next_page_token))
        return SearchPage(
            judged=Judged(),
            listed=listed.products,
            next_page_token=next_token,
            candidate_count=listed.total_size,
            index_version=version,
            part_reports=(),
        )


def wants_category(search: Search) -> bool:
    """Whether the category is to be inferred."""
    return search.features.category.strip().casefold() == AUTO


def _shows(part: Part) -> bool:
    return isinstance(part, PhotographPart) and part.weight > 0


def _judged(
    hits: Hits, parts: Sequence[Part], vectors: Sequence[bytes | None], model: EmbedderInfo
) -> Judged:
    judge = Judge.of(model.calibration, parts, vectors, hits.usual)
    if judge is None or model.calibration is None:
        return Judged(tuple(Ranked(hit, None, weak=False) for hit in hits.hits))
    ranked = []
    for hit in hits.hits:
        probability = judge.probability(hit.part_cosines)
        ranked.append(Ranked(hit, probability, weak=probability < judge.weak_below))
    return Judged(
        ranked=tuple(ranked),
        no_good_match=all(one.weak for one in ranked),
        meaning=ScoreMeaning(model.version, model.calibration.fitted_on, judge.weak_below),
    )


def _target(part: Part, vector: PartVector) -> VectorTarget | ProductTarget:
    if isinstance(part, ProductPart):
        return ProductTarget(part.product_id, part.weight)
    assert vector.values_f32 is not None  # only products have their vectors in the index
    return VectorTarget(vector.values_f32, part.weight)


def _check_weight(position: int, weight: float) -> None:
    if weight == 0 or math.isnan(weight) or abs(weight) > MAX_WEIGHT:
        raise _invalid(
            f"A weight is from -{MAX_WEIGHT:g} to {MAX_WEIGHT:g} and not 0.",
            f"parts[{position}].weight",
        )


def _check_id(field: str, product_id: str) -> None:
    if not 1 <= len(product_id.encode()) <= 256:
        raise _invalid("A product_id has 1 to 256 bytes.", field)


def _count(field: str, given: int | None) -> int:
    if given is None:
        return DEFAULT_RESULTS
    if not 1 <= given <= MAX_RESULTS:
        raise _invalid(f"{field} is from 1 to {MAX_RESULTS}, not {given}.", field)
    return given


def _invalid(message: str, field: str) -> InvalidArgument:
    return InvalidArgument(message, reason="FIELD_INVALID", field=field)
