"""Typed errors cross the wire both ways and lose nothing that a caller needs."""

import asyncio
import copy
import pickle
from typing import Any

import grpc
import pytest
from google.protobuf import any_pb2
from google.rpc import error_details_pb2, status_pb2
from hypothesis import given
from hypothesis import strategies as st

from lookalike.type.v1 import error_reason_pb2
from servicekit import errors, logs, status

CONCRETE = [
    errors.InvalidArgument,
    errors.NotFound,
    errors.AlreadyExists,
    errors.FailedPrecondition,
    errors.Aborted,
    errors.ResourceExhausted,
    errors.Unavailable,
    errors.DeadlineExceeded,
    errors.Cancelled,
    errors.PermissionDenied,
    errors.Unimplemented,
]
REASONS = [
    name.removeprefix("ERROR_REASON_")
    for name in error_reason_pb2.ErrorReason.keys()  # noqa: SIM118
]


def details(message: status_pb2.Status, kind: Any) -> list[Any]:
    found = []
    for detail in message.details:
        value = kind()
        if detail.Unpack(value):
            found.append(value)
    return found


@given(
    cls=st.sampled_from(CONCRETE),
    message=st.text(max_size=200),
    reason=st.sampled_from(REASONS[1:]),
    metadata=st.dictionaries(st.text("abc_", min_size=1, max_size=10), st.text(max_size=40)),
    retry_after_s=st.none() | st.floats(0, 3600),
)
def test_an_error_survives_the_wire_and_back(
    cls: type[errors.LookalikeError],
    message: str,
    reason: str,
    metadata: dict[str, str],
    retry_after_s: float | None,
) -> None:
    metadata = dict(list(metadata.items())[:8])
    sent = cls(message, reason=reason, metadata=metadata, retry_after_s=retry_after_s)
    wire = status_pb2.Status.FromString(status.to_status(sent).SerializeToString())
    back = status.from_status(wire)
    assert type(back) is cls
    assert (back.message, back.reason, dict(back.metadata)) == (message, reason, metadata)
    assert back.retry_after_s == (
        None if retry_after_s is None else pytest.approx(retry_after_s, abs=1e-9)
    )


@given(message=st.text(), reason=st.sampled_from(REASONS[1:]), field=st.none() | st.text())
def test_every_status_has_exactly_one_error_info(
    message: str, reason: str, field: str | None
) -> None:
    for cls in [*CONCRETE, errors.Internal]:
        wire = status.to_status(cls(message, reason=reason, field=field, retry_after_s=1))
        [info] = details(wire, error_details_pb2.ErrorInfo)
        assert info.domain == "lookalike.dev"
        assert info.reason == reason


def test_a_bad_field_is_named() -> None:
    sent = errors.InvalidArgument("k is 0", reason="FIELD_INVALID", field="page_size")
    wire = status.to_status(sent)
    [bad] = details(wire, error_details_pb2.BadRequest)
    assert [(v.field, v.description) for v in bad.field_violations] == [("page_size", "k is 0")]
    assert status.from_status(wire).field == "page_size"


def test_a_missing_resource_is_named() -> None:
    wire = status.to_status(
        errors.NotFound(
            "no such product",
            reason="PRODUCT_NOT_FOUND",
            metadata={"resource_type": "product", "resource_name": "p1"},
        )
    )
    [resource] = details(wire, error_details_pb2.ResourceInfo)
    assert (resource.resource_type, resource.resource_name) == ("product", "p1")


def test_a_failed_precondition_says_which() -> None:
    wire = status.to_status(
        errors.FailedPrecondition("other space", reason="EMBEDDING_VERSION_MISMATCH", field="v")
    )
    [failure] = details(wire, error_details_pb2.PreconditionFailure)
    assert [(v.type, v.subject) for v in failure.violations] == [
        ("EMBEDDING_VERSION_MISMATCH", "v")
    ]
    assert status.from_status(wire).field == "v"


def test_a_bug_tells_the_caller_only_a_request_id() -> None:
    token = logs.request_id.set("abc")
    try:
        wire = status.to_status(
            errors.Internal("/secret/path", reason="INTERNAL", metadata={"path": "/secret"})
        )
    finally:
        logs.request_id.reset(token)
    assert wire.code == grpc.StatusCode.INTERNAL.value[0]
    assert wire.message == status.INTERNAL_TEXT
    assert b"secret" not in wire.SerializeToString()
    assert status.from_status(wire).metadata == {"request_id": "abc"}


def test_an_upstreams_bug_keeps_its_request_id() -> None:
    upstream = errors.Internal("x", reason="INTERNAL", metadata={"request_id": "theirs"})
    assert status.from_status(status.to_status(upstream)).metadata["request_id"] == "theirs"


@given(st.text(min_size=2000, max_size=4000))
def test_what_a_client_wrote_never_outgrows_the_trailers(text: str) -> None:
    wire = status.to_status(
        errors.InvalidArgument(
            text,
            reason="FILTER_INVALID",
            field=text,
            metadata={f"{index}{text}": text for index in range(50)},
        )
    )
    # In trailers: the details in base64, the message once more and percent-encoded.
    assert len(wire.SerializeToString()) * 4 / 3 + len(wire.message.encode()) * 3 < 8192


def test_a_lone_surrogate_can_be_sent() -> None:
    wire = status.to_status(errors.InvalidArgument("name \udcff", reason="FIELD_INVALID"))
    assert wire.message == "name ?"


@pytest.mark.parametrize(
    ("code", "message", "cls", "reason"),
    [
        (14, "Socket closed", errors.Unavailable, "UPSTREAM_UNAVAILABLE"),
        (4, "Deadline Exceeded", errors.DeadlineExceeded, "DEADLINE_PASSED"),
        (12, "Method not found!", errors.Unimplemented, "NOT_SUPPORTED"),
        (8, "Received message larger than max", errors.ResourceExhausted, "MESSAGE_TOO_LARGE"),
        (2, "Unexpected <class 'KeyError'>", errors.Internal, "INTERNAL"),
        (99, "", errors.Internal, "INTERNAL"),
    ],
)
def test_statuses_made_by_grpc_itself_get_a_reason(
    code: int, message: str, cls: type[errors.LookalikeError], reason: str
) -> None:
    found = status.from_status(status_pb2.Status(code=code, message=message))
    assert type(found) is cls
    assert found.reason == reason
    assert found.reason in REASONS


def test_unknown_details_are_passed_over() -> None:
    wire = status.to_status(errors.Aborted("newer", reason="STREAM_FENCED"))
    wire.details.insert(0, any_pb2.Any(type_url="type.googleapis.com/x.Y", value=b"?"))
    assert status.from_status(wire).reason == "STREAM_FENCED"


def test_only_a_size_limit_is_not_worth_retrying_among_exhausted_resources() -> None:
    assert errors.ResourceExhausted("", reason="QUEUE_FULL", retry_after_s=0.1).retryable
    assert not errors.ResourceExhausted("", reason="MESSAGE_TOO_LARGE").retryable
    assert errors.Unavailable("", reason="DRAINING").retryable
    assert not errors.InvalidArgument("", reason="FIELD_INVALID").retryable


def test_an_error_can_be_pickled_and_copied() -> None:
    error = errors.NotFound("gone", reason="PRODUCT_NOT_FOUND", metadata={"id": "1"}, field="f")
    for twin in (pickle.loads(pickle.dumps(error)), copy.copy(error)):
        assert type(twin) is errors.NotFound
        assert (twin.message, twin.reason, twin.metadata, twin.field) == (
            "gone",
            "PRODUCT_NOT_FOUND",
            {"id": "1"},
            "f",
        )


def test_metadata_cannot_be_changed_after_the_fact() -> None:
    given_metadata = {"id": "1"}
    error = errors.NotFound("gone", reason="PRODUCT_NOT_FOUND", metadata=given_metadata)
    given_metadata["id"] = "2"
    assert error.metadata == {"id": "1"}
    with pytest.raises(TypeError):
        error.metadata["id"] = "3"  # type: ignore[index]


def test_any_other_exception_is_a_bug_with_its_cause() -> None:
    cause = KeyError("x")
    found = status.from_exception(cause)
    assert isinstance(found, errors.Internal)
    assert found.__cause__ is cause


def test_timeouts_and_cancellations_are_typed() -> None:
    assert status.from_exception(TimeoutError()).reason == "DEADLINE_PASSED"
    assert status.from_exception(asyncio.CancelledError()).reason == "CALL_CANCELLED"


def test_a_task_groups_error_is_its_first_typed_one_unless_there_is_a_bug() -> None:
    typed = errors.NotFound("gone", reason="PRODUCT_NOT_FOUND")
    later = errors.Aborted("lost", reason="STREAM_FENCED")
    assert status.from_exception(ExceptionGroup("", [typed, later])) is typed
    bug = ZeroDivisionError()
    found = status.from_exception(ExceptionGroup("", [typed, ExceptionGroup("", [bug])]))
    assert isinstance(found, errors.Internal)
    assert found.__cause__ is bug
