"""`python -m models.calibrate --data DIR --model NAME [--write]`: what the model's scores mean."""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console

from models.calibrate.fit import Calibrated, calibrate
from models.calibrate.gather import Request, gather
from models.calibrate.manifest_block import block, write
from models.eval.layout import LayoutError
from models.eval.progress import Steps
from models.eval.served import ServedModel
from models.registry import MANIFEST_DIR, ManifestError, local_manifest_dir
from servicekit.errors import LookalikeError
from services.embedder.config import EmbedderConfig


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command; returns the exit status."""
    options = _parser().parse_args(arguments)
    console = Console(stderr=True, soft_wrap=True)
    request = Request(
        data=options.data,
        model=options.model or EmbedderConfig().model,
        shops=tuple(options.shops),
        off_topic=options.off_topic,
        segmenter=options.segmenter,
        limit=options.limit,
        threads=options.threads,
        provider=options.provider,
    )
    try:
        model = ServedModel(
            request.model, threads=request.threads, dimension=0, provider=request.provider
        )
        found = calibrate(gather(request, model, Steps(console)))
    except (LayoutError, ManifestError, ValueError) as error:
        console.print(f"calibrate: {error}", markup=False)
        return 2
    except LookalikeError as error:
        console.print(f"calibrate: {error.message}", markup=False)
        return 2
    fitted_on = (
        f"{', '.join(request.shops) or 'all shops'} of {request.data.name} with "
        f"{model.version}, {found.query_count} queries"
    )
    text = block(found.curves, found.category, fitted_on, _summary(found))
    sys.stdout.write(json.dumps(found.report, indent=2) + "\n")
    if options.write:
        path = MANIFEST_DIR / f"{request.model}.toml"
        path = path if path.is_file() else local_manifest_dir() / f"{request.model}.toml"
        write(path, text)
        console.print(f"written: {path}", markup=False)
    else:
        sys.stdout.write(text)
    return 0


def _summary(found: Calibrated) -> str:
    lines = []
    for kind, figures in found.report.items():
        if kind == "category":
            lines.append(
                f"category: right {_percent(figures['accuracy'])} of "
                f"{figures['photographs']} unseen photographs; "
                f"{_percent(figures['searched_alone'])} searched alone, of these right "
                f"{_percent(figures['accuracy_where_searched_alone'])}"
            )
            continue
        lines.append(
            f"{kind}: weak {_percent(figures['weak_on_topic'])} of {figures['queries_on_topic']} "
            f"unseen queries about clothes, {_percent(figures['weak_off_topic'])} of "
            f"{figures['queries_off_topic']} about other things; calibration error "
            f"{figures['calibration_error']}"
        )
    return "\n".join(lines)


def _percent(share: Any) -> str:
    return "none" if share is None else f"{share:.1%}"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m models.calibrate", description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="as for make eval")
    parser.add_argument("--model", help="a model of the registry; default: the embedder's own")
    parser.add_argument(
        "--shops",
        nargs="*",
        default=["luma", "prestashop"],
        help="sources that the model was not trained on; none: all",
    )
    parser.add_argument(
        "--off-topic", type=Path, help="a folder of photographs without clothes, to test with"
    )
    parser.add_argument("--segmenter", default="auto", choices=("auto", "fp32", "int8", "u2netp"))
    parser.add_argument("--limit", type=int, default=0, help="of everything; 0: all")
    parser.add_argument("--threads", type=int, default=0)
    parser.add_argument("--provider", default="cpu", choices=("auto", "cpu", "cuda"))
    parser.add_argument("--write", action="store_true", help="into the model's manifest")
    return parser


if __name__ == "__main__":
    sys.exit(main())
