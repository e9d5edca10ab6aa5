"""The one tree of typed errors; it crosses the wire both ways (servicekit/status.py).

Standard library only, so that a service's `domain` may raise these without knowing gRPC.

Source: google/rpc/code.proto for the numbers; protos/lookalike/type/v1/error_reason.proto for
the reasons.
"""

from collections.abc import Mapping
from enum import IntEnum
from types import MappingProxyType
from typing import ClassVar, Final

WARM_UP_FRACTION: Final = "warm_up_fraction"
"""In the metadata of WARMING_UP: the share of the warm-up that is done, 0 to 1, as a decimal."""


class Code(IntEnum):
    """The canonical status codes, with the numbers that gRPC uses."""

    OK = 0
    CANCELLED = 1
    UNKNOWN = 2
    INVALID_ARGUMENT = 3
    DEADLINE_EXCEEDED = 4
    NOT_FOUND = 5
    ALREADY_EXISTS = 6
    PERMISSION_DENIED = 7
    RESOURCE_EXHAUSTED = 8
    FAILED_PRECONDITION = 9
    ABORTED = 10
    OUT_OF_RANGE = 11
    UNIMPLEMENTED = 12
    INTERNAL = 13
    UNAVAILABLE = 14
    DATA_LOSS = 15
    UNAUTHENTICATED = 16


class LookalikeError(Exception):
    """The root of the tree: never raised itself, only its subclasses.

    Attributes:
      message: one sentence for a developer; clients branch on `reason`, never on this.
      reason: a value of lookalike.type.v1.ErrorReason without its ERROR_REASON_ prefix.
      metadata: the values that the message mentions, by name.
      retry_after_s: seconds after which the same call may succeed; None: not said.
      field: the path of the request's field that is at fault, for example `images[2].content`.
    """

    code: ClassVar[Code]

    def __init__(
        self,
        message: str,
        *,
        reason: str,
        metadata: Mapping[str, str] | None = None,
        retry_after_s: float | None = None,
        field: str | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.reason = reason
        self.metadata: Mapping[str, str] = MappingProxyType(dict(metadata or {}))
        self.retry_after_s = retry_after_s
        self.field = field

    @property
    def retryable(self) -> bool:
        """Whether the same call may succeed later.

        A RESOURCE_EXHAUSTED counts only when it says when: a message above the size limit has the
        same code and never passes.
        """
        return self.retry_after_s is not None or self.code in _RETRYABLE

    def __reduce__(self) -> tuple[object, ...]:
        # Exception's own recipe calls cls(*args), which lacks the keyword-only `reason`.
        return (
            _rebuild,
            (
                type(self),
                self.message,
                self.reason,
                dict(self.metadata),
                self.retry_after_s,
                self.field,
            ),
        )


def _rebuild(
    cls: type[LookalikeError],
    message: str,
    reason: str,
    metadata: dict[str, str],
    retry_after_s: float | None,
    field: str | None,
) -> LookalikeError:
    return cls(message, reason=reason, metadata=metadata, retry_after_s=retry_after_s, field=field)


class InvalidArgument(LookalikeError):
    """A bad field, an undecodable image: wrong whatever the state of the system."""

    code = Code.INVALID_ARGUMENT


class NotFound(LookalikeError):
    """The named product, image or stream does not exist."""

    code = Code.NOT_FOUND


class AlreadyExists(LookalikeError):
    """What was to be created exists."""

    code = Code.ALREADY_EXISTS


class FailedPrecondition(LookalikeError):
    """The system is not in the state that the call needs; retrying as it is will not help."""

    code = Code.FAILED_PRECONDITION


class Aborted(LookalikeError):
    """Lost against a concurrent change; retry at a higher level."""

    code = Code.ABORTED


class ResourceExhausted(LookalikeError):
    """A queue, a credit or a size limit is used up."""

    code = Code.RESOURCE_EXHAUSTED


class Unavailable(LookalikeError):
    """Warming up, draining, or something behind this service does not answer."""

    code = Code.UNAVAILABLE


class DeadlineExceeded(LookalikeError):
    """The caller's deadline passed first."""

    code = Code.DEADLINE_EXCEEDED


class Cancelled(LookalikeError):
    """The other side cancelled the call (our own side's cancellation is CancelledError)."""

    code = Code.CANCELLED


class PermissionDenied(LookalikeError):
    """The caller may not do this."""

    code = Code.PERMISSION_DENIED


class Unimplemented(LookalikeError):
    """The server has no such method or option."""

    code = Code.UNIMPLEMENTED


class Internal(LookalikeError):
    """A bug. On the wire the text is constant; the cause goes to the log only."""

    code = Code.INTERNAL


_RETRYABLE = frozenset({Code.UNAVAILABLE, Code.ABORTED, Code.DEADLINE_EXCEEDED})
