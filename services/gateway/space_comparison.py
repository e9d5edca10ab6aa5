"""The same questions asked in two spaces: how much their answers agree."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from servicekit.errors import InvalidArgument, LookalikeError, NotFound
from services.gateway.domain import Index
from services.gateway.models import ModelCache
from services.gateway.ranking import (
    Hits,
    IndexQuery,
    ListQuery,
    Metric,
    ProductTarget,
    VectorTarget,
    View,
)
from services.gateway.text_vectors import TextVectors
from services.gateway.values import Deadline, Garment

_AT_ONCE = 8
_LEAST = 10
_PAGE = 1_000
_TEXTS_AT_ONCE = 32

Ids = Callable[[Hits], list[str]]
"""The identifiers of a ranking's products."""


@dataclass(frozen=True, slots=True)
class QuestionOverlap:
    """A question, and the share of the best results that both spaces have."""

    question: str
    overlap: float


@dataclass(frozen=True, slots=True)
class Overlap:
    """Answers of two spaces, compared; see gateway.v1.Overlap."""

    questions: int
    overlap_at_k: float
    same_best: float
    least: tuple[QuestionOverlap, ...]


class SpaceComparison:
    """Asks both spaces."""

    def __init__(self, index: Index, texts: TextVectors, models: ModelCache) -> None:
        self._index = index
        self._texts = texts
        self._models = models

    async def products(
        self, count: int, versions: tuple[str, str], k: int, ids: Ids, deadline: Deadline
    ) -> Overlap:
        """Products as questions, chosen evenly over the catalogue."""

        async def ask(product_id: str, version: str) -> list[str]:
            target = ProductTarget(product_id, 1.0)
            return await self._ask(target, (product_id,), version, k, ids, deadline)

        sample = await self._sample(count, deadline)
        return await _compared(sample, versions, k, ask)

    async def texts(
        self, texts: Sequence[str], versions: tuple[str, str], k: int, ids: Ids, deadline: Deadline
    ) -> Overlap:
        """Words as questions."""
        vectors: dict[tuple[str, str], bytes] = {}
        for version in versions:
            await self._models.of_space(version, deadline.remaining_s())
            for start in range(0, len(texts), _TEXTS_AT_ONCE):
                some = texts[start : start + _TEXTS_AT_ONCE]
                for text, found in zip(
                    some, await self._texts.of(some, version, deadline), strict=True
                ):
                    if isinstance(found, LookalikeError):
                        raise found
                    vectors[text, version] = found.values_f32

        async def ask(text: str, version: str) -> list[str]:
            target = VectorTarget(vectors[text, version], 1.0)
            return await self._ask(target, (), version, k, ids, deadline)

        return await _compared(texts, versions, k, ask)

    async def _ask(
        self,
        target: ProductTarget | VectorTarget,
        excluded: tuple[str, ...],
        version: str,
        k: int,
        ids: Ids,
        deadline: Deadline,
    ) -> list[str]:
        query = IndexQuery(
            targets=(target,),
            garment=Garment.UNSPECIFIED,
            conditions=None,
            equal_attributes=(),
            top_k=k,
            offset=0,
            excluded_product_ids=excluded,
            embedding_version=version,
            min_index_version=0,
            metric=Metric.COSINE,
        )
        return ids(await self._index.search(query, timeout_s=deadline.remaining_s()))

    async def _sample(self, count: int, deadline: Deadline) -> list[str]:
        if not count:
            return []
        found: list[str] = []
        token, step, place = "", 1, 0
        while True:
            page = await self._index.list_products(
                ListQuery(
                    page_size=_PAGE,
                    page_token=token,
                    conditions=None,
                    equal_attributes=(),
                    view=View.BASIC,
                    min_index_version=0,
                ),
                timeout_s=deadline.remaining_s(),
            )
            step = max(1, page.total_size // count)
            for product_id in page.product_ids:
                if place % step == 0 and len(found) < count:
                    found.append(product_id)
                place += 1
            token = page.next_page_token
            if not token or len(found) >= count:
                return found


async def _compared(
    questions: Sequence[str],
    versions: tuple[str, str],
    k: int,
    ask: Callable[[str, str], Awaitable[list[str]]],
) -> Overlap:
    slots = asyncio.Semaphore(_AT_ONCE)

    async def one(question: str) -> tuple[str, list[str], list[str]] | None:
        async with slots:
            try:
                first, second = [await ask(question, version) for version in versions]
            except NotFound:
                # Deleted meanwhile, or without vectors in one of the spaces.
                return None
        return question, first, second

    answered = [
        answer
        for answer in await asyncio.gather(*(one(question) for question in questions))
        if answer is not None
    ]
    if not answered:
        return Overlap(0, 0.0, 0.0, ())
    shares = [
        QuestionOverlap(question, len(set(first) & set(second)) / max(len(first), len(second), 1))
        for question, first, second in answered
    ]
    return Overlap(
        len(answered),
        sum(one.overlap for one in shares) / len(shares),
        sum(first[:1] == second[:1] for _, first, second in answered) / len(answered),
        tuple(sorted(shares, key=lambda one: one.overlap)[:_LEAST]),
    )


def check_k(k: int) -> int:
    """Raises: InvalidArgument: FIELD_INVALID."""
    if not 0 <= k <= 100:
        raise InvalidArgument("k is from 1 to 100.", reason="FIELD_INVALID", field="k")
    return k or 10
