"""Outcomes that were stored before a connection was opened."""

from collections import deque
from collections.abc import AsyncIterator

from services.gateway.catalogue import SequencedOutcome
from services.gateway.domain import Catalogue
from services.gateway.retry import Patience

_PAGE_SIZE = 1_000


class StoredOutcomes:
    """Reads a stream's stored outcomes, page by page: a catalogue's worth never lies in memory."""

    def __init__(
        self, catalogue: Catalogue, patience: Patience, stream_id: str, *, timeout_s: float
    ) -> None:
        self._catalogue = catalogue
        self._patience = patience
        self._stream_id = stream_id
        self._timeout_s = timeout_s
        self._ahead: deque[SequencedOutcome] = deque()
        self._read_up_to: int | None = None
        self._exhausted = False

    async def after(self, sequence: int) -> AsyncIterator[SequencedOutcome]:
        """All outcomes of greater sequences, in order."""
        while True:
            page = await self._page(sequence)
            for outcome in page:
                yield outcome
            if len(page) < _PAGE_SIZE:
                return
            sequence = page[-1].sequence

    async def of(self, sequence: int) -> SequencedOutcome | None:
        """The stored outcome of a sequence; None if it has none.

        Only for sequences that grow from call to call.
        """
        while True:
            while self._ahead and self._ahead[0].sequence < sequence:
                self._ahead.popleft()
            if self._ahead:
                return self._ahead[0] if self._ahead[0].sequence == sequence else None
            if self._exhausted:
                return None
            page = await self._page(max(sequence - 1, self._read_up_to or 0))
            self._exhausted = len(page) < _PAGE_SIZE
            self._ahead.extend(page)
            if page:
                self._read_up_to = page[-1].sequence

    async def _page(self, after_sequence: int) -> tuple[SequencedOutcome, ...]:
        return await self._patience.call(
            "indexer",
            lambda: self._catalogue.list_outcomes(
                self._stream_id, after_sequence, page_size=_PAGE_SIZE, timeout_s=self._timeout_s
            ),
        )
