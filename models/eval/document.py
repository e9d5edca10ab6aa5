"""The measurement as files: eval.json with every figure, queries.json with every query's result."""

import json
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from models.eval.comparison import FIGURES_FILE, QUERIES_FILE, Comparison
from models.eval.findings import Finding
from models.eval.intervals import DRAWS
from models.eval.run import Evaluation
from models.eval.tables import write_tables

FORMAT = 1


def write_documents(evaluation: Evaluation, out: Path) -> Path:
    """Writes both files into a folder; returns eval.json's path."""
    out.mkdir(parents=True, exist_ok=True)
    write_tables(evaluation.tables, out / QUERIES_FILE)
    path = out / FIGURES_FILE
    partial = path.with_suffix(".partial")
    partial.write_text(json.dumps(document_of(evaluation), indent=1) + "\n")
    partial.replace(path)
    return path


def add_comparison(path: Path, comparison: Comparison) -> None:
    """Puts the differences from another measurement into an eval.json."""
    document = json.loads(path.read_text())
    document["compared_with"] = comparison.old_model
    document["differences"] = [
        asdict(one) | {"verdict": one.verdict} for one in comparison.differences
    ]
    path.write_text(json.dumps(document, indent=1) + "\n")


def document_of(evaluation: Evaluation) -> dict[str, Any]:
    """The contents of eval.json; docs/evaluation.md describes them."""
    request, model = evaluation.request, evaluation.model
    return {
        "format": FORMAT,
        "made": datetime.now(UTC).isoformat(timespec="seconds"),
        "model": {
            "name": model.name,
            "version": model.version,
            "fingerprint": model.fingerprint,
            "dimension": model.dimension,
            "preprocessing": model.preprocessing,
            "licence": model.licence,
        },
        "segmenter": evaluation.segmenter_version,
        "data": {
            "folder": request.data.name,
            "shops": list(request.shops),
            "limit": request.limit,
            "counts": dict(evaluation.counts),
            "unreadable": evaluation.unreadable,
        },
        "intervals": {"level": 0.95, "draws": DRAWS, "seed": request.seed},
        "settings": list(request.settings),
        "skipped": evaluation.skipped,
        "protocols": {
            protocol: {
                setting: {
                    scope: {name: asdict(figure) for name, figure in figures.items()}
                    for scope, figures in scopes.items()
                }
                for setting, scopes in settings.items()
            }
            for protocol, settings in evaluation.figures.items()
        },
        "confusion": confusion_of(evaluation),
        "findings": [_finding(one) for one in evaluation.findings],
    }


def confusion_of(evaluation: Evaluation) -> dict[str, dict[str, int]]:
    """How many photographs of a label (outer) were taken for which (inner)."""
    counts: dict[str, dict[str, int]] = {}
    if evaluation.categories is not None:
        answers = evaluation.categories
        for photo, guess in zip(answers.photos, answers.guesses, strict=True):
            row = counts.setdefault(photo.label, {})
            row[guess] = row.get(guess, 0) + 1
    return {label: dict(sorted(row.items())) for label, row in sorted(counts.items())}


def _finding(one: Finding) -> dict[str, Any]:
    return asdict(one) | {"verdict": one.verdict}
