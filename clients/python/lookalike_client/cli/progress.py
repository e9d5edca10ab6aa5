"""Shows how an ingest goes: a bar on a terminal, else a line now and then."""

import sys
import time
from types import TracebackType
from typing import Any, Final, Protocol, Self

from lookalike_client.cli import terminal
from lookalike_client.ingest.results import OutcomeState, ProductOutcome
from lookalike_client.ingest.stream import Broken, Event, Opened

_LINE_EVERY_S: Final = 10.0


class Progress(Protocol):
    """What an ingest reports to. Its methods are called from the client's thread."""

    def __enter__(self) -> Self: ...
    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None: ...
    def outcome(self, outcome: ProductOutcome) -> None:
        """A product is finished."""
        ...

    def event(self, event: Event) -> None:
        """The connection opened or broke."""
        ...


def progress_of(total: int) -> Progress:
    """The right kind for where standard error goes."""
    return Bar(total) if sys.stderr.isatty() else Lines(total)


class Lines:
    """For logs."""

    def __init__(self, total: int) -> None:
        self._total = total
        self._finished = 0
        self._failed = 0
        self._began = self._told = time.monotonic()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        return

    def outcome(self, outcome: ProductOutcome) -> None:
        """Counts; writes a line every ten seconds."""
        self._finished += 1
        self._failed += outcome.state is OutcomeState.FAILED
        now = time.monotonic()
        if now - self._told >= _LINE_EVERY_S:
            self._told = now
            rate = self._finished / (now - self._began)
            eta_s = (self._total - self._finished) / rate
            terminal.say(
                f"{self._finished} of {self._total} products, {self._failed} failed, "
                f"{rate:.1f} products/s, {eta_s:.0f} s left"
            )

    def event(self, event: Event) -> None:
        """Writes a line."""
        if text := _sentence(event):
            terminal.say(text)


class Bar:
    """For people."""

    def __init__(self, total: int) -> None:
        from rich import progress

        self._failed = 0
        self._bar = progress.Progress(
            progress.TextColumn("[bold]{task.description}"),
            progress.BarColumn(),
            progress.MofNCompleteColumn(),
            progress.TextColumn("{task.fields[rate]}", style="cyan"),
            progress.TimeRemainingColumn(),
            progress.TextColumn("{task.fields[failed]}", style="red"),
            console=terminal.stderr(),
        )
        self._total = total
        self._began = time.monotonic()
        self._finished = 0
        self._images_failed = 0
        self._task = self._bar.add_task("products", total=total, rate="", failed="")

    def __enter__(self) -> Self:
        self._bar.__enter__()
        return self

    def __exit__(self, *details: Any) -> None:
        self._bar.__exit__(*details)

    def outcome(self, outcome: ProductOutcome) -> None:
        """Moves the bar."""
        self._finished += 1
        self._failed += outcome.state is OutcomeState.FAILED
        self._images_failed += len(outcome.image_failures)
        rate = self._finished / max(time.monotonic() - self._began, 1e-9)
        failed = f"{self._failed} failed" if self._failed else ""
        if self._images_failed:
            failed = f"{failed} {self._images_failed} images failed".strip()
        self._bar.update(self._task, advance=1, rate=f"{rate:.1f}/s", failed=failed)

    def event(self, event: Event) -> None:
        """Writes a line above the bar."""
        if text := _sentence(event):
            self._bar.console.print(terminal.cell(text, "yellow"))


def _sentence(event: Event) -> str:
    match event:
        case Broken():
            return f"{event.error.message} Trying again in {event.retry_in_s:.1f} s."
        case Opened() if event.last_durable_sequence or event.replay_count:
            return f"Going on behind product {event.last_durable_sequence}."
    return ""
