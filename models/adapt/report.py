"""The report: one HTML file that needs nothing else, and the same as JSON."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

import numpy as np
import numpy.typing as npt

from models.adapt.category import Classification
from models.adapt.charts import Line, category_colours, curves, legend, matrix, scatter
from models.adapt.training import Epoch

_STYLE = """
body{font:15px/1.5 system-ui,sans-serif;color:#222}
body{max-width:1040px;margin:2rem auto;padding:0 1rem}
h1{font-size:1.6rem;margin-bottom:0}h2{font-size:1.15rem;margin-top:2.2rem}
table{border-collapse:collapse}
td,th{padding:.25rem .8rem;border-bottom:1px solid #ddd;text-align:left}
td.n,th.n{text-align:right;font-variant-numeric:tabular-nums}.up{color:#117733}.down{color:#b03a4a}
.side{display:flex;flex-wrap:wrap;gap:1.5rem;align-items:flex-start}
.key{margin-right:1rem;white-space:nowrap;font-size:13px}
.key i{display:inline-block;width:10px;height:10px;border-radius:5px;margin-right:4px}
small,.quiet{color:#666}code{background:#f3f3f3;padding:0 .25em}svg{max-width:100%;height:auto}
"""


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Report:
    """Everything that is told of an adaptation.

    figures, catalogue, settings, trained, retention: as they stand in report.json.
    maps: products in the plane, before and after, (n, 2) each; categories, held_out and titles
      belong to their points.
    """

    name: str
    version: str
    dimension: int
    base: str
    base_version: str
    base_dimension: int
    catalogue: Mapping[str, Any]
    settings: Mapping[str, Any]
    trained: Mapping[str, Any]
    figures: Sequence[Mapping[str, Any]]
    retention: Mapping[str, float]
    classifier_before: Classification | None
    classifier: Classification | None
    small_categories: Sequence[str]
    history: Sequence[Epoch]
    maps: Sequence[npt.NDArray[np.float64]]
    categories: Sequence[str | None]
    held_out: Sequence[bool]
    titles: Sequence[str]

    def as_json(self) -> dict[str, Any]:
        """Of report.json."""
        return {
            "model": {"name": self.name, "version": self.version, "dimension": self.dimension},
            "base": {
                "name": self.base,
                "version": self.base_version,
                "dimension": self.base_dimension,
            },
            "catalogue": dict(self.catalogue),
            "figures": [dict(figure) for figure in self.figures],
            "retention": {key: round(value, 4) for key, value in self.retention.items()},
            "classifier": _classifier_json(self.classifier, self.classifier_before),
            "categories_too_small": list(self.small_categories),
            "trained": dict(self.trained),
            "curves": [
                {
                    "phase": epoch.phase,
                    "epoch": epoch.number,
                    "loss": None if epoch.loss != epoch.loss else round(epoch.loss, 5),
                    "score": round(epoch.score, 5),
                }
                for epoch in self.history
            ],
            "settings": dict(self.settings),
        }


def render(report: Report) -> str:
    """report.html."""
    parts = [
        f"<h1>{escape(report.name)}</h1>",
        f"<p class='quiet'>{escape(report.base)}, adapted to a shop's products. Space "
        f"<code>{escape(report.version)}</code>, {report.dimension} numbers "
        f"(the base has {report.base_dimension}).</p>",
        _catalogue(report.catalogue),
        "<h2>Before and after, on products that were not trained on</h2>",
        _figures(report),
        _retention(report.retention),
        "<h2>Training</h2>",
        _training(report),
        "<h2>Both spaces in the plane</h2>",
        _maps(report),
        "<h2>The classifier of categories</h2>",
        _classifier(report),
        "<h2>Settings</h2>",
        "<p class='quiet'>"
        + ", ".join(f"{escape(k)} {escape(str(v))}" for k, v in report.settings.items())
        + "</p>",
    ]
    return (
        "<!doctype html><html lang='en'><head><meta charset='utf-8'>"
        "<meta name='viewport' content='width=device-width'>"
        f"<title>{escape(report.name)}: adaptation</title><style>{_STYLE}</style></head><body>"
        + "\n".join(parts)
        + "</body></html>\n"
    )


def _catalogue(about: Mapping[str, Any]) -> str:
    split = about["split"]
    parts = ", ".join(
        f"{split[key]['products']} {word}"
        for key, word in (
            ("training", "to train on"),
            ("stopping", "to know when to stop"),
            ("held_out", "to measure on"),
        )
    )
    text = (
        f"<p>{about['products']} products with {about['photographs']} photographs "
        f"({about['photographs_cut_out']} cut out by the segmenter as ingest does); "
        f"{about['products_with_several_photographs']} products have several. {parts}. "
        f"Attributes used: {escape(', '.join(about['attributes']) or 'none')}.</p>"
    )
    if about["unreadable_photographs"]:
        text += f"<p>{len(about['unreadable_photographs'])} photographs could not be read.</p>"
    return text


def _figures(report: Report) -> str:
    if not report.figures:
        return "<p>Nothing could be measured: no held-out product has a second photograph.</p>"
    rows = "".join(
        f"<tr><td>{escape(str(figure['name']))}</td><td class='n'>{figure['queries']}</td>"
        f"<td class='n'>{_interval(figure['before'])}</td>"
        f"<td class='n'>{_interval(figure['after'])}</td>"
        f"<td class='n {_direction(figure['difference'])}'>"
        f"{_interval(figure['difference'], sign=True)}</td></tr>"
        for figure in report.figures
    )
    return (
        "<table><tr><th>figure</th><th class='n'>queries</th><th class='n'>before</th>"
        f"<th class='n'>after</th><th class='n'>difference</th></tr>{rows}</table>"
        "<p><small>In brackets: the middle 95 % over 1 000 bootstrap draws of whole styles. A view "
        "searches all products of the catalogue and only its own product, without that view, is "
        'right. Words are made of the attributes ("light blue skirts for women"); products that '
        "were trained on are never a right answer, only rivals. Coloured: the interval of the "
        "difference leaves out 0.</small></p>"
    )


def _interval(value: Mapping[str, float], *, sign: bool = False) -> str:
    shape = "+.3f" if sign else ".3f"
    return (
        f"{value['value']:{shape}} <small>[{value['low']:{shape}}, {value['high']:{shape}}]</small>"
    )


def _direction(difference: Mapping[str, float]) -> str:
    if difference["low"] > 0:
        return "up"
    return "down" if difference["high"] < 0 else ""


def _retention(values: Mapping[str, float]) -> str:
    same = values["same_nearest_general_garment_word"]
    text = (
        f"Nearest of 40 general garment words the same as before: {same:.0%} of held-out products."
    )
    if "zero_shot_category_balanced_before" in values:
        text += (
            f" Zero-shot category, balanced over classes: "
            f"{values['zero_shot_category_balanced_before']:.3f} before, "
            f"{values['zero_shot_category_balanced_after']:.3f} after."
        )
    return f"<p>What the base knew in general: {text}</p>"


def _training(report: Report) -> str:
    trained = report.trained
    xs = list(range(len(report.history)))
    marks = {
        float(i): f"phase {epoch.phase}"
        for i, epoch in enumerate(report.history)
        if i > 0 and epoch.phase != report.history[i - 1].phase
    }
    losses = Line("loss", xs, [epoch.loss for epoch in report.history], "#cc6677")
    scores = Line("score", xs, [epoch.score for epoch in report.history], "#117733")
    lines = []
    for tower in ("image", "text"):
        about = trained[tower]
        layers = ", ".join(" x ".join(map(str, shape)) for shape in about["own_layers"])
        text = f"the {tower} tower's projection ({about['projection_numbers']:,} numbers)"
        if layers:
            kept = "kept" if about["own_layers_kept"] else "tried in phase 2, not kept: no gain"
            text += f" and its own last layers ({layers}: {about['own_layers_numbers']:,}; {kept})"
        else:
            text += "; its own last layers cannot be trained from this graph"
        lines.append(text)
    return (
        f"<p>Trained: {escape('; '.join(lines))}. The best epoch was {trained['best_epoch']} of "
        f"phase {trained['best_phase']} (phase 0 is the base untouched).</p><div class='side'>"
        + curves([losses], x_label="epoch", y_label="loss", marks=marks)
        + curves(
            [scores], x_label="epoch", y_label="score of the products for stopping", marks=marks
        )
        + "</div>"
    )


def _maps(report: Report) -> str:
    if not all(len(points) for points in report.maps):
        return "<p>Too few or too many products for a picture.</p>"
    colours = category_colours(report.categories)
    pictures = "".join(
        f"<div><b>{word}</b><br>"
        + scatter(points, report.categories, report.held_out, report.titles, colours)
        + "</div>"
        for word, points in zip(("before", "after"), report.maps, strict=True)
    )
    return (
        f"<p>{legend(colours)}</p><div class='side'>{pictures}</div><p><small>t-SNE of the "
        "products' vectors. Filled: held out; hollow: trained on. Point at one for its name. "
        "Distances between groups mean little in such a picture; whether a group is one does."
        "</small></p>"
    )


def _classifier(report: Report) -> str:
    found = report.classifier
    if found is None:
        return "<p>None: fewer than two categories have enough products.</p>"
    rows = "".join(
        f"<tr><td>{escape(label)}</td><td class='n'>{int(total)}</td>"
        f"<td class='n'>{f1:.2f}</td></tr>"
        for label, total, f1 in zip(
            found.labels, found.confusion.sum(axis=1), found.f1, strict=True
        )
    )
    before = report.classifier_before
    compared = (
        f" On the base's own vectors the same classifier has {before.accuracy:.3f} and "
        f"{before.balanced_accuracy:.3f}."
        if before
        else ""
    )
    small = (
        "<p class='quiet'>Left out for want of products: "
        f"{escape(', '.join(report.small_categories))}.</p>"
        if report.small_categories
        else ""
    )
    return (
        f"<p>{len(found.labels)} categories, {len(found.right)} held-out photographs: accuracy "
        f"<b>{found.accuracy:.3f}</b>, balanced {found.balanced_accuracy:.3f}, mean F1 "
        f"{_mean_f1(found):.3f}.{compared}</p>{small}<div class='side'>"
        "<table><tr><th>category</th><th class='n'>photographs</th><th class='n'>F1</th></tr>"
        f"{rows}</table><div>{matrix(found.confusion, found.labels)}<br>"
        "<small>Rows: what it is; columns: what it was taken for.</small></div></div>"
    )


def _mean_f1(found: Classification) -> float:
    """Over the categories that were asked."""
    asked = found.confusion.sum(axis=1) > 0
    return float(np.mean(np.array(found.f1)[asked]))


def _classifier_json(
    found: Classification | None, before: Classification | None
) -> dict[str, Any] | None:
    if found is None:
        return None
    return {
        "labels": list(found.labels),
        "photographs": len(found.right),
        "accuracy": round(found.accuracy, 4),
        "balanced_accuracy": round(found.balanced_accuracy, 4),
        "mean_f1": round(_mean_f1(found), 4),
        "f1": {label: round(f1, 4) for label, f1 in zip(found.labels, found.f1, strict=True)},
        "confusion": found.confusion.tolist(),
        "accuracy_before": round(before.accuracy, 4) if before else None,
        "balanced_accuracy_before": round(before.balanced_accuracy, 4) if before else None,
    }
