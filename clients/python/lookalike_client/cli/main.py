"""The group of commands, and their exit status.

0: nothing failed. 3: some items failed. 1: everything else, wrong options included.
"""

import os
import sys
from collections.abc import Sequence

import click

from lookalike_client.cli import terminal
from lookalike_client.cli.catalogue import delete, facets, show
from lookalike_client.cli.find import search, similar
from lookalike_client.cli.ingest import ingest
from lookalike_client.cli.map import map_group
from lookalike_client.cli.model import model
from lookalike_client.cli.service import segment, status
from lookalike_client.errors import ApiError, IngestError, InternalError, LookalikeError
from lookalike_client.version import __version__


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="lookalike")
@click.option(
    "--server",
    metavar="HOST:PORT",
    envvar="LOOKALIKE_SERVER",
    show_envvar=True,
    help="The gateway; https:// before it means TLS.  [default: 127.0.0.1:50050]",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@click.pass_context
def cli(context: click.Context, server: str | None, as_json: bool) -> None:
    """Finds clothes that look alike."""
    context.obj = {"server": server, "as_json": as_json}


for command in (
    *(ingest, search, similar, show, delete, facets, status, segment),
    *(map_group, model),
):
    cli.add_command(command)


def main() -> None:
    """Runs the command line and exits."""
    sys.exit(run(sys.argv[1:]))


def run(arguments: Sequence[str]) -> int:
    """Runs the command line. Returns the exit status."""
    try:
        status = cli.main(list(arguments), prog_name="lookalike", standalone_mode=False)
    except click.ClickException as error:
        error.show()
        return 1
    except LookalikeError as error:
        terminal.say(f"lookalike: {_sentence(error)}")
        return 1
    except (click.Abort, KeyboardInterrupt):
        terminal.say("lookalike: interrupted")
        return 1
    except BrokenPipeError:
        # Whoever read the output has left; Python would complain again while it exits.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except OSError as error:
        terminal.say(f"lookalike: {error.filename or ''}: {error.strerror or error}")
        return 1
    return status if isinstance(status, int) else 0


def _sentence(error: LookalikeError) -> str:
    cause = error.cause if isinstance(error, IngestError) else error
    if isinstance(cause, InternalError) and cause.request_id:
        return f"{error.message} (request {cause.request_id})"
    if isinstance(cause, ApiError) and cause.field:
        return f"{error.message} ({cause.field})"
    return error.message
