"""Texts of questions as vectors: those that come at once go to the embedder in one call."""

import asyncio
import copy
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from servicekit import logs
from servicekit.errors import LookalikeError
from services.gateway.coalesce import Coalescer
from services.gateway.values import Deadline, Lane, TextVector, deadline_passed

# What the text tower takes at a time by default; 32 questions are some 1 500 bytes.
_MAX_TEXTS = 32
# Longer texts go alone: a few words should not wait until pages of them are tokenised.
_SHORT_CHARS = 500

Outcome = TextVector | LookalikeError


class TextTower(Protocol):
    """What is needed of the embedder; see domain.Embedder."""

    async def embed_texts(
        self, texts: Sequence[str], *, version: str, lane: Lane, timeout_s: float
    ) -> tuple[Outcome, ...]: ...


@dataclass(frozen=True, slots=True)
class _Question:
    texts: tuple[str, ...]
    version: str
    deadline: Deadline
    request_id: str


class TextVectors:
    """Asks for the vectors of many questions in one call.

    Nobody waits for a clock: an idle embedder gets a question at once, and what comes while a call
    is in flight shares the next. A call lasts as long as its most patient question; each of the
    others leaves at its own deadline.
    """

    def __init__(self, embedder: TextTower) -> None:
        self._embedder = embedder
        self._questions: Coalescer[_Question, tuple[Outcome, ...] | LookalikeError] = Coalescer(
            self._ask,
            max_items=_MAX_TEXTS,
            max_weight=_MAX_TEXTS,
            weigh=lambda question: len(question.texts),
        )

    async def of(
        self, texts: Sequence[str], version: str, deadline: Deadline
    ) -> tuple[Outcome, ...]:
        """One vector for each text, or what is wrong with it, in order.

        Raises:
          LookalikeError: the embedder's, for all of them; DEADLINE_PASSED.
        """
        if any(len(text) > _SHORT_CHARS for text in texts):
            return await self._embedder.embed_texts(
                texts, version=version, lane=Lane.ONLINE, timeout_s=deadline.remaining_s()
            )
        question = _Question(tuple(texts), version, deadline, logs.request_id.get())
        try:
            async with asyncio.timeout(deadline.remaining_s()):
                answer = await self._questions.submit(question)
        except TimeoutError:
            raise deadline_passed() from None
        if isinstance(answer, LookalikeError):
            # A copy: one object raised for several callers would gather all their tracebacks.
            raise copy.copy(answer)
        return answer

    async def close(self) -> None:
        """Cancels the call in flight and whoever waits."""
        await self._questions.close()

    async def _ask(
        self, questions: Sequence[_Question]
    ) -> list[tuple[Outcome, ...] | LookalikeError]:
        versions = dict.fromkeys(question.version for question in questions)
        if len(versions) == 1:
            return await self._ask_one_space(questions)
        # While one model gives way to another; what is refused for one is no matter of the other.
        answers: dict[int, tuple[Outcome, ...] | LookalikeError] = {}
        for version in versions:
            places = [i for i, question in enumerate(questions) if question.version == version]
            asked = await self._ask_one_space([questions[i] for i in places])
            answers |= zip(places, asked, strict=True)
        return [answers[place] for place in range(len(questions))]

    async def _ask_one_space(
        self, questions: Sequence[_Question]
    ) -> list[tuple[Outcome, ...] | LookalikeError]:
        first = questions[0]
        # This runs in a task of its own, which outlives the call that it was made in.
        logs.request_id.set(first.request_id)
        latest = max((question.deadline for question in questions), key=lambda one: one.at)
        try:
            outcomes = await self._embedder.embed_texts(
                [text for question in questions for text in question.texts],
                version=first.version,
                lane=Lane.ONLINE,
                timeout_s=latest.remaining_s(),
            )
        except LookalikeError as error:
            return [error for _ in questions]
        found = iter(outcomes)
        return [tuple(next(found) for _ in question.texts) for question in questions]
