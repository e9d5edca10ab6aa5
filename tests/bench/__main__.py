"""`make bench`: runs every ``bench_*.py``, prints one table, writes bench-results/bench.json."""

import argparse
import importlib
import json
import os
import platform
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import psutil
from rich.console import Console
from rich.table import Table

from tests.bench.row import Row

ROOT: Final = Path(__file__).resolve().parents[2]
README: Final = ROOT / "README.md"
RESULTS: Final = ROOT / "bench-results" / "bench.json"


def machine() -> dict[str, Any]:
    """What the figures were measured on."""
    model = platform.processor() or platform.machine()
    flags: set[str] = set()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        for line in cpuinfo.read_text().splitlines():
            key, _, value = line.partition(":")
            if key.strip() == "model name":
                model = value.strip()
            elif key.strip() == "flags":
                flags = set(value.split())
    return {
        "cpu": model,
        "cores": len(os.sched_getaffinity(0)),
        "vnni": bool(flags & {"avx512_vnni", "avx_vnni"}),
        "memory_bytes": psutil.virtual_memory().total,
        "load_at_start": os.getloadavg()[0],
        "python": platform.python_version(),
        "time": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def table(rows: Sequence[tuple[str, Row]]) -> Table:
    """For people."""
    drawn = Table(title="Lookalike, measured", title_justify="left")
    for heading in ("what", "value", "target", "", "size and load"):
        drawn.add_column(heading, justify="right" if heading in ("value", "target") else "left")
    last = ""
    for area, row in rows:
        if area != last:
            drawn.add_section()
            last = area
        bound = "" if row.target is None else f"{'≤' if row.at_most else '≥'} {row.target:g}"
        mark = {None: "", True: "[green]ok[/]", False: "[red]missed[/]"}[row.ok]
        drawn.add_row(row.name, f"{row.value:.4g} {row.unit}", bound, mark, row.load)
    return drawn


def markdown(document: dict[str, Any]) -> str:
    """The judged figures, for the README."""
    about = document["machine"]
    vnni = "with" if about["vnni"] else "without"
    lines = [f"{about['cpu']}, {about['cores']} cores, {vnni} VNNI, {about['time'][:10]}:", ""]
    lines += ["| what | measured | wanted | size and load |", "|---|---|---|---|"]
    for row in document["rows"]:
        if row["target"] is not None:
            bound = f"{'≤' if row['at_most'] else '≥'} {row['target']:g}"
            value = f"{row['value']:.3g} {row['unit']}" + ("" if row["ok"] else " (missed)")
            lines.append(f"| {row['name']} | {value} | {bound} | {row['load']} |")
    return "\n".join(lines)


def write_readme(document: dict[str, Any]) -> None:
    """Puts the figures between the README's marks."""
    begin, end = "<!-- bench:begin -->", "<!-- bench:end -->"
    text = README.read_text()
    before, rest = text.split(begin)
    README.write_text(f"{before}{begin}\n{markdown(document)}\n{end}{rest.split(end)[1]}")


def main(arguments: Sequence[str] | None = None) -> int:
    """0 if every target was reached."""
    names = sorted(path.stem for path in Path(__file__).parent.glob("bench_*.py"))
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="small sizes: minutes, less exact")
    parser.add_argument("--only", action="append", choices=names, help="one of the files")
    parser.add_argument(
        "--readme", action="store_true", help="only copy the last figures into README.md"
    )
    options = parser.parse_args(arguments)
    if options.readme:
        write_readme(json.loads(RESULTS.read_text()))
        return 0
    rows: list[tuple[str, Row]] = []
    about = machine()
    broken = []
    for name in options.only or names:
        print(f"{name} ...", file=sys.stderr, flush=True)
        started = time.monotonic()
        try:
            found = importlib.import_module(f"tests.bench.{name}").run(options.quick)
        except Exception as error:
            # The other figures are still worth having; the exit status tells.
            print(f"{name} failed: {error!r}", file=sys.stderr, flush=True)
            broken.append(name)
            continue
        rows += [(name.removeprefix("bench_"), row) for row in found]
        print(f"{name}: {time.monotonic() - started:.0f} s", file=sys.stderr, flush=True)
    document = {
        "machine": about,
        "quick": options.quick,
        "failed": broken,
        "rows": [{"area": area, **asdict(row), "ok": row.ok} for area, row in rows],
    }
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps(document, indent=1, ensure_ascii=False) + "\n")
    Console(width=max(Console().width, 140)).print(table(rows))
    print(f"{about['cpu']}, {about['cores']} cores; all figures: {RESULTS.relative_to(ROOT)}")
    return 1 if broken or any(row.ok is False for _, row in rows) else 0


if __name__ == "__main__":
    sys.exit(main())
