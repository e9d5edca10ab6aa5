"""JSON logs: one line per record, with the id of the request that it belongs to."""

import json
import logging
import sys
import threading
from contextvars import ContextVar
from datetime import UTC, datetime
from types import TracebackType
from typing import Final, TextIO

request_id: Final[ContextVar[str]] = ContextVar("lookalike_request_id", default="")
"""The id of the request being handled; empty outside one. Crosses services in `x-request-id`."""

_MAX_VALUE_CHARS = 2_000

# What LogRecord sets by itself; everything else on a record came in through `extra`.
_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


class JsonFormatter(logging.Formatter):
    """Renders a record as one JSON object without line breaks.

    Fields: time (RFC 3339, UTC), level, logger, service, message, request_id when there is one,
    whatever `extra` carried, and exception (the traceback). Bytes and arrays are named by type and
    length, never written out.
    """

    def __init__(self, service: str) -> None:
        super().__init__()
        self._service = service

    def format(self, record: logging.LogRecord) -> str:
        time = datetime.fromtimestamp(record.created, UTC)
        line: dict[str, object] = {
            "time": time.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "level": record.levelname,
            "logger": record.name,
            "service": self._service,
            "message": _short(record.getMessage()),
        }
        if current := request_id.get():
            line["request_id"] = current
        for name, value in vars(record).items():
            if name not in _STANDARD:
                line[name] = _plain(value)
        if record.exc_info and record.exc_info[0] is not None:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=True, default=_opaque)


def _short(text: str) -> str:
    if len(text) <= _MAX_VALUE_CHARS:
        return text
    return f"{text[:_MAX_VALUE_CHARS]}… ({len(text)} characters)"


def _plain(value: object) -> object:
    if isinstance(value, str):
        return _short(value)
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple) and len(value) <= 32:
        return [_plain(item) for item in value]
    return _opaque(value)


def _opaque(value: object) -> str:
    # Images and vectors must not reach a log, whoever passes them by mistake.
    if isinstance(value, BaseException):
        return _short(f"{type(value).__name__}: {value}")
    if hasattr(value, "__len__"):
        return f"<{type(value).__name__} of {len(value)}>"
    return _short(str(value))


class _LineHandler(logging.Handler):
    """Writes whole lines; a closed or broken pipe never raises into the code that logs."""

    def __init__(self, stream: TextIO) -> None:
        super().__init__()
        self._stream = stream

    def emit(self, record: logging.LogRecord) -> None:
        try:
            line = self.format(record)
        except Exception as error:  # a record that cannot be rendered is still a record
            line = json.dumps({"level": "ERROR", "message": f"unrenderable log record: {error!r}"})
        try:
            self._stream.write(line + "\n")
            self._stream.flush()
        except (OSError, ValueError):
            pass


def configure(service: str, level: str = "INFO", stream: TextIO | None = None) -> None:
    """Makes the root logger write JSON lines for this process, replacing what was set before.

    Python warnings and exceptions that nobody caught, in threads too, become such lines.

    Args:
      service: the short name, for example `segmenter`.
      level: a name of Python's logging levels.
      stream: standard error when None, so that standard output stays free for results.
    """
    handler = _LineHandler(stream if stream is not None else sys.stderr)
    handler.setFormatter(JsonFormatter(service))
    root = logging.getLogger()
    for old in list(root.handlers):
        root.removeHandler(old)
    root.addHandler(handler)
    root.setLevel(level)
    logging.captureWarnings(True)
    # httpx and pymongo narrate every call at INFO; that is our own log line's job.
    for noisy in ("httpx", "httpcore", "pymongo"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
    sys.excepthook = _log_uncaught
    threading.excepthook = _log_uncaught_in_thread


def _log_uncaught(
    kind: type[BaseException], error: BaseException, traceback: TracebackType | None
) -> None:
    if issubclass(kind, KeyboardInterrupt):
        return
    logging.getLogger("servicekit").critical(
        "uncaught exception", exc_info=(kind, error, traceback)
    )


def _log_uncaught_in_thread(args: threading.ExceptHookArgs) -> None:
    if args.exc_value is not None:
        _log_uncaught(args.exc_type, args.exc_value, args.exc_traceback)
