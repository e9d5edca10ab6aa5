"""What a failed call becomes."""

import re

import grpc
import pytest
from google.protobuf import duration_pb2
from google.rpc import error_details_pb2, status_pb2

import lookalike_client
from lookalike_client import ConnectError, InvalidArgument, Unavailable, errors


class Failed:
    """A call as gRPC hands it over."""

    def __init__(
        self,
        code: grpc.StatusCode,
        details: str,
        trailers: tuple[tuple[str, str | bytes], ...] = (),
    ) -> None:
        self._code, self._details, self._trailers = code, details, trailers

    def code(self) -> grpc.StatusCode:
        return self._code

    def details(self) -> str:
        return self._details

    def trailing_metadata(self) -> tuple[tuple[str, str | bytes], ...]:
        return self._trailers


def status(code: int) -> status_pb2.Status:
    found = status_pb2.Status(code=code, message="The weight is 0.")
    found.details.add().Pack(
        error_details_pb2.ErrorInfo(reason="FIELD_INVALID", metadata={"weight": "0"})
    )
    bad = error_details_pb2.BadRequest()
    bad.field_violations.add(field="parts[0].weight")
    found.details.add().Pack(bad)
    delay = duration_pb2.Duration(seconds=1, nanos=500_000_000)
    found.details.add().Pack(error_details_pb2.RetryInfo(retry_delay=delay))
    return found


def test_details_in_the_trailers_become_attributes() -> None:
    trailers = (
        ("grpc-status-details-bin", status(3).SerializeToString()),
        ("x-request-id", "r-1"),
    )
    error = errors.from_call(
        Failed(grpc.StatusCode.INVALID_ARGUMENT, "cut", trailers), server="h:1"
    )
    assert type(error) is InvalidArgument
    assert str(error) == error.message == "The weight is 0."
    assert error.reason == "FIELD_INVALID"
    assert error.metadata == {"weight": "0"}
    assert error.field == "parts[0].weight"
    assert error.retry_after_s == 1.5
    assert error.request_id == "r-1"


@pytest.mark.parametrize("trailer", [b"\xff\xff", status(5).SerializeToString()])
def test_foreign_trailers_are_passed_over(trailer: bytes) -> None:
    failed = Failed(
        grpc.StatusCode.INVALID_ARGUMENT, "as told", (("grpc-status-details-bin", trailer),)
    )
    error = errors.from_call(failed, server="h:1")
    assert type(error) is InvalidArgument
    assert (error.message, error.reason) == ("as told", "")


def test_unavailable_without_details_is_a_broken_connection_in_one_sentence() -> None:
    details = "failed to connect to all addresses; last error: UNKNOWN: ipv4:1.2.3.4:5: refused"
    error = errors.from_call(Failed(grpc.StatusCode.UNAVAILABLE, details), server="h:1")
    assert type(error) is ConnectError
    assert isinstance(error, Unavailable)
    assert error.message == "No connection to h:1: refused."


def test_every_code_has_a_class() -> None:
    for code in grpc.StatusCode:
        if code is not grpc.StatusCode.OK:
            error = errors.from_call(Failed(code, ""), server="h:1")
            assert isinstance(error, errors.ApiError)
            assert error.code is code


def test_the_drawn_tree_is_the_tree() -> None:
    drawn: list[tuple[str, str]] = []
    stack: list[str] = []
    for line in (errors.__doc__ or "").splitlines():
        if match := re.match(r"    ([│├└─ ]*)(\w+)", line):
            depth = len(match[1]) // 4
            del stack[depth:]
            drawn.append((match[2], stack[-1] if stack else "Exception"))
            stack.append(match[2])
    classes = {
        name: kind
        for name, kind in vars(errors).items()
        if isinstance(kind, type)
        and issubclass(kind, Exception)
        and kind.__module__ == errors.__name__
    }
    assert sorted(drawn) == sorted((name, kind.__base__.__name__) for name, kind in classes.items())
    assert set(classes) <= set(lookalike_client.__all__)
