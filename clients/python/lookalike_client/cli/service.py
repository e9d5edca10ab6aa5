"""`lookalike status` and `lookalike segment`."""

import os
from pathlib import Path
from typing import Final

import click

from lookalike_client.cli import render, terminal
from lookalike_client.cli.options import photograph
from lookalike_client.cli.session import Session, common_options
from lookalike_client.models import Garment, SegmentOutput

_ENCODINGS: Final = {".png": "png", ".jpg": "jpeg", ".jpeg": "jpeg", ".webp": "webp"}


@click.command()
@common_options
def status(session: Session) -> int:
    """Show how every service is.

    The exit status is 0 only if all of them serve.
    """
    with session.connect() as client:
        found = client.status()
    if session.as_json:
        terminal.emit(found.to_dict())
    else:
        render.status(found)
    return 0 if found.serving else 1


@click.command()
@click.argument("file", type=photograph)
@click.option(
    "-o",
    "--out",
    type=click.Path(dir_okay=False, writable=True),
    help="Where the picture goes: .png, .jpg or .webp.",
)
@click.option(
    "--output",
    type=click.Choice([output.value for output in SegmentOutput]),
    default=SegmentOutput.COMPOSITE.value,
    show_default=True,
    help="On the green screen; classes (0 none, 1 upper, 2 lower, 3 full); or cut out.",
)
@click.option(
    "--garment",
    type=click.Choice([garment.value for garment in Garment]),
    help="What composite and crop show.  [default: union]",
)
@click.option("--max-side", type=click.IntRange(min=0), default=0, help="Longest side in pixels.")
@common_options
def segment(
    session: Session,
    file: str,
    out: str | None,
    output: str,
    garment: str | None,
    max_side: int,
) -> int:
    """Find the garments in a photograph, and cut them out."""
    encoding = "png"
    if out is not None:
        suffix = os.path.splitext(out)[1].lower()
        if suffix not in _ENCODINGS:
            raise click.BadParameter("the ending must be .png, .jpg or .webp", param_hint="-o")
        encoding = _ENCODINGS[suffix]
        if output == SegmentOutput.MASK.value and encoding != "png":
            raise click.BadParameter("a mask is always .png", param_hint="-o")
    data = Path(file).read_bytes()
    with session.connect() as client:
        found = client.segment(
            data,
            output=output if out is not None else None,
            garment=garment,
            max_side_px=max_side,
            encoding=encoding,
        )
    if out is not None:
        Path(out).write_bytes(found.picture)
    if session.as_json:
        terminal.emit({**found.to_dict(), "output": out})
    else:
        render.segmentation(found)
    return 0
