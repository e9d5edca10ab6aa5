"""Pictures of a report as SVG text, so that it is one file: curves, scatter plots, matrices."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape

import numpy as np
import numpy.typing as npt

# Twelve colours that are told apart (nine are Paul Tol's muted scheme), grey for the rest.
PALETTE = (
    "#332288", "#88ccee", "#44aa99", "#117733", "#999933", "#ddcc77", "#cc6677", "#882255",
    "#aa4499", "#e07b39", "#5b8def", "#6b4f3a",
)  # fmt: skip
REST = "#b8b8b8"
_FONT = "font-family='sans-serif' font-size='12' fill='#333'"


@dataclass(frozen=True, slots=True)
class Line:
    """One curve; gaps where a value is NaN."""

    name: str
    xs: Sequence[float]
    ys: Sequence[float]
    colour: str


def curves(lines: Sequence[Line], *, x_label: str, y_label: str, marks: Mapping[float, str]) -> str:
    """Lines in one frame; `marks` are vertical lines with a word."""
    width, height, left, bottom = 560, 260, 60, 40
    points = [(x, y) for line in lines for x, y in zip(line.xs, line.ys, strict=True) if y == y]
    if not points:
        return ""
    low_x, high_x = min(x for x, _ in points), max(x for x, _ in points)
    low_y, high_y = min(y for _, y in points), max(y for _, y in points)
    pad = (high_y - low_y) * 0.08 or 0.05
    low_y, high_y = low_y - pad, high_y + pad

    def place(x: float, y: float) -> tuple[float, float]:
        across = (x - low_x) / ((high_x - low_x) or 1)
        up = (y - low_y) / (high_y - low_y)
        return left + across * (width - left - 20), (height - bottom) - up * (height - bottom - 16)

    parts = [
        f"<rect x='{left}' y='16' width='{width - left - 20}' height='{height - bottom - 16}' "
        "fill='none' stroke='#ccc'/>"
    ]
    for step in range(5):
        value = low_y + (high_y - low_y) * step / 4
        _, y = place(low_x, value)
        parts.append(
            f"<text {_FONT} x='{left - 6}' y='{y + 4:.1f}' text-anchor='end'>{value:.3g}</text>"
        )
        value = low_x + (high_x - low_x) * step / 4
        x, _ = place(value, low_y)
        parts.append(
            f"<text {_FONT} x='{x:.1f}' y='{height - bottom + 16}' text-anchor='middle'>"
            f"{value:.0f}</text>"
        )
    for at, word in marks.items():
        x, _ = place(at, low_y)
        parts.append(
            f"<line x1='{x:.1f}' x2='{x:.1f}' y1='16' y2='{height - bottom}' stroke='#999' "
            f"stroke-dasharray='3 3'/><text {_FONT} x='{x + 4:.1f}' y='28'>{escape(word)}</text>"
        )
    for number, line in enumerate(lines):
        path = ""
        gap = True
        for x, y in zip(line.xs, line.ys, strict=True):
            if y != y:
                gap = True
                continue
            px, py = place(x, y)
            path += f"{'M' if gap else 'L'}{px:.1f} {py:.1f}"
            gap = False
        parts.append(f"<path d='{path}' fill='none' stroke='{line.colour}' stroke-width='2'/>")
        parts.append(
            f"<text {_FONT} x='{width - 28}' y='{32 + 16 * number}' text-anchor='end' "
            f"style='fill:{line.colour}'>{escape(line.name)}</text>"
        )
    parts.append(
        f"<text {_FONT} x='{(left + width) / 2}' y='{height - 6}' text-anchor='middle'>"
        f"{escape(x_label)}</text>"
        f"<text {_FONT} transform='translate(14 {height / 2}) rotate(-90)' text-anchor='middle'>"
        f"{escape(y_label)}</text>"
    )
    return _svg(width, height, parts)


def category_colours(categories: Sequence[str | None]) -> dict[str, str]:
    """A colour for each of the largest categories."""
    counts = Counter(category for category in categories if category is not None)
    largest = sorted(counts, key=lambda name: (-counts[name], name))[: len(PALETTE)]
    return dict(zip(sorted(largest), PALETTE, strict=False))


def scatter(
    points: npt.NDArray[np.float64],
    categories: Sequence[str | None],
    filled: Sequence[bool],
    titles: Sequence[str],
    colours: Mapping[str, str],
) -> str:
    """Points (n, 2); a hollow one is a product that was trained on."""
    side = 460
    low, high = points.min(axis=0), points.max(axis=0)
    scaled = 12 + (points - low) / np.maximum(high - low, 1e-9) * (side - 24)
    parts = [f"<rect x='0' y='0' width='{side}' height='{side}' fill='#fff' stroke='#ccc'/>"]
    for (x, y), category, whole, title in zip(scaled, categories, filled, titles, strict=True):
        colour = colours.get(category or "", REST)
        look = f"fill='{colour}'" if whole else f"fill='none' stroke='{colour}'"
        parts.append(
            f"<circle cx='{x:.1f}' cy='{side - y:.1f}' r='{4 if whole else 3}' {look}>"
            f"<title>{escape(title)}</title></circle>"
        )
    return _svg(side, side, parts)


def legend(colours: Mapping[str, str]) -> str:
    """The categories' colours as a line of HTML."""
    items = [*colours.items(), ("others", REST)]
    return "".join(
        f"<span class='key'><i style='background:{colour}'></i>{escape(name)}</span>"
        for name, colour in items
    )


def matrix(counts: npt.NDArray[np.int64], labels: Sequence[str]) -> str:
    """A confusion matrix: rows are the truth, shaded by the share of their row."""
    cell, left, top = 34, 190, 150
    size = cell * len(labels)
    totals = np.maximum(counts.sum(axis=1, keepdims=True), 1)
    parts = []
    for row, name in enumerate(labels):
        y = top + row * cell
        parts.append(
            f"<text {_FONT} x='{left - 8}' y='{y + cell / 2 + 4}' text-anchor='end'>"
            f"{escape(_short(name))}</text>"
            f"<text {_FONT} transform='translate({left + row * cell + cell / 2 + 4} {top - 8}) "
            f"rotate(-50)'>{escape(_short(name))}</text>"
        )
        for column in range(len(labels)):
            count = int(counts[row, column])
            share = count / int(totals[row, 0])
            colour = _shade(share, (17, 119, 51) if row == column else (204, 102, 119))
            x = left + column * cell
            parts.append(
                f"<rect x='{x}' y='{y}' width='{cell}' height='{cell}' fill='{colour}' "
                f"stroke='#e5e5e5'><title>{escape(name)} taken for {escape(labels[column])}: "
                f"{count}</title></rect>"
            )
            if count:
                ink = "#fff" if share > 0.55 else "#333"
                parts.append(
                    f"<text font-family='sans-serif' font-size='12' fill='{ink}' "
                    f"x='{x + cell / 2}' y='{y + cell / 2 + 4}' text-anchor='middle'>{count}</text>"
                )
    return _svg(left + size + 110, top + size + 10, parts)


def _shade(share: float, full: tuple[int, int, int]) -> str:
    mixed = [round(255 + (channel - 255) * share) for channel in full]
    return "#" + "".join(f"{channel:02x}" for channel in mixed)


def _short(name: str) -> str:
    return name if len(name) <= 26 else f"{name[:25]}…"


def _svg(width: int, height: int, parts: Sequence[str]) -> str:
    return (
        f"<svg xmlns='http://www.w3.org/2000/svg' width='{width}' height='{height}' "
        f"viewBox='0 0 {width} {height}' role='img'>{''.join(parts)}</svg>"
    )
