"""`lookalike ingest`."""

import dataclasses
from collections import Counter
from typing import Final

import click

from lookalike_client.cli import terminal
from lookalike_client.cli.progress import progress_of
from lookalike_client.cli.session import Session, common_options
from lookalike_client.errors import IngestError
from lookalike_client.ingest.results import IngestSummary
from lookalike_client.ingest.settings import IngestSettings
from lookalike_client.sources import Catalogue

_SHOWN_FAILURES: Final = 20


@click.command()
@click.argument("paths", metavar="PATH...", nargs=-1, required=True, type=click.Path())
@click.option(
    "--give-up",
    "give_up_s",
    type=click.FloatRange(min=0, min_open=True),
    default=IngestSettings().give_up_s,
    show_default=True,
    metavar="SECONDS",
    help="End if the server stays unavailable for so long.",
)
@click.option(
    "--stream",
    "stream_id",
    metavar="NAME",
    help="Name of the ingest stream, to go on from another machine or path.",
)
@common_options
def ingest(
    session: Session, paths: tuple[str, ...], give_up_s: float, stream_id: str | None
) -> int:
    """Send catalogues: folders of product folders, or JSONL or CSV files.

    JSONL and CSV have product_id, images, name and attributes; image paths are relative to the
    file. If the command is interrupted, the same command goes on where it stopped.

    The exit status is 3 if a product or a photograph failed.
    """
    with Catalogue.scan(*paths, stream_id=stream_id) as catalogue:
        settings = dataclasses.replace(IngestSettings(), give_up_s=give_up_s)
        with progress_of(catalogue.product_count) as progress, session.connect() as client:
            try:
                summary = client.ingest(
                    catalogue,
                    settings=settings,
                    on_outcome=progress.outcome,
                    on_event=progress.event,
                )
            except IngestError as error:
                given, finished = catalogue.product_count, error.summary.finished
                terminal.say(f"Ended early: {finished} of {given} products are finished.")
                raise
            except KeyboardInterrupt:
                terminal.say("The same command goes on where this one stopped.")
                raise
    if session.as_json:
        terminal.emit(summary.to_dict())
    else:
        _show(summary)
    return 0 if summary.nothing_failed else 3


def _show(summary: IngestSummary) -> None:
    out = terminal.stdout()
    out.print(
        f"{summary.finished} products: {summary.indexed} indexed, "
        f"{summary.unchanged} unchanged, {summary.failed} failed. "
        f"{summary.images} images in {summary.seconds:.1f} s "
        f"({summary.images_per_second:.1f}/s), {len(summary.images_failed)} failed."
    )
    if summary.nothing_failed:
        return
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    for column in ("what", "stage", "reason", "how often"):
        table.add_column(column)
    images = Counter((failure.stage, failure.reason) for failure in summary.images_failed)
    products = Counter(failure.reason for failure in summary.products_failed)
    for reason, count in products.most_common():
        table.add_row("product", "", terminal.cell(reason), str(count))
    for (stage, reason), count in images.most_common():
        table.add_row("image", terminal.cell(stage), terminal.cell(reason), str(count))
    out.print()
    out.print(table)
    # A product that failed because its photographs did is told by them.
    told = [
        f"{failure.where or failure.product_id}: {failure.message}"
        for failure in summary.products_failed
        if failure.reason != "NO_USABLE_IMAGE"
    ]
    told += [
        f"{failure.product_id}: {failure.image}: {failure.message}"
        for failure in summary.images_failed
    ]
    out.print()
    for line in told[:_SHOWN_FAILURES]:
        out.print(terminal.cell(line))
    if (more := len(told) - _SHOWN_FAILURES) > 0:
        out.print(terminal.cell(f"and {more} more; --json tells all", "dim"))
