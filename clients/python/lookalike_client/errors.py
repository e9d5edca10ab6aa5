"""Everything that this package raises, as one tree.

    LookalikeError
    ├── SourceError              a catalogue that cannot be read at all
    ├── ProtocolError            the server broke the contract
    ├── IngestError              an ingest ended early; `summary` tells how far it got
    │   ├── StreamUnavailable    the stream stayed unavailable for too long
    │   ├── StreamFenced         the same stream was opened elsewhere
    │   └── StreamRefused        the server ended the stream for good
    └── ApiError                 a call failed: `code`, `reason`, `metadata`, …
        ├── InvalidArgument
        ├── NotFound
        ├── AlreadyExists
        ├── PermissionDenied
        ├── FailedPrecondition
        ├── Aborted
        ├── ResourceExhausted
        ├── DeadlineExceeded
        ├── Cancelled
        ├── Unimplemented
        ├── InternalError
        └── Unavailable
            └── ConnectError     nobody answers at the address

Branch on the class, or on `reason` (a value of lookalike.type.v1.ErrorReason without its prefix),
never on message texts.
"""

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Final, Protocol

import grpc
from google.protobuf.message import DecodeError
from google.rpc import error_details_pb2, status_pb2

if TYPE_CHECKING:
    from lookalike_client.ingest.results import IngestSummary

_DETAILS_KEY: Final = "grpc-status-details-bin"
_REQUEST_ID_KEY: Final = "x-request-id"


class LookalikeError(Exception):
    """The root of the tree.

    Attributes:
      message: one sentence for people.
    """

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


class SourceError(LookalikeError):
    """A catalogue that cannot be read at all: no such path, a header without `product_id`."""


class ProtocolError(LookalikeError):
    """The server sent what the contract does not allow."""


class ApiError(LookalikeError):
    """A call that failed.

    Attributes:
      code: the gRPC status code.
      reason: why, as a name of lookalike.type.v1.ErrorReason; empty if the server gave none (the
        failure then happened on the way, not in Lookalike).
      metadata: the values that the message mentions, by name.
      field: the path of the request's field at fault, if the server named one.
      retry_after_s: seconds after which the same call may succeed; None: not said.
      request_id: finds the call in the server's logs; empty if it never got there.
    """

    def __init__(
        self,
        message: str,
        *,
        code: grpc.StatusCode,
        reason: str = "",
        metadata: Mapping[str, str] | None = None,
        field: str | None = None,
        retry_after_s: float | None = None,
        request_id: str = "",
    ) -> None:
        super().__init__(message)
        self.code = code
        self.reason = reason
        self.metadata: Mapping[str, str] = MappingProxyType(dict(metadata or {}))
        self.field = field
        self.retry_after_s = retry_after_s
        self.request_id = request_id


class InvalidArgument(ApiError):
    """A bad field, an undecodable image: wrong whatever the state of the system."""


class NotFound(ApiError):
    """The product, image or garment does not exist."""


class AlreadyExists(ApiError):
    """What was to be created exists."""


class PermissionDenied(ApiError):
    """The caller may not do this."""


class FailedPrecondition(ApiError):
    """The system is not in the state that the call needs."""


class Aborted(ApiError):
    """Lost against a concurrent change."""


class ResourceExhausted(ApiError):
    """A queue, a credit or a size limit is used up."""


class DeadlineExceeded(ApiError):
    """The deadline passed first."""


class Cancelled(ApiError):
    """The other side cancelled the call."""


class Unimplemented(ApiError):
    """The server has no such method or option."""


class InternalError(ApiError):
    """A bug in the server; `request_id` finds its cause in the log."""


class Unavailable(ApiError):
    """The service warms up, drains, or misses what it needs."""


class ConnectError(Unavailable):
    """Nobody answers at the address, or the connection broke."""


class IngestError(LookalikeError):
    """An ingest that ended early. What has a result is stored; the same ingest goes on there.

    Attributes:
      summary: what became of the products up to then.
      cause: the failure of the stream.
    """

    def __init__(self, message: str, *, summary: "IngestSummary", cause: LookalikeError) -> None:
        super().__init__(message)
        self.summary = summary
        self.cause = cause


class StreamUnavailable(IngestError):
    """The stream stayed unavailable for too long."""


class StreamFenced(IngestError):
    """The same stream was opened elsewhere, which ends this one."""


class StreamRefused(IngestError):
    """The server ended the stream for a reason that trying again does not cure."""


_CLASSES: Final[Mapping[grpc.StatusCode, type[ApiError]]] = {
    grpc.StatusCode.CANCELLED: Cancelled,
    grpc.StatusCode.INVALID_ARGUMENT: InvalidArgument,
    grpc.StatusCode.OUT_OF_RANGE: InvalidArgument,
    grpc.StatusCode.DEADLINE_EXCEEDED: DeadlineExceeded,
    grpc.StatusCode.NOT_FOUND: NotFound,
    grpc.StatusCode.ALREADY_EXISTS: AlreadyExists,
    grpc.StatusCode.PERMISSION_DENIED: PermissionDenied,
    grpc.StatusCode.UNAUTHENTICATED: PermissionDenied,
    grpc.StatusCode.RESOURCE_EXHAUSTED: ResourceExhausted,
    grpc.StatusCode.FAILED_PRECONDITION: FailedPrecondition,
    grpc.StatusCode.ABORTED: Aborted,
    grpc.StatusCode.UNIMPLEMENTED: Unimplemented,
    grpc.StatusCode.UNAVAILABLE: Unavailable,
}
_BY_NUMBER: Final[Mapping[int, grpc.StatusCode]] = {code.value[0]: code for code in grpc.StatusCode}


class _FailedCall(Protocol):
    # What grpc.Call and grpc.aio.AioRpcError have in common.
    def code(self) -> grpc.StatusCode: ...
    def details(self) -> str | None: ...
    def trailing_metadata(self) -> Iterable[tuple[str, str | bytes]] | None: ...


def from_call(call: _FailedCall, *, server: str) -> ApiError:
    """Reads a failed call, the details in its trailers included.

    Args:
      call: what a stub raised (sync or async).
      server: the address, for the message of a ConnectError.
    """
    code, status, request_id = call.code(), None, ""
    for key, value in call.trailing_metadata() or ():
        if key == _DETAILS_KEY and isinstance(value, bytes):
            status = _parsed(value)
        elif key == _REQUEST_ID_KEY:
            request_id = value.decode("utf-8", "replace") if isinstance(value, bytes) else value
    # A status whose code disagrees with the call's was written by somebody in between.
    if status is not None and status.code == code.value[0]:
        return from_status(status, request_id=request_id)
    message = call.details() or code.name
    if code is grpc.StatusCode.UNAVAILABLE:
        # gRPC tells every address it tried; the plain cause stands last.
        cause = message.rpartition(": ")[2]
        return ConnectError(
            f"No connection to {server}: {cause}.", code=code, request_id=request_id
        )
    return _CLASSES.get(code, InternalError)(message, code=code, request_id=request_id)


def from_status(status: status_pb2.Status, *, request_id: str = "") -> ApiError:
    """Reads a google.rpc.Status, of a call or of an item in a message."""
    code = _BY_NUMBER.get(status.code, grpc.StatusCode.UNKNOWN)
    info = error_details_pb2.ErrorInfo()
    retry = error_details_pb2.RetryInfo()
    bad = error_details_pb2.BadRequest()
    retry_after_s: float | None = None
    field: str | None = None
    for detail in status.details:
        if detail.Unpack(retry):
            retry_after_s = retry.retry_delay.ToNanoseconds() / 1e9
        elif detail.Unpack(bad):
            field = bad.field_violations[0].field if bad.field_violations else None
        else:
            detail.Unpack(info)
    return _CLASSES.get(code, InternalError)(
        status.message or code.name,
        code=code,
        reason=info.reason,
        metadata=dict(info.metadata),
        field=field,
        retry_after_s=retry_after_s,
        request_id=request_id or info.metadata.get("request_id", ""),
    )


def _parsed(value: bytes) -> status_pb2.Status | None:
    try:
        return status_pb2.Status.FromString(value)
    except DecodeError:  # some proxy's own trailer
        return None
