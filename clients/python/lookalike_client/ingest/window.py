"""The two windows of an ingest: what the server allows in flight, what is read ahead."""

import asyncio


class Credit:
    """The server's credit, in products and bytes of images. For one sender."""

    def __init__(self, *, products: int, size_bytes: int) -> None:
        self._products = products
        self._bytes = size_bytes
        self._in_flight: set[int] = set()
        self._changed = asyncio.Event()

    async def take(self, sequence: int, size_bytes: int) -> None:
        """Waits until a product may be sent, and takes its credit."""
        while not self._allows(size_bytes):
            self._changed.clear()
            await self._changed.wait()
        self._products -= 1
        self._bytes -= size_bytes
        self._in_flight.add(sequence)

    def give(self, sequence: int, *, products: int, size_bytes: int) -> None:
        """Takes back what a result returns."""
        self._products += products
        self._bytes += size_bytes
        self._in_flight.discard(sequence)
        self._changed.set()

    def settle(self, through: int) -> None:
        """Nothing up to here is in flight any more."""
        self._in_flight = {sequence for sequence in self._in_flight if sequence > through}
        self._changed.set()

    def _allows(self, size_bytes: int) -> bool:
        if self._products < 1:
            return False
        # A single product larger than all credit may go when nothing else is under way.
        return size_bytes <= self._bytes or not self._in_flight


class ReadAhead:
    """A budget of products and bytes held in memory before they are sent. For one taker."""

    def __init__(self, *, products: int, size_bytes: int) -> None:
        self._products = products
        self._bytes = size_bytes
        self._held = 0
        self._changed = asyncio.Event()

    async def take(self, size_bytes: int) -> None:
        """Waits for room. One item larger than the budget gets it when nothing else is held."""
        while self._held and (self._products < 1 or size_bytes > self._bytes):
            self._changed.clear()
            await self._changed.wait()
        self._products -= 1
        self._bytes -= size_bytes
        self._held += 1

    def give(self, size_bytes: int) -> None:
        """Gives room back."""
        self._products += 1
        self._bytes += size_bytes
        self._held -= 1
        self._changed.set()
