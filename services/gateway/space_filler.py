"""Brings products into a space that lacks them, many at once."""

import asyncio
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

from servicekit.errors import LookalikeError
from services.gateway.catalogue import SpaceVectors
from services.gateway.coalesce import Coalescer
from services.gateway.reembedding import Reembedder
from services.gateway.retry import Patience, is_silence
from services.gateway.spaces import LackingPage, LackingProduct, Spaces

_PAGE = 100
_WRITE_PRODUCTS = 50
_WRITE_BYTES = 2 * 1024 * 1024
_TOLD_FAILURES = 100
_RATE_WINDOW_S = 60.0


@dataclass(frozen=True, slots=True)
class Failure:
    """A product that could not be embedded."""

    product_id: str
    error: LookalikeError


class Progress:
    """How far a filling is; read by whoever wants to know while it goes on."""

    def __init__(self) -> None:
        self.lacking = 0
        self.written = 0
        self._failures: dict[str, tuple[int, Failure]] = {}
        self._images: deque[tuple[float, int]] = deque()

    @property
    def failures(self) -> list[Failure]:
        """At most a hundred of them."""
        return [failure for _, failure in [*self._failures.values()][:_TOLD_FAILURES]]

    @property
    def failed(self) -> int:
        return len(self._failures)

    def has_failed(self, product: LackingProduct) -> bool:
        """Whether just this write of the product failed before."""
        failed = self._failures.get(product.product_id)
        return failed is not None and failed[0] == product.version

    def images_per_second(self) -> float:
        """Over the last minute; 0 while nothing is known."""
        now = time.monotonic()
        while self._images and now - self._images[0][0] > _RATE_WINDOW_S:
            self._images.popleft()
        if len(self._images) < 2:
            return 0.0
        return sum(count for _, count in self._images) / max(now - self._images[0][0], 0.1)

    def embedded(self, images: int) -> None:
        self._images.append((time.monotonic(), images))

    def done(self, product: LackingProduct) -> None:
        self.written += 1
        self.lacking = max(0, self.lacking - 1)
        self._failures.pop(product.product_id, None)

    def fail(self, product: LackingProduct, error: LookalikeError) -> None:
        self._failures[product.product_id] = (product.version, Failure(product.product_id, error))


class SpaceFiller:
    """Asks the index which products lack vectors in a space, embeds them, and writes them there.

    Nothing is remembered but in the index: whoever begins again goes on where it stopped.

    Args:
      products_in_flight: at once.
      timeout_s: for one attempt of one call to the indexer.
    """

    def __init__(
        self,
        spaces: Spaces,
        reembedder: Reembedder,
        patience: Patience,
        *,
        products_in_flight: int,
        timeout_s: float,
    ) -> None:
        self._spaces = spaces
        self._reembedder = reembedder
        self._patience = patience
        self._in_flight = products_in_flight
        self._timeout_s = timeout_s

    async def fill(self, version: str, progress: Progress) -> None:
        """Returns when no product lacks vectors that could get them; the rest are failures.

        Raises:
          LookalikeError: SPACE_NOT_FOUND, it was dropped; or a service was away for longer than
            patience lasts.
        """
        writes: Coalescer[tuple[LackingProduct, SpaceVectors], bool] = Coalescer(
            lambda found: self._write(version, found),
            max_items=_WRITE_PRODUCTS,
            max_weight=_WRITE_BYTES,
            weigh=_size_bytes,
        )
        try:
            # What was written to meanwhile lacks them anew, so there are passes until one has
            # nothing new to do.
            while await self._pass(version, writes, progress):
                pass
        finally:
            await writes.close()

    async def _pass(
        self,
        version: str,
        writes: Coalescer[tuple[LackingProduct, SpaceVectors], bool],
        progress: Progress,
    ) -> bool:
        after, worked = "", False
        slots = asyncio.Semaphore(self._in_flight)
        while True:
            page = await self._page(version, after)
            progress.lacking = page.total
            tried = [one for one in page.products if not progress.has_failed(one)]
            try:
                async with asyncio.TaskGroup() as group:
                    for product in tried:
                        await slots.acquire()
                        task = group.create_task(self._bring(version, product, writes, progress))
                        task.add_done_callback(lambda _: slots.release())
            except BaseExceptionGroup as errors:
                raise errors.exceptions[0] from errors
            worked = worked or bool(tried)
            if len(page.products) < _PAGE:
                return worked
            after = page.products[-1].product_id

    async def _page(self, version: str, after: str) -> LackingPage:
        return await self._patience.call(
            "indexer",
            lambda: self._spaces.lacking(
                version, after, page_size=_PAGE, timeout_s=self._timeout_s
            ),
        )

    async def _bring(
        self,
        version: str,
        product: LackingProduct,
        writes: Coalescer[tuple[LackingProduct, SpaceVectors], bool],
        progress: Progress,
    ) -> None:
        try:
            vectors = await self._reembedder.vectors(product.image_sha256s, version)
        except LookalikeError as error:
            if is_silence(error):
                raise
            progress.fail(product, error)
            return
        progress.embedded(len(product.image_sha256s))
        if await writes.submit((product, vectors)):
            progress.done(product)

    async def _write(
        self, version: str, found: Sequence[tuple[LackingProduct, SpaceVectors]]
    ) -> list[bool]:
        written = await self._patience.call(
            "indexer", lambda: self._spaces.put(version, found, timeout_s=self._timeout_s)
        )
        return [product.product_id in written for product, _ in found]


def _size_bytes(found: tuple[LackingProduct, SpaceVectors]) -> int:
    return 500 + sum(100 + len(one.values_f32) for image in found[1].images for one in image)
