"""What an upstream's silence means to whoever asked us."""

from collections.abc import AsyncIterable, AsyncIterator, Awaitable
from typing import TypeVar

from servicekit.errors import Cancelled, Internal, LookalikeError, Unavailable
from servicekit.status import INTERNAL_TEXT

Message = TypeVar("Message")


async def answer(service: str, call: Awaitable[Message]) -> Message:
    """A call's response.

    Raises:
      LookalikeError: what the service said; UPSTREAM_UNAVAILABLE where nobody did.
    """
    try:
        return await call
    except LookalikeError as error:
        if _nobody_said_it(error):
            raise _silence(service) from error
        raise


async def answers(service: str, call: AsyncIterable[Message]) -> AsyncIterator[Message]:
    """A stream's responses; raises as `answer`."""
    try:
        async for message in call:
            yield message
    except LookalikeError as error:
        if _nobody_said_it(error):
            raise _silence(service) from error
        raise


def _silence(service: str) -> Unavailable:
    return Unavailable(
        f"The {service} does not answer.",
        reason="UPSTREAM_UNAVAILABLE",
        metadata={"service": service},
        retry_after_s=1.0,
    )


def _nobody_said_it(error: LookalikeError) -> bool:
    """Whether gRPC made the status itself, because the connection broke: a process that is killed
    in the middle of an answer shows as UNAVAILABLE, CANCELLED, UNKNOWN or INTERNAL, by chance."""
    if isinstance(error, Cancelled):
        return True
    if isinstance(error, Unavailable):
        return error.reason == "UPSTREAM_UNAVAILABLE" and "service" not in error.metadata
    return isinstance(error, Internal) and error.message != INTERNAL_TEXT
