"""`make demo`: ingests the sample catalogue into the running system, searches it, draws its map.

Everything goes through the `lookalike` command, as a user's would.
"""

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from rich.console import Console
from rich.table import Table

from deploy.demo.catalogue import make_catalogue
from deploy.local.settings import load_local
from models.packages import FetchError

_LOOKALIKE: Final = str(Path(sys.executable).with_name("lookalike"))
_RESULTS: Final = "4"
_SEARCHES: Final[Sequence[tuple[str, Sequence[str]]]] = (
    ("By words", ("search", "blue hoodie", "-k", _RESULTS)),
    (
        "By words, among what the shop calls white",
        ("search", "shoes", "--filter", "colour=white", "-k", _RESULTS),
    ),
    ("Like the black hoodie", ("similar", "saleor-115", "-k", _RESULTS)),
)


class DemoError(RuntimeError):
    """The demonstration cannot go on; the sentence says why."""


def main() -> int:
    """Runs it; 0 if every command did what it should."""
    console = Console()
    try:
        _must_run()
        listing = make_catalogue()
        console.print(f"Sample catalogue: {listing}")
        console.print("15 products, 28 photographs; on a CPU each takes about a second.")
        # Its progress bar and summary are for people too, so nothing of it is captured.
        ingest = subprocess.run([_LOOKALIKE, "ingest", str(listing)], check=False)
        if ingest.returncode != 0:
            raise DemoError(f"`lookalike ingest` ended with status {ingest.returncode}.")
        for title, arguments in _SEARCHES:
            document = _run([*arguments, "--json"])
            console.print()
            console.print(_table(title, arguments, document["results"]))
        console.print()
        console.print(_map(_run(["map", "build", "--json"])["clusters"]))
        if (edge := load_local().edge) is not None:
            console.print(f"\nThe map, and everything else: http://127.0.0.1:{edge.port}/map")
    except (DemoError, FetchError, OSError) as error:
        print(f"demo: {error}", file=sys.stderr)
        return 1
    return 0


def _must_run() -> None:
    status = subprocess.run([_LOOKALIKE, "status"], capture_output=True, text=True, check=False)
    if status.returncode != 0:
        raise DemoError(
            "Lookalike is not running, or not all of it serves: start it with `make run` in "
            "another terminal, wait for its last lines, and try again."
        )


def _run(arguments: Sequence[str]) -> dict[str, Any]:
    done = subprocess.run([_LOOKALIKE, *arguments], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise DemoError(f"`lookalike {' '.join(arguments)}` failed: {done.stderr.strip()}")
    document: dict[str, Any] = json.loads(done.stdout)
    return document


def _table(title: str, arguments: Sequence[str], results: Sequence[dict[str, Any]]) -> Table:
    command = " ".join(f'"{word}"' if " " in word else word for word in arguments)
    table = Table(
        title=f"{title}\n$ lookalike {command}", title_justify="left", box=None, pad_edge=False
    )
    table.add_column("score")
    table.add_column("product", no_wrap=True)
    table.add_column("name", no_wrap=True)
    table.add_column("images", justify="right")
    table.add_column("attributes")
    for result in results:
        score = f"{result['score']:.3f}" + (" weak" if result["weak"] else "")
        attributes = [f"{key}={value}" for key, value in sorted(result["attributes"].items())]
        table.add_row(
            score,
            result["product_id"],
            result["name"],
            str(len(result["images"])),
            ", ".join(attributes),
        )
    return table


def _map(clusters: Sequence[dict[str, Any]]) -> Table:
    table = Table(
        title="The map of the catalogue\n$ lookalike map build",
        title_justify="left",
        box=None,
        pad_edge=False,
    )
    table.add_column("neighbourhood")
    table.add_column("products", justify="right")
    for cluster in clusters:
        table.add_row(", ".join(cluster["words"]), str(cluster["product_count"]))
    return table


if __name__ == "__main__":
    sys.exit(main())
