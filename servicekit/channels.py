"""Calling other services: channels whose stubs raise typed errors, and deadlines handed on."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Generator, Iterable, Sequence
from types import TracebackType
from typing import Any, Final

import grpc

from servicekit import errors, logs, status

DEFAULT_TIMEOUT_S: Final = 30.0


def open_channel(
    target: str,
    *,
    max_message_bytes: int = 64 * 1024 * 1024,
    retry_reads: Sequence[str] = (),
    keepalive_s: float = 20.0,
    default_timeout_s: float = DEFAULT_TIMEOUT_S,
) -> "TypedChannel":
    """Opens a channel; it connects lazily and again after every loss.

    Stubs over it raise LookalikeError instead of grpc.RpcError, forward the request id, and give
    every unary call a deadline.

    Args:
      target: `host:port`, or any gRPC name; several addresses behind one name share the calls.
      retry_reads: methods that are safe to repeat, as `package.Service/Method`; they are repeated
        up to twice when the service is UNAVAILABLE.
      keepalive_s: how soon a peer that vanished without a word is noticed.
      default_timeout_s: for unary calls that name no timeout of their own.
    """
    options = [
        ("grpc.max_send_message_length", max_message_bytes),
        ("grpc.max_receive_message_length", max_message_bytes),
        ("grpc.keepalive_time_ms", round(keepalive_s * 1000)),
        ("grpc.keepalive_timeout_ms", 5_000),
        ("grpc.keepalive_permit_without_calls", 1),
        ("grpc.http2.max_pings_without_data", 0),
        # A service that restarts is back in a second; gRPC's own schedule would wait for minutes.
        ("grpc.initial_reconnect_backoff_ms", 100),
        ("grpc.min_reconnect_backoff_ms", 500),
        ("grpc.max_reconnect_backoff_ms", 2_000),
        # Services are reached directly, whatever http_proxy says about the world outside.
        ("grpc.enable_http_proxy", 0),
        ("grpc.service_config", json.dumps(_service_config(retry_reads))),
    ]
    return TypedChannel(grpc.aio.insecure_channel(target, options=options), default_timeout_s)


def remaining(context: Any, margin_s: float = 0.05, *, at_most_s: float = 60.0) -> float:
    """Seconds for an upstream call: what the caller has left, minus a margin to answer in.

    Args:
      at_most_s: the bound where the caller set no deadline or a far one.

    Raises:
      DeadlineExceeded: nothing is left.
    """
    left_s = context.time_remaining()
    if left_s is None:
        return at_most_s
    if left_s <= margin_s:
        raise errors.DeadlineExceeded(
            "The deadline leaves no time for the call.", reason="DEADLINE_PASSED"
        )
    return min(float(left_s) - margin_s, at_most_s)


def deadline(context: Any, margin_s: float = 0.0) -> float | None:
    """The caller's deadline on time.monotonic()'s clock, as MicroBatcher.submit takes it."""
    left_s = context.time_remaining()
    return None if left_s is None else time.monotonic() + float(left_s) - margin_s


def _service_config(retry_reads: Sequence[str]) -> dict[str, Any]:
    config: dict[str, Any] = {"loadBalancingConfig": [{"round_robin": {}}]}
    if retry_reads:
        names = [name.split("/") for name in retry_reads]
        config["methodConfig"] = [
            {
                "name": [{"service": service, "method": method} for service, method in names],
                "retryPolicy": {
                    "maxAttempts": 3,
                    "initialBackoff": "0.05s",
                    "maxBackoff": "0.5s",
                    "backoffMultiplier": 2,
                    "retryableStatusCodes": ["UNAVAILABLE"],
                },
            }
        ]
    return config


class TypedChannel(grpc.aio.Channel):  # type: ignore[misc]
    """A channel whose calls speak the typed tree.

    Not client interceptors: those of grpc.aio cost a task for each call, and their stream calls
    lose exceptions that are not RpcErrors.
    """

    def __init__(self, channel: Any, default_timeout_s: float = DEFAULT_TIMEOUT_S) -> None:
        self._channel = channel
        self._default_timeout_s = default_timeout_s

    def unary_unary(self, *args: Any, **kwargs: Any) -> Callable[..., Awaitable[Any]]:
        invoke = self._channel.unary_unary(*args, **kwargs)

        async def call(request: Any, **options: Any) -> Any:
            if options.get("timeout") is None:
                options["timeout"] = self._default_timeout_s
            try:
                return await invoke(request, **_with_request_id(options))
            except grpc.RpcError as error:
                raise _as_typed(error) from error

        return call

    def unary_stream(self, *args: Any, **kwargs: Any) -> Callable[..., "TypedStream"]:
        invoke = self._channel.unary_stream(*args, **kwargs)

        def call(request: Any, **options: Any) -> TypedStream:
            return TypedStream(invoke(request, **_with_request_id(options)))

        return call

    def stream_unary(self, *args: Any, **kwargs: Any) -> Callable[..., "TypedStream"]:
        return self._with_requests(self._channel.stream_unary(*args, **kwargs))

    def stream_stream(self, *args: Any, **kwargs: Any) -> Callable[..., "TypedStream"]:
        return self._with_requests(self._channel.stream_stream(*args, **kwargs))

    def _with_requests(self, invoke: Callable[..., Any]) -> Callable[..., "TypedStream"]:
        def call(request_iterator: Any = None, **options: Any) -> TypedStream:
            if request_iterator is None:
                return TypedStream(invoke(**_with_request_id(options)))
            requests = _Requests(request_iterator)
            return TypedStream(invoke(aiter(requests), **_with_request_id(options)), requests)

        return call

    async def close(self, grace: float | None = None) -> None:
        await self._channel.close(grace)

    def get_state(self, try_to_connect: bool = False) -> Any:
        return self._channel.get_state(try_to_connect)

    async def wait_for_state_change(self, last_observed_state: Any) -> None:
        await self._channel.wait_for_state_change(last_observed_state)

    async def channel_ready(self) -> None:
        await self._channel.channel_ready()

    async def __aenter__(self) -> "TypedChannel":
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.close()


class TypedStream:
    """A streaming call: everything of the grpc.aio call, with typed errors.

    Iterate over it, or read() and write(); await it for the response of a client stream.
    """

    def __init__(self, call: Any, requests: "_Requests | None" = None) -> None:
        self._call = call
        self._requests = requests
        self._cancelled_here = False

    def __getattr__(self, name: str) -> Any:
        return getattr(self._call, name)

    def cancel(self) -> bool:
        self._cancelled_here = True
        return bool(self._call.cancel())

    async def read(self) -> Any:
        return await self._typed(self._call.read())

    async def write(self, message: Any) -> None:
        await self._typed(self._call.write(message))

    async def done_writing(self) -> None:
        await self._typed(self._call.done_writing())

    def __await__(self) -> Generator[Any, None, Any]:
        return self._typed(self._call).__await__()

    async def __aiter__(self) -> AsyncIterator[Any]:
        messages = aiter(self._call)
        try:
            while True:
                try:
                    message = await self._typed(anext(messages))
                except StopAsyncIteration:
                    return
                yield message
        finally:
            if not self._call.done():
                self._call.cancel()

    async def _typed(self, awaitable: Awaitable[Any]) -> Any:
        try:
            return await awaitable
        except grpc.RpcError as error:
            raise self._requests_error() or _as_typed(error) from error
        except asyncio.CancelledError as error:
            task = asyncio.current_task()
            if self._cancelled_here or (task is not None and task.cancelling() > 0):
                raise
            # grpc.aio raises the same when the other side ended the stream as CANCELLED; in a
            # TaskGroup that would pass for our own cancellation and nobody would be told.
            raise self._requests_error() or _cancelled_there() from error

    def _requests_error(self) -> BaseException | None:
        return None if self._requests is None else self._requests.error


class _Requests:
    """Hands request messages on and remembers what their source raised: gRPC only logs it, and
    cancels the call."""

    def __init__(self, source: Any) -> None:
        self._source = source
        self.error: Exception | None = None

    async def __aiter__(self) -> AsyncIterator[Any]:
        try:
            if hasattr(self._source, "__aiter__"):
                async for message in self._source:
                    yield message
            else:
                for message in self._source:
                    yield message
        except Exception as error:
            self.error = error
            raise


def _as_typed(error: grpc.RpcError) -> errors.LookalikeError:
    typed = status.from_rpc_error(error)
    return _cancelled_there() if isinstance(typed, errors.Cancelled) else typed


def _cancelled_there() -> errors.Unavailable:
    # We did not cancel, so the service did: it ends, and its next start may answer.
    return errors.Unavailable("The service cancelled the call.", reason="UPSTREAM_UNAVAILABLE")


def _with_request_id(options: dict[str, Any]) -> dict[str, Any]:
    current = logs.request_id.get()
    given: Iterable[tuple[str, str | bytes]] = options.get("metadata") or ()
    if current and all(key != status.REQUEST_ID_KEY for key, _ in given):
        options["metadata"] = (*given, (status.REQUEST_ID_KEY, current))
    return options
