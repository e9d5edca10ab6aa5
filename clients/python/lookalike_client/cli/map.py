"""`lookalike map`: build, show."""

import time
from typing import Final

import click

from lookalike_client.cli import terminal
from lookalike_client.cli.render import table_of
from lookalike_client.cli.session import Session, common_options
from lookalike_client.maps import MapHeader, MapProgress, MapStage

_SAY_S: Final = 1.0
_DOING: Final = {
    MapStage.NEIGHBOURS: "looking for every product's neighbours",
    MapStage.LAYOUT: "finding a place for each",
    MapStage.CLUSTERS: "naming the neighbourhoods",
    MapStage.STORED: "stored",
}


@click.group("map")
def map_group() -> None:
    """Draw the catalogue in two dimensions: products that look alike lie side by side."""


@map_group.command()
@common_options
def build(session: Session) -> int:
    """Build the map anew, and show how far it is.

    May be broken off: the work goes on in the index, and the same command follows it again.
    """
    last: MapProgress | None = None
    said: tuple[MapStage, float] | None = None
    with session.connect() as client:
        for last in client.map.build():
            now = time.monotonic()
            if not session.as_json and (said is None or said[0] != last.stage or said[1] < now):
                said = last.stage, now + _SAY_S
                terminal.say(f"{last.fraction:4.0%}  {_DOING[last.stage]}")
    assert last is not None  # it ends with the header
    assert last.header is not None
    if session.as_json:
        terminal.emit(last.header.to_dict())
    else:
        _show(last.header)
    return 0


@map_group.command()
@common_options
def show(session: Session) -> int:
    """Show the neighbourhoods of the map; with --json also every product's place."""
    with session.connect() as client:
        found = client.map.read()
    assert found is not None  # no map was known before
    if session.as_json:
        terminal.emit(found.to_dict())
    else:
        _show(found.header)
    return 0


def _show(header: MapHeader) -> None:
    rows = (
        (
            ", ".join(one.words) or "(nothing in common)",
            one.product_count,
            f"{one.x:.2f}, {one.y:.2f}",
            f"{one.radius:.2f}",
        )
        for one in header.clusters
    )
    table_of(("neighbourhood", "products", "left, top", "radius"), rows)
    terminal.say(
        f"{header.product_count} products, {header.method}, of "
        f"{header.create_time:%Y-%m-%d %H:%M} UTC, space {header.embedding_version}"
    )
    if header.missing_count:
        terminal.say(
            f"{header.missing_count} products are not on it; `lookalike map build` draws it anew."
        )
