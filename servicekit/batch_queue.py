"""What waits for a batch: two lanes with bounds and shares. A data structure; it never awaits."""

import asyncio
import math
from collections import OrderedDict
from dataclasses import dataclass
from enum import StrEnum
from typing import Generic, TypeVar

Item = TypeVar("Item")
Out = TypeVar("Out")


class Lane(StrEnum):
    """Who is waiting: a person (served first) or a catalogue."""

    ONLINE = "online"
    INGEST = "ingest"


@dataclass(slots=True, eq=False)
class Entry(Generic[Item, Out]):
    """One item on its way, with the future of whoever waits for it.

    Attributes:
      size_bytes: what the item counts for in the queue's bound on bytes.
      queued_at: seconds on time.monotonic()'s clock.
      deadline: the same clock; None: no deadline.
    """

    item: Item
    size_bytes: int
    lane: Lane
    future: "asyncio.Future[Out]"
    queued_at: float
    deadline: float | None


class BatchQueue(Generic[Item, Out]):
    """Two first-in-first-out lanes under one bound in items and one in bytes.

    Args:
      max_items, max_bytes: the bounds over both lanes together.
      online_reserve: the fraction of both bounds that ingest may not occupy.
      ingest_share: while both lanes wait, this fraction of the items taken is ingest's.
      mix_lanes: whether a batch led by online items is topped up with ingest ones. Right where a
        larger batch costs little (a GPU); on a CPU it makes the online caller pay for the others.
    """

    def __init__(
        self,
        *,
        max_items: int,
        max_bytes: int,
        online_reserve: float,
        ingest_share: float,
        mix_lanes: bool,
    ) -> None:
        if max_items < 1 or max_bytes < 1:
            raise ValueError("a queue holds at least one item and one byte")
        if not 0 <= online_reserve < 1 or not 0 <= ingest_share <= 0.5:
            raise ValueError("online_reserve is below 1, ingest_share at most one half")
        self._max_items = max_items
        self._max_bytes = max_bytes
        # Even the smallest queue lets one ingest item in, or ingest could never run at all.
        self._max_ingest_items = max(1, max_items - math.ceil(online_reserve * max_items))
        self._max_ingest_bytes = max(1, max_bytes - math.ceil(online_reserve * max_bytes))
        self._ingest_share = ingest_share
        self._mix_lanes = mix_lanes
        # Ordered dictionaries, because cancelled entries leave from the middle.
        self._lanes: dict[Lane, OrderedDict[int, Entry[Item, Out]]] = {
            lane: OrderedDict() for lane in Lane
        }
        self._bytes = dict.fromkeys(Lane, 0)
        self._ingest_credit = 0.0

    def __len__(self) -> int:
        return sum(len(lane) for lane in self._lanes.values())

    @property
    def size_bytes(self) -> int:
        return sum(self._bytes.values())

    def lane_items(self, lane: Lane) -> int:
        return len(self._lanes[lane])

    def lane_bytes(self, lane: Lane) -> int:
        return self._bytes[lane]

    def could_ever_fit(self, lane: Lane, size_bytes: int) -> bool:
        """Whether an empty queue would take an item of this size."""
        return size_bytes <= (self._max_ingest_bytes if lane is Lane.INGEST else self._max_bytes)

    def fits(self, lane: Lane, size_bytes: int) -> bool:
        """Whether the lane has room now."""
        if len(self) + 1 > self._max_items or self.size_bytes + size_bytes > self._max_bytes:
            return False
        return lane is Lane.ONLINE or (
            len(self._lanes[lane]) + 1 <= self._max_ingest_items
            and self._bytes[lane] + size_bytes <= self._max_ingest_bytes
        )

    def put(self, entry: Entry[Item, Out]) -> None:
        self._lanes[entry.lane][id(entry)] = entry
        self._bytes[entry.lane] += entry.size_bytes

    def discard(self, entry: Entry[Item, Out]) -> bool:
        """Takes one entry out of turn; False if it is not here."""
        if self._lanes[entry.lane].pop(id(entry), None) is None:
            return False
        self._bytes[entry.lane] -= entry.size_bytes
        return True

    def oldest_queued_at(self) -> float | None:
        """When the longest-waiting entry came in; None if nothing waits."""
        heads = [next(iter(lane.values())).queued_at for lane in self._lanes.values() if lane]
        return min(heads, default=None)

    def take(self, max_items: int, max_bytes: int | None) -> list[Entry[Item, Out]]:
        """Removes the next batch: at least one entry if any waits, however large that one is."""
        online, ingest = self._lanes[Lane.ONLINE], self._lanes[Lane.INGEST]
        batch: list[Entry[Item, Out]] = []
        if online and ingest and self._ingest_credit >= 1:
            self._move(ingest, batch, min(max_items, int(self._ingest_credit)), max_bytes)
        if self._mix_lanes or not batch:
            self._move(online, batch, max_items, max_bytes)
        if self._mix_lanes or not batch:
            self._move(ingest, batch, max_items, max_bytes)
        self._settle_credit(batch, max_items)
        return batch

    def drain(self) -> list[Entry[Item, Out]]:
        """Removes everything."""
        entries = []
        while len(self):
            entries += self.take(len(self), None)
        return entries

    def _move(
        self,
        lane: OrderedDict[int, Entry[Item, Out]],
        batch: list[Entry[Item, Out]],
        max_items: int,
        max_bytes: int | None,
    ) -> None:
        taken = sum(entry.size_bytes for entry in batch)
        while lane and len(batch) < max_items:
            key, entry = next(iter(lane.items()))
            if batch and max_bytes is not None and taken + entry.size_bytes > max_bytes:
                return
            del lane[key]
            self._bytes[entry.lane] -= entry.size_bytes
            taken += entry.size_bytes
            batch.append(entry)

    def _settle_credit(self, batch: list[Entry[Item, Out]], max_items: int) -> None:
        if not self._lanes[Lane.INGEST]:
            self._ingest_credit = 0.0
            return
        online = sum(entry.lane is Lane.ONLINE for entry in batch)
        # share = ingest / (online + ingest), so each online item owes share / (1 - share).
        owed = online * self._ingest_share / (1 - self._ingest_share)
        credit = self._ingest_credit + owed - (len(batch) - online)
        # The extra one keeps the fraction that a full batch leaves over.
        self._ingest_credit = min(max(credit, 0.0), max_items + 1.0)
