"""The report's tables and charts of figures."""

from collections.abc import Mapping, Sequence
from html import escape

from models.eval.charts import Bar, number, whiskers
from models.eval.run import Evaluation
from models.eval.tables import Figure

Scopes = Mapping[str, Mapping[str, Figure]]
Settings = Mapping[str, Scopes]
_NAMES = {
    "strict_r_at_1": "strict R@1",
    "strict_apart_r_at_1": "strict R@1, twins apart",
    "lenient_r_at_5": "lenient R@5",
    "r_at_1": "R@1",
    "r_at_5": "R@5",
    "r_at_10": "R@10",
    "mrr": "MRR",
    "ndcg_at_10": "nDCG@10",
    "top_1": "top-1",
    "balanced": "balanced",
    "top_1_of_all": "top-1, all classes",
    "balanced_of_all": "balanced, all classes",
    "top_1_by_neighbours": "top-1, 5 neighbours",
    "balanced_by_neighbours": "balanced, 5 neighbours",
    "iou": "IoU",
    "iou_below_half": "share below .5",
    "iou_three_classes": "three classes",
    "iou_upper": "upper",
    "iou_lower": "lower",
    "iou_full": "full",
}


def named(metric: str) -> str:
    """A metric's name for people."""
    return _NAMES.get(metric, metric.replace("_", " "))


def chart(evaluation: Evaluation, settings: Settings, scope: str, metric: str, title: str) -> str:
    """A metric of one scope in every setting."""
    bars = [
        Bar(name, scopes[scope][metric], _kind(evaluation, name))
        for name, scopes in settings.items()
        if metric in scopes.get(scope, {})
    ]
    return whiskers(bars, title)


def by_scope(
    evaluation: Evaluation, settings: Settings, metric: str, chosen: Sequence[str] = ()
) -> str:
    """One metric: a row for each setting, a column for each scope."""
    scopes = chosen or list(dict.fromkeys(scope for one in settings.values() for scope in one))
    rows = {
        name: [found.get(scope, {}).get(metric) for scope in scopes]
        for name, found in settings.items()
    }
    sizes = [max(one.n for row in rows.values() if (one := row[i])) for i in range(len(scopes))]
    heads = [f"{scope} ({n})" for scope, n in zip(scopes, sizes, strict=True)]
    return _table(evaluation, heads, rows)


def by_metric(evaluation: Evaluation, settings: Settings, scope: str) -> str:
    """One scope: a row for each setting, a column for each metric."""
    names = list(dict.fromkeys(m for one in settings.values() for m in one.get(scope, {})))
    rows = {
        name: [found.get(scope, {}).get(metric) for metric in names]
        for name, found in settings.items()
    }
    return _table(evaluation, [named(one) for one in names], rows)


def everything(evaluation: Evaluation, settings: Settings) -> str:
    """Every metric of every scope, folded."""
    scopes = dict.fromkeys(scope for one in settings.values() for scope in one)
    return (
        "<details><summary>Every figure</summary>"
        + "".join(
            f"<h3>{escape(scope)}</h3>{by_metric(evaluation, settings, scope)}" for scope in scopes
        )
        + "</details>"
    )


def _table(
    evaluation: Evaluation, heads: Sequence[str], rows: Mapping[str, Sequence[Figure | None]]
) -> str:
    head = "".join(f"<th>{escape(one)}</th>" for one in heads)
    body = "".join(
        f'<tr class="{_kind(evaluation, name)}"><td>{escape(name)}</td>'
        + "".join(f"<td>{_cell(one)}</td>" for one in row)
        + "</tr>"
        for name, row in rows.items()
    )
    return f"<div class='scroll'><table><tr><th></th>{head}</tr>{body}</table></div>"


def _cell(figure: Figure | None) -> str:
    if figure is None:
        return "&ndash;"
    return f"{number(figure.value)}<i>{number(figure.low)}&ndash;{number(figure.high)}</i>"


def confusion(counts: Mapping[str, Mapping[str, int]]) -> str:
    """A row for each label, a column for each guess."""
    labels = list(dict.fromkeys([*counts, *(g for row in counts.values() for g in row)]))
    head = "".join(f"<th>{escape(label)}</th>" for label in labels)
    rows = []
    for label in counts:
        total = sum(counts[label].values())
        cells = []
        for guess in labels:
            count = counts[label].get(guess, 0)
            share = count / total
            hue = "20,128,74" if guess == label else "179,54,47"
            colour = f' style="background:rgba({hue},{0.08 + 0.62 * share:.2f})"' if count else ""
            zero = "" if count else ' class="zero"'
            cells.append(f"<td{zero}{colour}>{count or '·'}</td>")
        rows.append(f"<tr><th>{escape(label)}</th>{''.join(cells)}</tr>")
    return (
        "<div class='scroll'><table class='confusion'>"
        f"<tr><th>is ↓ taken for →</th>{head}</tr>{''.join(rows)}</table></div>"
    )


def _kind(evaluation: Evaluation, setting: str) -> str:
    if setting.startswith("floor"):
        return "floor"
    return "served" if setting == evaluation.served else "model"


def signed(value: float | None) -> str:
    """With its sign; "" for none."""
    return "" if value is None else f"{value:+.3f}".replace("0.", ".", 1).replace("-", "&minus;")
