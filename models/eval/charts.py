"""Figures with intervals as drawings: static SVG, no script."""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from models.eval.tables import Figure

_WIDTH, _LABEL, _VALUE, _ROW, _TOP = 640, 150, 96, 22, 20


@dataclass(frozen=True, slots=True)
class Bar:
    """One row; kind: model, served or floor, which decides its colour."""

    label: str
    figure: Figure
    kind: str = "model"


def whiskers(bars: Sequence[Bar], title: str) -> str:
    """A dot with its interval for each bar, over a scale from 0 to 1; "" for none."""
    if not bars:
        return ""
    height = _TOP + _ROW * len(bars) + 18
    left, right = _LABEL, _WIDTH - _VALUE

    def x(value: float) -> float:
        return round(left + (right - left) * min(max(value, 0.0), 1.0), 1)

    grid = "".join(
        f'<line class="grid" x1="{x(v)}" x2="{x(v)}" y1="{_TOP - 4}" y2="{height - 16}"/>'
        f'<text class="tick" x="{x(v)}" y="{height - 3}">{v:.1f}</text>'
        for v in (0, 0.2, 0.4, 0.6, 0.8, 1.0)
    )
    rows = []
    for place, bar in enumerate(bars):
        y, figure = _TOP + _ROW * place + 8, bar.figure
        rows.append(
            f'<g class="{escape(bar.kind)}"><text class="name" x="{left - 10}" y="{y + 4}">'
            f"{escape(bar.label)}</text>"
            f'<line x1="{x(figure.low)}" x2="{x(figure.high)}" y1="{y}" y2="{y}"/>'
            f'<circle cx="{x(figure.value)}" cy="{y}" r="4.5"/>'
            f'<text class="value" x="{right + 10}" y="{y + 4}">{number(figure.value)} '
            f"<tspan>{number(figure.low)}&ndash;{number(figure.high)}</tspan></text></g>"
        )
    return (
        f'<svg class="whiskers" viewBox="0 0 {_WIDTH} {height}" role="img" '
        f'aria-label="{escape(title)}"><text class="title" x="0" y="10">{escape(title)}</text>'
        f"{grid}{''.join(rows)}</svg>"
    )


def number(value: float) -> str:
    """.873 for 0.873; 1 and 0 as they are."""
    text = f"{value:.3f}"
    return text.replace("0.", ".", 1) if abs(value) < 1 else text.rstrip("0").rstrip(".")
