"""One connection of the ingest stream, seen from an event loop.

It runs on gRPC's threaded API: in grpc.aio a server's status is lost (and told as INTERNAL,
"Internal error from Core") when a write is under way as the server ends the stream, which is the
usual moment; whoever cannot tell ABORTED from a broken line would go on fighting over the stream.
"""

import asyncio
import functools
import queue
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc

from lookalike.gateway.v1 import ingest_pb2, ingest_pb2_grpc
from lookalike_client import errors


class Duplex:
    """An open call of `IngestService.Ingest`. One task may write while another reads."""

    def __init__(
        self, channel: grpc.Channel, *, server: str, metadata: tuple[tuple[str, str], ...]
    ) -> None:
        self._server = server
        self._loop = asyncio.get_running_loop()
        # Holds at most the message that `write` waits for and the end.
        self._outgoing: queue.SimpleQueue[
            tuple[ingest_pb2.IngestRequest, asyncio.Future[None]] | None
        ] = queue.SimpleQueue()
        self._reader = ThreadPoolExecutor(1, "lookalike-ingest-reader")
        self._writing: asyncio.Future[None] | None = None
        self._call: Any = ingest_pb2_grpc.IngestServiceStub(channel).Ingest(
            self._requests(), metadata=metadata
        )
        self._call.add_done_callback(lambda _: self._from_thread(self._give_up_writing))

    async def write(self, request: ingest_pb2.IngestRequest) -> bool:
        """Hands a message over, and waits until the transport has taken it.

        Returns: False if the call is over; then `read` tells why.
        """
        if not self._call.is_active():
            return False
        taken: asyncio.Future[None] = self._loop.create_future()
        self._writing = taken
        self._outgoing.put((request, taken))
        try:
            # The call may have ended between the question and the entry: its callback came too
            # early to find `taken`.
            if not self._call.is_active():
                return False
            await taken
        except _CallOver:
            return False
        finally:
            self._writing = None
        return True

    def half_close(self) -> None:
        """Tells the server that nothing more comes."""
        self._outgoing.put(None)

    async def read(self) -> ingest_pb2.IngestResponse | None:
        """The server's next message; None when it ended the call with OK.

        Raises:
          ApiError: the call failed.
        """
        try:
            response: ingest_pb2.IngestResponse | None = await self._loop.run_in_executor(
                self._reader, next, self._call, None
            )
        except grpc.RpcError as error:
            raise errors.from_call(error, server=self._server) from error
        return response

    def close(self) -> None:
        """Ends the call, whatever its state, and its threads."""
        self._call.cancel()
        self._outgoing.put(None)
        self._give_up_writing()
        self._reader.shutdown(wait=False)

    def _requests(self) -> Iterator[ingest_pb2.IngestRequest]:
        # gRPC pulls from here in a thread of its own, each time after the transport took the
        # message before: that is the moment to let `write` go on.
        while (entry := self._outgoing.get()) is not None:
            request, taken = entry
            yield request
            del request, entry
            self._from_thread(functools.partial(_settle, taken))

    def _give_up_writing(self) -> None:
        if self._writing is not None and not self._writing.done():
            self._writing.set_exception(_CallOver())
        self._outgoing.put(None)

    def _from_thread(self, callback: Callable[[], object]) -> None:
        try:
            self._loop.call_soon_threadsafe(callback)
        except RuntimeError:  # the loop is gone: nobody waits any more
            return


class _CallOver(Exception):
    """The call ended while a message waited."""


def _settle(taken: asyncio.Future[None]) -> None:
    if not taken.done():
        taken.set_result(None)
