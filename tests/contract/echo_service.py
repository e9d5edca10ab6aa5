"""A service of bytes with a method of every kind, whose behaviour the first byte chooses."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import grpc

from servicekit import errors, logs

SERVICE = "test.v1.Echo"


class Echo:
    """Replies with the request id, or misbehaves as it is told."""

    def __init__(self) -> None:
        self.cancelled = asyncio.Event()
        self.started = asyncio.Event()
        self.release = asyncio.Event()

    async def act(self, request: bytes, context: Any) -> bytes:
        match request:
            case b"typed":
                raise errors.ResourceExhausted("full", reason="QUEUE_FULL", retry_after_s=0.5)
            case b"bug":
                raise KeyError("/secret")
            case b"group":
                async with asyncio.TaskGroup() as group:
                    group.create_task(self.act(b"typed", context))
                    group.create_task(asyncio.sleep(60))
            case b"abort":
                await context.abort(grpc.StatusCode.ABORTED, "by hand")
            case b"set_code":
                context.set_code(grpc.StatusCode.DATA_LOSS)
            case b"leak":
                raise asyncio.CancelledError
            case b"wait":
                self.started.set()
                try:
                    await self.release.wait()
                except asyncio.CancelledError:
                    self.cancelled.set()
                    raise
            case b"trailer":
                context.set_trailing_metadata((("x-extra", "1"),))
                raise errors.NotFound("gone", reason="PRODUCT_NOT_FOUND")
            case b"unimplemented":
                context.set_code(grpc.StatusCode.UNIMPLEMENTED)
                raise NotImplementedError("Method not implemented!")
        return request + b" " + logs.request_id.get().encode()

    async def unary(self, request: bytes, context: Any) -> bytes:
        return await self.act(request, context)

    async def many(self, request: bytes, context: Any) -> AsyncIterator[bytes]:
        yield b"first"
        yield await self.act(request, context)

    async def many_by_writing(self, request: bytes, context: Any) -> None:
        await context.write(b"first")
        await context.write(await self.act(request, context))

    async def collect(self, requests: AsyncIterator[bytes], context: Any) -> bytes:
        last = b""
        async for request in requests:
            last = await self.act(request, context)
        return last

    async def converse(self, requests: AsyncIterator[bytes], context: Any) -> AsyncIterator[bytes]:
        async for request in requests:
            yield await self.act(request, context)

    def add_to_server(self, server: grpc.aio.Server) -> None:
        handlers = {
            "Unary": grpc.unary_unary_rpc_method_handler(self.unary),
            "Many": grpc.unary_stream_rpc_method_handler(self.many),
            "ManyByWriting": grpc.unary_stream_rpc_method_handler(self.many_by_writing),
            "Collect": grpc.stream_unary_rpc_method_handler(self.collect),
            "Converse": grpc.stream_stream_rpc_method_handler(self.converse),
        }
        server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE, handlers),))


class EchoStub:
    """A stub of the five methods and of one that does not exist."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        self.unary = channel.unary_unary(f"/{SERVICE}/Unary")
        self.many = channel.unary_stream(f"/{SERVICE}/Many")
        self.many_by_writing = channel.unary_stream(f"/{SERVICE}/ManyByWriting")
        self.collect = channel.stream_unary(f"/{SERVICE}/Collect")
        self.converse = channel.stream_stream(f"/{SERVICE}/Converse")
        self.missing = channel.unary_unary(f"/{SERVICE}/Missing")
