"""Typed errors to google.rpc.Status and back, for whole calls and for items inside a message.

Every status carries exactly one ErrorInfo, plus BadRequest, RetryInfo, ResourceInfo or
PreconditionFailure where they help (AIP-193).
"""

import asyncio
from collections.abc import Iterable, Iterator
from typing import Any, Final, NoReturn

import grpc
from google.protobuf import duration_pb2
from google.rpc import error_details_pb2, status_pb2

from servicekit import errors, logs
from servicekit.errors import Code, LookalikeError

DOMAIN: Final = "lookalike.dev"
INTERNAL_TEXT: Final = "Internal error; the server's log has the cause under this request id."
DETAILS_KEY: Final = "grpc-status-details-bin"
REQUEST_ID_KEY: Final = "x-request-id"

# HTTP/2 peers refuse header blocks above 8 KiB, the message is sent twice (percent-encoded, and in
# base64), so what a client may have put into it is cut here.
_MAX_MESSAGE_BYTES = 1_000
_MAX_VALUE_BYTES = 200
_MAX_METADATA_ENTRIES = 8

_CLASSES: Final[dict[int, type[LookalikeError]]] = {
    Code.CANCELLED: errors.Cancelled,
    Code.UNKNOWN: errors.Internal,
    Code.INVALID_ARGUMENT: errors.InvalidArgument,
    Code.DEADLINE_EXCEEDED: errors.DeadlineExceeded,
    Code.NOT_FOUND: errors.NotFound,
    Code.ALREADY_EXISTS: errors.AlreadyExists,
    Code.PERMISSION_DENIED: errors.PermissionDenied,
    Code.RESOURCE_EXHAUSTED: errors.ResourceExhausted,
    Code.FAILED_PRECONDITION: errors.FailedPrecondition,
    Code.ABORTED: errors.Aborted,
    Code.OUT_OF_RANGE: errors.InvalidArgument,
    Code.UNIMPLEMENTED: errors.Unimplemented,
    Code.INTERNAL: errors.Internal,
    Code.UNAVAILABLE: errors.Unavailable,
    Code.DATA_LOSS: errors.Internal,
    Code.UNAUTHENTICATED: errors.PermissionDenied,
}

# Reasons for statuses that gRPC itself made, or a proxy: they carry no ErrorInfo.
_BARE_REASONS: Final[dict[type[LookalikeError], str]] = {
    errors.Cancelled: "CALL_CANCELLED",
    errors.DeadlineExceeded: "DEADLINE_PASSED",
    errors.Unavailable: "UPSTREAM_UNAVAILABLE",
    errors.Unimplemented: "NOT_SUPPORTED",
    errors.PermissionDenied: "CALL_DISABLED",
    errors.InvalidArgument: "FIELD_INVALID",
}

_GRPC_CODES: Final[dict[int, Any]] = {code.value[0]: code for code in grpc.StatusCode}

# An ErrorInfo's metadata has no place of its own for what a ResourceInfo says; these keys are it.
_RESOURCE_TYPE_KEY = "resource_type"
_RESOURCE_NAME_KEY = "resource_name"


def grpc_code(code: int) -> Any:
    """The grpc.StatusCode of a canonical code's number; UNKNOWN for a number that is none."""
    return _GRPC_CODES.get(code, grpc.StatusCode.UNKNOWN)


def to_status(error: LookalikeError) -> status_pb2.Status:
    """Renders an error for the wire.

    Texts are cut to what fits into trailers. An Internal keeps nothing but the request id: its
    message may name paths, addresses or values that are not the caller's to see. A NotFound or
    AlreadyExists whose metadata holds `resource_type` and `resource_name` gets a ResourceInfo.
    """
    message, metadata = error.message, dict(error.metadata)
    if isinstance(error, errors.Internal):
        message = INTERNAL_TEXT
        known = error.metadata.get("request_id") or logs.request_id.get()
        metadata = {"request_id": known} if known else {}
    message = _cut(message, _MAX_MESSAGE_BYTES)
    status = status_pb2.Status(code=int(error.code), message=message)
    info = error_details_pb2.ErrorInfo(reason=error.reason, domain=DOMAIN)
    for key, value in list(metadata.items())[:_MAX_METADATA_ENTRIES]:
        info.metadata[_cut(key, 64)] = _cut(value, _MAX_VALUE_BYTES)
    status.details.add().Pack(info)
    field = None if error.field is None else _cut(error.field, _MAX_VALUE_BYTES)
    if isinstance(error, errors.InvalidArgument) and field is not None:
        bad = error_details_pb2.BadRequest()
        bad.field_violations.add(field=field, description=_cut(message, _MAX_VALUE_BYTES))
        status.details.add().Pack(bad)
    if isinstance(error, errors.FailedPrecondition):
        failure = error_details_pb2.PreconditionFailure()
        failure.violations.add(
            type=error.reason, subject=field or "", description=_cut(message, _MAX_VALUE_BYTES)
        )
        status.details.add().Pack(failure)
    if (
        isinstance(error, errors.NotFound | errors.AlreadyExists)
        and _RESOURCE_NAME_KEY in info.metadata
    ):
        resource = error_details_pb2.ResourceInfo(
            resource_type=info.metadata.get(_RESOURCE_TYPE_KEY, ""),
            resource_name=info.metadata[_RESOURCE_NAME_KEY],
        )
        status.details.add().Pack(resource)
    if error.retry_after_s is not None:
        delay = duration_pb2.Duration()
        delay.FromNanoseconds(round(max(error.retry_after_s, 0.0) * 1e9))
        status.details.add().Pack(error_details_pb2.RetryInfo(retry_delay=delay))
    return status


def from_status(status: status_pb2.Status) -> LookalikeError:
    """Reads a status, ours or a foreign one, into the tree; a foreign one gets a general reason."""
    cls = _CLASSES.get(status.code, errors.Internal)
    info = error_details_pb2.ErrorInfo()
    retry = error_details_pb2.RetryInfo()
    bad = error_details_pb2.BadRequest()
    failure = error_details_pb2.PreconditionFailure()
    retry_after_s: float | None = None
    field: str | None = None
    for detail in status.details:
        if detail.Unpack(retry):
            retry_after_s = retry.retry_delay.ToNanoseconds() / 1e9
        elif detail.Unpack(bad) and bad.field_violations:
            field = bad.field_violations[0].field
        elif detail.Unpack(failure) and failure.violations:
            field = failure.violations[0].subject or None
        else:
            detail.Unpack(info)
    return cls(
        status.message,
        reason=info.reason or _bare_reason(cls, status.message),
        metadata=dict(info.metadata),
        retry_after_s=retry_after_s,
        field=field,
    )


def from_rpc_error(error: grpc.RpcError) -> LookalikeError:
    """Reads what a stub raised, details in the trailers included, into the tree."""
    for key, value in error.trailing_metadata() or ():
        if key == DETAILS_KEY:
            try:
                status = status_pb2.Status.FromString(value)
            except Exception:  # not a Status: some proxy's own trailer
                break
            # A status whose code disagrees with the call's was not written for this call.
            if status.code == error.code().value[0]:
                return from_status(status)
    return from_status(status_pb2.Status(code=error.code().value[0], message=error.details() or ""))


def from_exception(error: BaseException) -> LookalikeError:
    """Any exception as a typed error: itself, an upstream's, a timeout, or else a bug.

    A group (from a TaskGroup) counts as its first typed error, unless a bug is among its members:
    a bug must not hide behind another task's failure. The original stays as `__cause__`.
    """
    leaves = list(_leaves(error))
    typed = [_typed(leaf) for leaf in leaves]
    for leaf, found in zip(leaves, typed, strict=True):
        if found is None:
            bug = errors.Internal(INTERNAL_TEXT, reason="INTERNAL")
            bug.__cause__ = error if error is leaf else leaf
            return bug
    first = typed[0]
    assert first is not None  # a group is never empty, and no member was a bug
    return first


def _leaves(error: BaseException) -> Iterator[BaseException]:
    if isinstance(error, BaseExceptionGroup):
        for member in error.exceptions:
            yield from _leaves(member)
    else:
        yield error


def _typed(error: BaseException) -> LookalikeError | None:
    if isinstance(error, LookalikeError):
        return error
    found: LookalikeError
    if isinstance(error, grpc.RpcError):
        found = from_rpc_error(error)
    elif isinstance(error, TimeoutError):
        found = errors.DeadlineExceeded(
            "The call's deadline passed before its work was done.", reason="DEADLINE_PASSED"
        )
    elif isinstance(error, asyncio.CancelledError):
        found = errors.Cancelled("The call was cancelled.", reason="CALL_CANCELLED")
    else:
        return None
    found.__cause__ = error
    return found


async def abort(context: Any, error: LookalikeError) -> NoReturn:
    """Ends a call with an error, its details and the request id in the trailers.

    Raises:
      grpc.aio.AbortError: always; it belongs to gRPC, let it pass.
    """
    status = to_status(error)
    trailers = [(DETAILS_KEY, status.SerializeToString())]
    if current := logs.request_id.get():
        trailers.append((REQUEST_ID_KEY, current.encode()))
    trailers.extend(_other(context.trailing_metadata() or (), trailers))
    await context.abort(
        grpc_code(status.code),
        status.message,
        tuple((key, value if key.endswith("-bin") else value.decode()) for key, value in trailers),
    )
    raise AssertionError("abort returned")


def _other(
    before: Iterable[tuple[str, str | bytes]], ours: list[tuple[str, bytes]]
) -> list[tuple[str, bytes]]:
    # `abort` replaces trailers that were set earlier, so they are handed on.
    taken = {key for key, _ in ours}
    return [
        (key, value.encode() if isinstance(value, str) else value)
        for key, value in before
        if key not in taken
    ]


def _bare_reason(cls: type[LookalikeError], message: str) -> str:
    if cls is errors.ResourceExhausted:
        # The core's own sentence for a message above grpc.max_receive_message_length.
        return "MESSAGE_TOO_LARGE" if "larger than max" in message else "QUEUE_FULL"
    return _BARE_REASONS.get(cls, "INTERNAL")


def _cut(text: str, max_bytes: int) -> str:
    # Lone surrogates (a file name from another encoding) cannot be sent as UTF-8.
    data = text.encode("utf-8", "replace")
    if len(data) <= max_bytes:
        return data.decode()
    return data[: max_bytes - 3].decode("utf-8", "ignore") + "…"
