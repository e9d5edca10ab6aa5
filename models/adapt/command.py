"""`lookalike-train`: what can be trained on one's own products. Needs the extra `models`."""

import argparse
import dataclasses
import importlib.util
import re
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

from models.adapt.settings import AdaptError, AdaptSettings
from services.embedder.config import EmbedderConfig

_NEEDED = ("torch", "sklearn")
_DEFAULTS = AdaptSettings()
_MISSING = (
    "lookalike-train needs torch and scikit-learn: run `make train-setup` and then "
    ".venv-models/bin/lookalike-train (or pip install 'lookalike[cpu,models]')."
)


def main(arguments: Sequence[str] | None = None) -> int:
    """The console script; returns the exit status."""
    given = _parser().parse_args(arguments)
    if any(importlib.util.find_spec(package) is None for package in _NEEDED):
        print(_MISSING, file=sys.stderr)
        return 1
    return _adapt(given)


def _adapt(given: argparse.Namespace) -> int:
    # Only now: these need torch.
    from rich.console import Console

    from models.adapt.adaptation import adapt
    from models.eval.progress import Steps

    settings = AdaptSettings(
        dimension=given.dimension,
        seed=given.seed,
        held_out_share=given.held_out,
        views=given.views,
        cut_outs=given.cut_outs,
        epochs=given.epochs,
        patience=given.patience,
        everything=given.everything,
        threads=given.threads,
    )
    name = given.name or name_of(given.catalogue, given.dimension)
    steps = Steps(Console(stderr=True))
    try:
        adapted = adapt(given.catalogue, given.model, name, settings, steps)
    except AdaptError as error:
        print(error, file=sys.stderr)
        return 1
    folder, report = adapted.folder, adapted.report
    if given.out is not None:
        given.out.mkdir(parents=True, exist_ok=True)
        for file in ("report.html", "report.json"):
            shutil.copyfile(folder / file, given.out / file)
    for figure in report.figures:
        before, after, gain = figure["before"], figure["after"], figure["difference"]
        print(
            f"{figure['name']:34} {before['value']:.3f} -> {after['value']:.3f}  "
            f"({gain['value']:+.3f} [{gain['low']:+.3f}, {gain['high']:+.3f}])"
        )
    if report.classifier is not None:
        found = report.classifier
        print(
            f"{'classifier of categories':34} accuracy {found.accuracy:.3f}, balanced "
            f"{found.balanced_accuracy:.3f} over {len(found.labels)} categories"
        )
    print(f"\n{name} is ready: {report.version}, {report.dimension} numbers")
    print(f"report: {(given.out or folder) / 'report.html'}")
    print(f"serve it: LOOKALIKE_EMBEDDER_MODEL={name} make run")
    return 0


def name_of(catalogue: Path, dimension: int) -> str:
    """A model's name made of a catalogue's."""
    stem = re.sub(r"[^a-z0-9]+", "-", catalogue.resolve().stem.lower()).strip("-")[:60] or "shop"
    return f"{stem}-adapted" + (f"-{dimension}" if dimension else "")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="lookalike-train", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    adapt = commands.add_parser(
        "adapt",
        help="fit a model to your catalogue",
        description="Fits a model of the registry to your catalogue and installs it as a new model "
        "(docs/adapting.md).",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    adapt.add_argument(
        "catalogue",
        type=Path,
        metavar="CATALOGUE",
        help="a folder of product folders, JSONL or CSV",
    )
    adapt.add_argument("--model", default=_served_model(), help="the model to begin with")
    adapt.add_argument("--name", default="", help="of the new model; empty: made of CATALOGUE")
    adapt.add_argument(
        "--dimension", type=_natural, default=0, help="numbers of a vector; 0: as many as before"
    )
    adapt.add_argument("--out", type=Path, help="also put report.html and report.json here")
    adapt.add_argument("--seed", type=_natural, default=_DEFAULTS.seed, help="of all chance")
    adapt.add_argument(
        "--held-out",
        type=_share,
        default=_DEFAULTS.held_out_share,
        help="share of the products that are only measured on",
    )
    adapt.add_argument(
        "--views",
        type=_positive,
        default=_DEFAULTS.views,
        help="pictures made of each photograph; fewer is faster",
    )
    adapt.add_argument(
        "--epochs", type=_positive, default=_DEFAULTS.epochs, help="most epochs of a phase"
    )
    adapt.add_argument(
        "--patience",
        type=_positive,
        default=_DEFAULTS.patience,
        help="epochs without gain that end a phase",
    )
    adapt.add_argument(
        "--no-cut-outs",
        dest="cut_outs",
        action="store_false",
        help="embed whole photographs only, for a system that runs without the segmenter",
    )
    adapt.add_argument(
        "--head-only",
        dest="everything",
        action="store_false",
        help="leave out phase 2: only the projections are trained",
    )
    adapt.add_argument(
        "--threads", type=_natural, default=_DEFAULTS.threads, help="0 takes all cores"
    )
    return parser


def _served_model() -> str:
    """What the embedder serves unless told otherwise."""
    [field] = [field for field in dataclasses.fields(EmbedderConfig) if field.name == "model"]
    return str(field.default)


def _natural(text: str) -> int:
    value = int(text)
    if value < 0:
        raise ValueError
    return value


def _positive(text: str) -> int:
    value = int(text)
    if value < 1:
        raise ValueError
    return value


def _share(text: str) -> float:
    value = float(text)
    if not 0.05 <= value <= 0.8:
        raise argparse.ArgumentTypeError("between 0.05 and 0.8")
    return value


if __name__ == "__main__":
    sys.exit(main())
