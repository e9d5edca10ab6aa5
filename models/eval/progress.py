"""How far a long step has come: a bar with its rate on a terminal, else a line now and then."""

import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

T = TypeVar("T")
_QUIET_S = 15.0


class Steps:
    """Shows the steps of one run on standard error."""

    def __init__(self, console: Console) -> None:
        self._console = console

    def say(self, text: str) -> None:
        self._console.print(text, markup=False, highlight=False)

    def over(self, name: str, items: Iterable[T], total: int) -> Iterator[T]:
        """The items, with the step's progress shown; nothing for no items."""
        if total == 0:
            return
        begun = said = time.monotonic()
        with self._bar() as bar:
            task = bar.add_task(name, total=total, rate="")
            for done, item in enumerate(items, 1):
                yield item
                now = time.monotonic()
                rate = f"{done / max(now - begun, 1e-6):.1f}/s"
                bar.update(task, completed=done, rate=rate)
                if not self._console.is_terminal and (now - said > _QUIET_S or done == total):
                    said = now
                    self.say(f"{name}: {done} of {total}, {rate}")

    @contextmanager
    def _bar(self) -> Iterator[Progress]:
        with Progress(
            TextColumn("{task.description:28}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[rate]}"),
            TimeRemainingColumn(),
            console=self._console,
            disable=not self._console.is_terminal,
        ) as bar:
            yield bar
