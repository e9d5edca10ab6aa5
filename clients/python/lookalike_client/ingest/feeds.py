"""Where an ingest takes its products from."""

import asyncio
import dataclasses
import uuid
from collections import deque
from collections.abc import AsyncIterable, AsyncIterator, Iterable, Iterator, Sequence
from typing import Protocol

from lookalike_client.ingest.inputs import ProductInput, Rejected


class Feed(Protocol):
    """Products in a fixed order, numbered from 1, that can be taken again after a broken line."""

    @property
    def stream_id(self) -> str:
        """A stable name: the same for the same source."""
        ...

    @property
    def fingerprint(self) -> str:
        """What the source is made of: another one means other contents."""
        ...

    @property
    def rejected(self) -> Sequence[Rejected]:
        """Products of the source that cannot be sent."""
        ...

    async def get(self, sequence: int) -> ProductInput | None:
        """The product of that number; None behind the last."""
        ...

    def forget(self, through: int) -> None:
        """No product up to here will be asked for again."""
        ...

    async def aclose(self) -> None:
        """Lets go of what the feed holds."""
        ...


@dataclasses.dataclass(frozen=True, slots=True)
class _End:
    """Stands behind the last product."""


class IterableFeed:
    """Products from any iterable, kept until they are stored: so a line may break, but a new run
    starts at the beginning.

    Args:
      products: the iterable; it is drawn from in a thread, or awaited.
      max_kept_bytes: while the products kept hold more bytes than this, no further one is drawn.
    """

    def __init__(
        self,
        products: Iterable[ProductInput] | AsyncIterable[ProductInput],
        *,
        max_kept_bytes: int = 256 * 1024 * 1024,
    ) -> None:
        self.stream_id = f"iterable-{uuid.uuid4().hex}"
        self.fingerprint = self.stream_id
        self.rejected: Sequence[Rejected] = ()
        self._source: Iterator[ProductInput] | AsyncIterator[ProductInput] = (
            aiter(products) if isinstance(products, AsyncIterable) else iter(products)
        )
        self._max_kept_bytes = max_kept_bytes
        self._kept: deque[ProductInput] = deque()
        self._kept_bytes = 0
        self._room = asyncio.Event()
        self._first = 1
        self._ended = False
        self._pull: asyncio.Task[None] | None = None

    async def get(self, sequence: int) -> ProductInput | None:
        """The product of that number; None behind the last.

        Raises:
          TypeError: the iterable holds something else.
        """
        assert sequence >= self._first, "asked for a product that was forgotten"
        while sequence >= self._first + len(self._kept):
            if self._ended:
                return None
            if self._kept_bytes > self._max_kept_bytes:
                self._room.clear()
                await self._room.wait()
                continue
            # The caller may be cancelled when the line breaks; a generator must not be.
            if self._pull is None or self._pull.done():
                self._pull = asyncio.create_task(self._take_next())
            await asyncio.shield(self._pull)
        return self._kept[sequence - self._first]

    def forget(self, through: int) -> None:
        """Drops what is stored."""
        while self._kept and self._first <= through:
            self._kept_bytes -= _size(self._kept.popleft())
            self._first += 1
        self._room.set()

    async def aclose(self) -> None:
        """Stops waiting for the iterable."""
        if self._pull is not None and not self._pull.done():
            self._pull.cancel()
            await asyncio.gather(self._pull, return_exceptions=True)

    async def _take_next(self) -> None:
        product: object
        if isinstance(self._source, AsyncIterator):
            product = await anext(self._source, _End())
        else:  # it may block: on a file, a database
            product = await asyncio.to_thread(next, self._source, _End())
        if isinstance(product, _End):
            self._ended = True
        elif isinstance(product, ProductInput):
            self._kept.append(product)
            self._kept_bytes += _size(product)
        else:
            raise TypeError(f"expected a ProductInput, not {type(product).__name__}")


def _size(product: ProductInput) -> int:
    return sum(len(image.data) for image in product.images if image.data is not None)
