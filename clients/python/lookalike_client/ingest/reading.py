"""Reads products ahead of their sending, in threads, within a budget."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator
from concurrent.futures import Executor

from lookalike_client.ingest.feeds import Feed
from lookalike_client.ingest.loading import Limits, Loaded, load, measure
from lookalike_client.ingest.window import ReadAhead

_Entry = tuple[int, int, asyncio.Future[Loaded]] | Exception | None
"""Sequence, bytes taken from the budget and product; or why there is none; or the end."""


async def read_ahead(
    feed: Feed, after: int, *, room: ReadAhead, limits: Limits, pool: Executor
) -> AsyncGenerator[tuple[int, Loaded], None]:
    """Yields the products behind `after` in order, with their sequence.

    A product's room is given back when the next one is asked for, so the caller sends it first.
    Close the iterator (contextlib.aclosing): it owns a task.

    Raises:
      Exception: what the feed raised.
    """
    entries: asyncio.Queue[_Entry] = asyncio.Queue()
    producer = asyncio.create_task(_start_loading(feed, after, room, limits, pool, entries))
    try:
        while (entry := await entries.get()) is not None:
            if isinstance(entry, Exception):
                raise entry
            sequence, size_bytes, loaded = entry
            yield sequence, await loaded
            room.give(size_bytes)
    finally:
        producer.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await producer
        while not entries.empty():
            if isinstance(rest := entries.get_nowait(), tuple):
                rest[2].cancel()


async def _start_loading(
    feed: Feed,
    after: int,
    room: ReadAhead,
    limits: Limits,
    pool: Executor,
    entries: asyncio.Queue[_Entry],
) -> None:
    loop = asyncio.get_running_loop()
    sequence = after
    try:
        while (product := await feed.get(sequence + 1)) is not None:
            sequence += 1
            size_bytes = await loop.run_in_executor(pool, measure, product, limits)
            await room.take(size_bytes)
            loaded = loop.run_in_executor(pool, load, product, limits)
            entries.put_nowait((sequence, size_bytes, loaded))
    except Exception as error:  # raised where the products are awaited
        entries.put_nowait(error)
    else:
        entries.put_nowait(None)
