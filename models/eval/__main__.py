"""`python -m models.eval --data DIR --model NAME --out DIR`: measure, write, print."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table as RichTable

from models.eval.catalogue import SETTINGS
from models.eval.charts import number
from models.eval.comparison import Comparison, ComparisonError, compare
from models.eval.document import add_comparison, write_documents
from models.eval.layout import LayoutError
from models.eval.page import REPORT_FILE, report_of
from models.eval.progress import Steps
from models.eval.run import PROTOCOLS, Evaluation, Request, Run
from models.eval.tables import ALL
from models.registry import ManifestError
from servicekit.config import ConfigError
from servicekit.errors import LookalikeError
from services.embedder.config import EmbedderConfig

_PRINTED = {
    "A": (ALL, ("strict_r_at_1", "strict_r_at_5", "strict_apart_r_at_1", "lenient_r_at_5")),
    "B": ("attributes", ("r_at_1", "r_at_10", "ndcg_at_10")),
    "C": (ALL, ("top_1", "balanced", "top_1_of_all", "balanced_of_all")),
    "D": (ALL, ("iou", "iou_below_half", "iou_three_classes")),
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command; returns the exit status."""
    options = _parser().parse_args(arguments)
    console = Console(stderr=True, soft_wrap=True)
    request = Request(
        data=options.data,
        model=options.model or EmbedderConfig().model,
        segmenter=options.segmenter,
        settings=tuple(options.backgrounds),
        protocols=options.protocols,
        shops=tuple(options.shops),
        limit=options.limit,
        dimension=options.dimension,
        threads=options.threads,
        provider=options.provider,
        seed=options.seed,
    )
    try:
        evaluation = Run(request, Steps(console)).evaluate()
        figures = write_documents(evaluation, options.out)
        comparison = compare(options.against, figures) if options.against else None
    except (LayoutError, ManifestError, ComparisonError, ConfigError, ValueError) as error:
        console.print(f"eval: {error}", markup=False)
        return 2
    except LookalikeError as error:
        console.print(f"eval: {error.message}", markup=False)
        return 2
    if comparison is not None:
        add_comparison(figures, comparison)
    report = options.out / REPORT_FILE
    report.write_text(report_of(evaluation, comparison), encoding="utf-8")
    _print(evaluation, comparison, Console())
    console.print(f"{figures}\n{report}", markup=False, highlight=False)
    return 0


def _print(evaluation: Evaluation, comparison: Comparison | None, console: Console) -> None:
    for protocol, (scope, metrics) in _PRINTED.items():
        settings = evaluation.figures.get(protocol)
        if not settings:
            console.print(f"{protocol}: {evaluation.skipped.get(protocol, 'nothing')}")
            continue
        table = RichTable(title=f"{protocol}, {scope}", title_justify="left")
        table.add_column("setting")
        for metric in metrics:
            table.add_column(metric, justify="right", no_wrap=True)
        for setting, scopes in settings.items():
            found = [scopes.get(scope, {}).get(metric) for metric in metrics]
            cells = [
                f"{number(f.value)} [{number(f.low)} {number(f.high)}]" if f else "" for f in found
            ]
            # The brackets are no markup of rich's.
            table.add_row(setting, *(cell.replace("[", r"\[") for cell in cells))
        console.print(table)
    for one in evaluation.findings:
        if one.verdict != "no difference shown":
            console.print(
                f"{one.protocol} {one.scope} {one.metric}: {one.before} -> {one.after} "
                f"{one.difference:+.3f} ({one.low:+.3f} to {one.high:+.3f}) {one.verdict}",
                highlight=False,
            )
    for change in comparison.differences if comparison else ():
        if change.verdict != "same":
            console.print(
                f"{change.protocol} {change.setting} {change.scope} {change.metric}: "
                f"{number(change.old)} -> {number(change.new)} {change.verdict}",
                highlight=False,
            )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m models.eval", description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder; docs/evaluation.md")
    parser.add_argument(
        "--model", default="", help="of the registry; the embedder's own if not given"
    )
    parser.add_argument("--out", type=Path, default=Path("eval-results"))
    parser.add_argument("--segmenter", choices=("auto", "fp32", "int8", "u2netp"), default="auto")
    parser.add_argument("--backgrounds", nargs="+", choices=SETTINGS, default=SETTINGS)
    parser.add_argument("--protocols", default=PROTOCOLS, help="any of the letters ABCD")
    parser.add_argument("--shops", nargs="+", default=(), help="only these sources of products")
    parser.add_argument("--limit", type=int, default=0, help="a quick run: so many of each kind")
    parser.add_argument("--dimension", type=int, default=0, help="only the first so many numbers")
    parser.add_argument(
        "--against", type=Path, help="another eval.json (or its folder) to compare with"
    )
    parser.add_argument("--threads", type=int, default=0, help="of the networks; 0: all cores")
    parser.add_argument("--provider", choices=("cpu", "cuda", "auto"), default="cpu")
    parser.add_argument("--seed", type=int, default=0, help="of the resamples")
    return parser


if __name__ == "__main__":
    sys.exit(main())
