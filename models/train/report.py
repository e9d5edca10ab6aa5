"""training.json and the curves beside the towers."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from PIL import Image, ImageDraw

_WIDTH, _HEIGHT, _MARGIN = 420, 260, 34
_CURVES = (
    ("fine_tuning", "word_loss", "Fine-tuning: words"),
    ("fine_tuning", "kind_loss", "Fine-tuning: kinds"),
    ("heads", "word_loss", "Heads: words"),
    ("heads", "view_loss", "Heads: views"),
)


def write_report(report: dict[str, Any], folder: Path) -> None:
    """Writes training.json and training.png."""
    (folder / "training.json").write_text(json.dumps(report, indent=1) + "\n")
    sheet = Image.new("RGB", (2 * _WIDTH, 2 * _HEIGHT), "white")
    for place, (phase, figure, title) in enumerate(_CURVES):
        panel = _panel(title, [line[figure] for line in report[phase]])
        sheet.paste(panel, (place % 2 * _WIDTH, place // 2 * _HEIGHT))
    sheet.quantize(16).save(folder / "training.png", optimize=True)


def _panel(title: str, values: Sequence[float]) -> Image.Image:
    panel = Image.new("RGB", (_WIDTH, _HEIGHT), "white")
    draw = ImageDraw.Draw(panel)
    top, bottom = max(values), min(values)
    span = (top - bottom) or 1.0
    step = (_WIDTH - 2 * _MARGIN) / max(len(values) - 1, 1)
    points = [
        (_MARGIN + i * step, _MARGIN + (top - value) / span * (_HEIGHT - 2 * _MARGIN))
        for i, value in enumerate(values)
    ]
    draw.rectangle((_MARGIN, _MARGIN, _WIDTH - _MARGIN, _HEIGHT - _MARGIN), outline="#bbbbbb")
    draw.text((_MARGIN, 8), f"{title}, by epoch", fill="black")
    draw.text((_MARGIN + 4, _MARGIN + 2), f"{top:.3g}", fill="#666666")
    draw.text((_MARGIN + 4, _HEIGHT - _MARGIN - 14), f"{bottom:.3g}", fill="#666666")
    if len(points) > 1:
        draw.line(points, fill="#1a6b4a", width=2)
    return panel
