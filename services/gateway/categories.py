"""Asks for what the guess of a photograph's category needs: neighbours, names and their words."""

import asyncio
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import replace
from typing import Final

import numpy as np

from servicekit.errors import LookalikeError
from services.gateway.calibration import CategoryRule
from services.gateway.category_guess import CategoryGuess, Vector, agreed, guess
from services.gateway.domain import Index
from services.gateway.ranking import IndexQuery, Metric, VectorTarget
from services.gateway.text_vectors import TextVectors
from services.gateway.values import Deadline, EmbedderInfo

FIELD: Final = "category"
AUTO: Final = "auto"
_MAX_NAMES: Final = 200
_KEPT_WORDS: Final = 4_096
_TEXTS_AT_ONCE: Final = 32


class Categories:
    """Guesses categories; remembers the vectors of their names."""

    def __init__(self, index: Index, texts: TextVectors) -> None:
        self._index = index
        self._texts = texts
        self._words: OrderedDict[tuple[str, str], Vector] = OrderedDict()

    async def of(
        self,
        photographs: Sequence[bytes],
        query: IndexQuery,
        model: EmbedderInfo,
        deadline: Deadline,
    ) -> tuple[list[CategoryGuess], str]:
        """A guess for each photograph, and the category to search in; empty for everything.

        Args:
          photographs: their vectors.
          query: the search that is to be made, without a condition on the category.
        """
        rule = model.calibration.category if model.calibration is not None else None
        if rule is None:
            return [CategoryGuess("", 0.0, False) for _ in photographs], ""
        values = await self._index.attribute_words(
            FIELD, query.conditions, query.equal_attributes, _MAX_NAMES,
            timeout_s=deadline.remaining_s(),
        )  # fmt: skip
        names = await self._vectors(values, model.version, deadline)
        guesses = await asyncio.gather(
            *(self._guess(one, names, query, rule, deadline) for one in photographs)
        )
        chosen = agreed(guesses, rule)
        return [CategoryGuess(name, sure, bool(chosen)) for name, sure in guesses], chosen

    async def _guess(
        self,
        photograph: bytes,
        names: dict[str, Vector],
        query: IndexQuery,
        rule: CategoryRule,
        deadline: Deadline,
    ) -> tuple[str, float]:
        neighbours = await self._index.neighbours(
            replace(
                query,
                targets=(VectorTarget(photograph, 1.0),),
                top_k=rule.neighbour_count,
                offset=0,
                metric=Metric.COSINE,
            ),
            FIELD,
            timeout_s=deadline.remaining_s(),
        )
        return guess(np.frombuffer(photograph, "<f4"), neighbours, names, rule)

    async def _vectors(
        self, names: Sequence[str], version: str, deadline: Deadline
    ) -> dict[str, Vector]:
        missing = [name for name in names if (version, name) not in self._words]
        for start in range(0, len(missing), _TEXTS_AT_ONCE):
            some = missing[start : start + _TEXTS_AT_ONCE]
            found = await self._texts.of(some, version, deadline)
            for name, vector in zip(some, found, strict=True):
                # A name that the model cannot read is left to the neighbours' votes.
                if not isinstance(vector, LookalikeError):
                    self._words[version, name] = np.frombuffer(vector.values_f32, "<f4")
        known = {
            name: self._words[version, name] for name in names if (version, name) in self._words
        }
        for name in known:
            self._words.move_to_end((version, name))
        while len(self._words) > _KEPT_WORDS:
            self._words.popitem(last=False)
        return known
