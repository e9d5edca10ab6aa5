"""What happens around every call: request id, admission, typed errors, one log line, metrics."""

import asyncio
import contextlib
import logging
import re
import time
import uuid
from collections.abc import Awaitable, Callable
from typing import Any, Final

import grpc

from servicekit import errors, logs, status
from servicekit.errors import LookalikeError
from servicekit.metrics import ServiceMetrics

_log = logging.getLogger("servicekit.rpc")

_REQUEST_ID = re.compile(r"[A-Za-z0-9._:-]{1,64}")

# Health probes and reflection are answered in every state and would drown the log.
_INFRASTRUCTURE: Final = ("grpc.health.", "grpc.reflection.")

Handler = Callable[[Any, Any], Any]


def new_request_id() -> str:
    return uuid.uuid4().hex


class CallInterceptor(grpc.aio.ServerInterceptor):  # type: ignore[misc]
    """Wraps the handlers of all four kinds.

    A handler raises typed errors, or anything; the caller gets a google.rpc.Status in the trailers.
    The request id comes from `x-request-id` if it is plain, else it is new; it is in every log
    line, goes on to upstreams (servicekit.channels), and comes back in the trailers.

    Args:
      refusal: asked before each call; the error that it returns, if any, is the answer. For a
        service that warms up or drains.
    """

    def __init__(
        self, metrics: ServiceMetrics, refusal: Callable[[], LookalikeError | None]
    ) -> None:
        self._metrics = metrics
        self._refusal = refusal

    async def intercept_service(
        self, continuation: Callable[[Any], Awaitable[Any]], handler_call_details: Any
    ) -> Any:
        method = handler_call_details.method.lstrip("/")
        handler = await continuation(handler_call_details)
        if method.startswith(_INFRASTRUCTURE):
            return handler
        if handler is None:
            # Streams both ways fit every kind of call, as the answer comes before any message.
            return grpc.stream_stream_rpc_method_handler(self._around(method, _no_such_method))
        if handler.request_streaming and handler.response_streaming:
            inner, make = handler.stream_stream, grpc.stream_stream_rpc_method_handler
        elif handler.request_streaming:
            inner, make = handler.stream_unary, grpc.stream_unary_rpc_method_handler
        elif handler.response_streaming:
            inner, make = handler.unary_stream, grpc.unary_stream_rpc_method_handler
        else:
            inner, make = handler.unary_unary, grpc.unary_unary_rpc_method_handler
        return make(
            self._around(method, inner),
            request_deserializer=handler.request_deserializer,
            response_serializer=handler.response_serializer,
        )

    def _around(self, method: str, inner: Handler) -> Handler:
        async def handle(request: Any, context: Any) -> Any:
            began = time.perf_counter()
            request_id = _request_id_of(context)
            token = logs.request_id.set(request_id)
            context.set_trailing_metadata(((status.REQUEST_ID_KEY, request_id),))
            self._metrics.rpc_began(method)
            code, reason, cause = grpc.StatusCode.OK.name, None, None
            try:
                if (refusal := self._refusal()) is not None:
                    raise refusal
                response = await _answer(inner, request, context)
                code = _code_of(context)
                return response
            except grpc.aio.AbortError:
                code = _code_of(context)
                raise
            except BaseException as error:
                if _cancelled_by_caller(error):
                    code = _why_cancelled(context).name
                    raise
                found = _as_typed(error, context)
                code, reason = found.code.name, found.reason
                cause = error if isinstance(found, errors.Internal) else None
                await status.abort(context, found)
            finally:
                seconds = time.perf_counter() - began
                self._metrics.rpc_ended(method, code, seconds)
                _tell(method, code, reason, seconds, context.peer(), cause)
                logs.request_id.reset(token)

        return handle


async def _answer(inner: Handler, request: Any, context: Any) -> Any:
    """One shape for coroutines and async generators: what is yielded is written."""
    result = inner(request, context)
    if not hasattr(result, "__aiter__"):
        return await result
    async with contextlib.aclosing(result) as messages:
        async for message in messages:
            await context.write(message)
    return None


async def _no_such_method(request: Any, context: Any) -> None:
    raise errors.Unimplemented("The server has no such method.", reason="NOT_SUPPORTED")


def _request_id_of(context: Any) -> str:
    for key, value in context.invocation_metadata() or ():
        # Checked, because it goes into logs and back into headers.
        if key == status.REQUEST_ID_KEY and isinstance(value, str) and _REQUEST_ID.fullmatch(value):
            return value
    return new_request_id()


def _code_of(context: Any) -> str:
    """The status set on the context; grpc.aio stores it as an enum's number or not at all."""
    code = context.code()
    if isinstance(code, grpc.StatusCode):
        return str(code.name)
    return str(status.grpc_code(code or 0).name)


def _cancelled_by_caller(error: BaseException) -> bool:
    """Told from a CancelledError that leaked out of something the handler awaited: that one would
    leave the caller without any answer, as grpc.aio sends none after it."""
    task = asyncio.current_task()
    return isinstance(error, asyncio.CancelledError) and task is not None and task.cancelling() > 0


def _why_cancelled(context: Any) -> Any:
    remaining_s = context.time_remaining()
    if remaining_s is not None and remaining_s <= 0:
        return grpc.StatusCode.DEADLINE_EXCEEDED
    return grpc.StatusCode.CANCELLED


def _as_typed(error: BaseException, context: Any) -> LookalikeError:
    if isinstance(error, NotImplementedError) and _code_of(context) == "UNIMPLEMENTED":
        # What generated base classes do in a method that a servicer does not have.
        return errors.Unimplemented("The server has no such method.", reason="NOT_SUPPORTED")
    if isinstance(error, asyncio.CancelledError):
        bug = errors.Internal("a CancelledError leaked", reason="INTERNAL")
        bug.__cause__ = error
        return bug
    return status.from_exception(error)


def _tell(
    method: str,
    code: str,
    reason: str | None,
    seconds: float,
    peer: str,
    cause: BaseException | None,
) -> None:
    extra = {
        "method": method,
        "code": code,
        "latency_ms": round(seconds * 1000, 3),
        "peer": peer,
    }
    if reason is not None:
        extra["reason"] = reason
    if cause is None:
        _log.info("call", extra=extra)
    else:
        _log.error("call failed by a bug", extra=extra, exc_info=cause)
