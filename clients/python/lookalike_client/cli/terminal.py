"""What may be written to a terminal, and where.

Results go to standard output; messages and progress to standard error. Texts of a catalogue are
other people's: they reach a terminal without control characters and never as markup.
"""

import functools
import json
import sys
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

_PIPE_WIDTH: Final = 200


def clean(text: object) -> str:
    """The text on one line, with every character that a terminal might obey replaced."""
    return "".join(map(_printable, str(text)))


def _printable(character: str) -> str:
    if character.isprintable():
        return character
    return " " if character.isspace() else "\N{REPLACEMENT CHARACTER}"


def cell(text: object, style: str = "") -> "Text":
    """A text for a table: cleaned, and no markup whatever it holds."""
    from rich.text import Text

    return Text(clean(text), style=style)


@functools.cache
def stdout() -> "Console":
    """The console of results."""
    from rich.console import Console

    # Where nobody looks there is no width, and rich would cut at 80 columns.
    return Console(highlight=False, width=None if sys.stdout.isatty() else _PIPE_WIDTH)


@functools.cache
def stderr() -> "Console":
    """The console of messages and progress."""
    from rich.console import Console

    return Console(stderr=True, highlight=False, soft_wrap=True)


def say(text: str) -> None:
    """Writes a message to standard error."""
    print(clean(text), file=sys.stderr, flush=True)


def emit(document: dict[str, Any]) -> None:
    """Writes the one JSON document of a command to standard output."""
    # ASCII only: what JSON escapes cannot steer a terminal, and no locale can refuse it.
    print(json.dumps(document, indent=2, ensure_ascii=True, allow_nan=False), flush=True)
