"""Options that every command has, and how every command fails."""

import dataclasses
import functools
from collections.abc import Callable
from typing import Any

import click

from lookalike_client import errors
from lookalike_client.channel import DEFAULT_SERVER
from lookalike_client.cli import terminal
from lookalike_client.sync import Lookalike


@dataclasses.dataclass(frozen=True, slots=True)
class Session:
    """How a command was called."""

    server: str
    as_json: bool
    timeout_s: float

    def connect(self) -> Lookalike:
        """A client of the server."""
        return Lookalike(self.server, timeout_s=self.timeout_s)


def common_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Adds --server, --json and --timeout; hands the command a Session as its first argument."""

    @click.option("--server", metavar="HOST:PORT", help="See `lookalike --help`.")
    @click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
    @click.option(
        "--timeout",
        "timeout_s",
        type=click.FloatRange(min=0, min_open=True),
        default=30.0,
        show_default=True,
        metavar="SECONDS",
        help="Deadline of each call (an ingest stream has none).",
    )
    @click.pass_context
    @functools.wraps(command)
    def wrapped(
        context: click.Context,
        /,
        *args: Any,
        server: str | None,
        as_json: bool,
        timeout_s: float,
        **options: Any,
    ) -> Any:
        given: dict[str, Any] = context.obj or {}
        session = Session(
            server=server or given.get("server") or DEFAULT_SERVER,
            as_json=as_json or bool(given.get("as_json")),
            timeout_s=timeout_s,
        )
        try:
            return command(session, *args, **options)
        except errors.LookalikeError as error:
            if session.as_json:
                terminal.emit(_document(error))
            raise

    return wrapped


def _document(error: errors.LookalikeError) -> dict[str, Any]:
    summary: dict[str, Any] = {}
    cause = error
    if isinstance(error, errors.IngestError):
        summary, cause = error.summary.to_dict(), error.cause
    told: dict[str, Any] = {"type": type(error).__name__, "message": error.message}
    if isinstance(cause, errors.ApiError):
        told["code"] = cause.code.name
        told["reason"] = cause.reason
        told["field"] = cause.field
        told["request_id"] = cause.request_id
    return {**summary, "error": told}
