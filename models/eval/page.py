"""The report as one file: every figure with its interval, charts and contact sheets.

Nothing is fetched and nothing runs: pictures are inside, charts are SVG, folding is HTML's own.
Whatever comes from the data (names, words, labels) is escaped.
"""

from collections.abc import Iterable, Sequence
from html import escape
from importlib.resources import files

from models.eval import sheets
from models.eval.charts import number
from models.eval.comparison import Comparison, Difference
from models.eval.document import confusion_of
from models.eval.findings import Finding
from models.eval.floors import BINS
from models.eval.intervals import DRAWS
from models.eval.page_tables import (
    by_metric,
    by_scope,
    chart,
    confusion,
    everything,
    named,
    signed,
)
from models.eval.run import Evaluation
from models.eval.tables import ALL
from models.eval.thumbnails import Thumbnails

REPORT_FILE = "report.html"
_CARDS = (
    ("A", ALL, "strict_r_at_1", "A: strict R@1"),
    ("A", ALL, "lenient_r_at_5", "A: lenient R@5"),
    ("B", "attributes", "r_at_1", "B: attributes R@1"),
    ("B", "attributes", "r_at_10", "B: attributes R@10"),
    ("C", ALL, "top_1", "C: category top-1"),
    ("C", ALL, "balanced", "C: category balanced"),
    ("D", ALL, "iou", "D: mask IoU"),
)


def report_of(evaluation: Evaluation, comparison: Comparison | None = None) -> str:
    """The whole page."""
    thumbnails = Thumbnails(evaluation.cutouts)
    style = files(__package__).joinpath("report.css").read_text()
    parts = [
        _cards(evaluation),
        _notes(evaluation),
        _changes(comparison) if comparison else "",
        _views(evaluation, thumbnails),
        _words(evaluation, thumbnails),
        _categories(evaluation, thumbnails),
        _masks(evaluation),
        _background(evaluation.findings),
    ]
    title = f"{evaluation.model.name}: evaluation"
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)}</title><style>{style}</style></head><body>"
        f"{_header(evaluation)}<main>{''.join(parts)}</main></body></html>\n"
    )


def _header(evaluation: Evaluation) -> str:
    model, request = evaluation.model, evaluation.request
    counts = ", ".join(f"{count} {name}" for name, count in evaluation.counts.items() if count)
    shops = f"; shops {', '.join(request.shops)} only" if request.shops else ""
    links = [("A", "views", "Views"), ("B", "words", "Words")]
    links += [("C", "categories", "Categories"), ("D", "masks", "Masks")]
    shown = [(anchor, text) for key, anchor, text in links if key in evaluation.figures]
    shown += [("background", "Background")] if evaluation.findings else []
    anchors = "".join(f'<a href="#{anchor}">{text}</a>' for anchor, text in shown)
    return (
        f"<header><h1>{escape(model.name)}</h1><p class='meta'>{escape(model.version)}, "
        f"{model.dimension} numbers, fingerprint {escape(model.fingerprint[:12])}; masks "
        f"{escape(evaluation.segmenter_version)}.<br>On {escape(request.data.name)}: "
        f"{escape(counts)}{escape(shops)}. Intervals hold 95 %, from {DRAWS} resamples of the "
        f"queries.</p></header><nav>{anchors}</nav>"
    )


def _cards(evaluation: Evaluation) -> str:
    cards = []
    for protocol, scope, metric, title in _CARDS:
        settings = evaluation.figures.get(protocol, {})
        setting = evaluation.served if evaluation.served in settings else [*settings][-1:]
        name = setting if isinstance(setting, str) else "".join(setting)
        figure = settings.get(name, {}).get(scope, {}).get(metric)
        if figure is not None:
            cards.append(
                f'<div class="card"><span>{escape(title)}</span><b>{number(figure.value)}</b>'
                f"<span>{number(figure.low)} to {number(figure.high)}, n {figure.n}, "
                f"{escape(name)}</span></div>"
            )
    return f'<div class="cards">{"".join(cards)}</div>'


def _notes(evaluation: Evaluation) -> str:
    notes = [f"Protocol {one}: {why}." for one, why in sorted(evaluation.skipped.items())]
    notes += [f"Not readable: {why}" for why in evaluation.unreadable.values()]
    if not notes:
        return ""
    items = "".join(f"<li>{escape(note)}</li>" for note in notes)
    return f"<section><h2>Left out</h2><ul>{items}</ul></section>"


def _views(evaluation: Evaluation, thumbnails: Thumbnails) -> str:
    settings = evaluation.figures.get("A")
    if not settings:
        return ""
    shops = [scope for scope in settings[evaluation.served] if "clothes" not in scope]
    charts = "".join(
        chart(evaluation, settings, shop, "strict_r_at_1", f"{shop}: strict R@1") for shop in shops
    )
    heads = ("strict_r_at_1", "strict_apart_r_at_1", "lenient_r_at_5")
    tables = "".join(
        f"<h3>{escape(named(metric))}</h3>" + by_scope(evaluation, settings, metric)
        for metric in heads
    )
    bins = " x ".join(map(str, BINS))
    return (
        '<section id="views"><h2>A. Leave one view out</h2><p class="note">Each view of a product '
        "with two or more asks for the product, whose vector is made without it. Strict: the same "
        "colour; lenient: the style in any colour. Twins apart: the same view of the other "
        "colours, often one photograph recoloured, is left out of their vectors too. The floors "
        f"need no model: the cosine of HSV histograms ({bins} bins, square roots) of photographs, "
        "and of the garments' own pixels.</p>"
        f'<div class="charts">{charts}</div>{tables}'
        f"{everything(evaluation, settings)}{sheets.view_sheet(evaluation, thumbnails)}</section>"
    )


def _words(evaluation: Evaluation, thumbnails: Thumbnails) -> str:
    settings = evaluation.figures.get("B")
    if not settings:
        return ""
    kinds = [scope for scope in settings[evaluation.served] if "," not in scope]
    tables = "".join(
        f"<h3>{escape(named(metric))}</h3>" + by_scope(evaluation, settings, metric, kinds)
        for metric in ("r_at_1", "r_at_10", "ndcg_at_10")
    )
    charts = "".join(
        chart(evaluation, settings, "attributes", metric, f"attributes: {named(metric)}")
        for metric in ("r_at_1", "r_at_10")
    )
    return (
        '<section id="words"><h2>B. Words to product</h2><p class="note">Sentences search all '
        "products; kinds of query are those of the data.</p>"
        f'<div class="charts">{charts}</div>{tables}'
        f"{everything(evaluation, settings)}{sheets.words_sheet(evaluation, thumbnails)}</section>"
    )


def _categories(evaluation: Evaluation, thumbnails: Thumbnails) -> str:
    settings = evaluation.figures.get("C")
    if not settings:
        return ""
    charts = "".join(
        chart(evaluation, settings, ALL, metric, named(metric)) for metric in ("top_1", "balanced")
    )
    return (
        '<section id="categories"><h2>C. Category, zero-shot</h2><p class="note">The nearest of '
        "the classes' words. All classes: those too that the list of labels knows but these "
        "photographs lack. Neighbours: the five nearest other photographs vote.</p>"
        f'<div class="charts">{charts}</div>{by_metric(evaluation, settings, ALL)}'
        f"<h3>Taken for, {escape(evaluation.served)}</h3>{confusion(confusion_of(evaluation))}"
        f"{sheets.category_sheet(evaluation, thumbnails)}</section>"
    )


def _masks(evaluation: Evaluation) -> str:
    settings = evaluation.figures.get("D")
    if not settings:
        return ""
    tables = "".join(
        f"<h3>{escape(scope)}</h3>{by_metric(evaluation, settings, scope)}"
        for scope in [*settings.values()][-1]
    )
    return (
        '<section id="masks"><h2>D. Masks</h2><p class="note">Clothing against the rest, mean over '
        "photographs; a photograph in which nothing was found counts as clothing all over, as it "
        "is embedded. Classes over all pixels, the unjudged left out.</p>"
        f"{tables}{sheets.mask_sheet(evaluation)}</section>"
    )


def _background(findings: Sequence[Finding]) -> str:
    if not findings:
        return ""
    tables = []
    for question in dict.fromkeys(one.question for one in findings):
        rows = "".join(
            f"<tr><td>{one.protocol}, {escape(one.scope)}</td>"
            f'<td class="text">{escape(named(one.metric))}</td>'
            f'<td class="text">{escape(one.before)} → {escape(one.after)}</td>'
            f"<td>{signed(one.difference)}<i>{signed(one.low)} to {signed(one.high)}</i></td>"
            f'<td>{one.n}</td><td class="text {one.verdict}">{one.verdict}</td></tr>'
            for one in findings
            if one.question == question
        )
        tables.append(
            f"<h3>{escape(question)}</h3><div class='scroll'><table><tr><th>protocol, queries</th>"
            "<th>figure</th><th>from → to</th><th>difference</th><th>n</th><th></th></tr>"
            f"{rows}</table></div>"
        )
    return (
        '<section id="background"><h2>The background</h2><p class="note">The same queries under '
        "two settings, differences paired. One in twenty would leave out zero by chance alone."
        f"</p>{''.join(tables)}</section>"
    )


def _changes(comparison: Comparison) -> str:
    heads = [
        one
        for one in comparison.differences
        if (one.protocol, one.scope, one.metric) in {card[:3] for card in _CARDS}
    ]
    return (
        f'<section id="changes"><h2>Since {escape(comparison.old_model)}</h2>'
        f"{_change_table(heads)}<details><summary>Every figure</summary>"
        f"{_change_table(comparison.differences)}</details></section>"
    )


def _change_table(differences: Iterable[Difference]) -> str:
    rows = "".join(
        f"<tr><td>{one.protocol} {escape(one.setting)}, {escape(one.scope)}</td>"
        f'<td class="text">{escape(named(one.metric))}</td>'
        f"<td>{number(one.old)}</td><td>{number(one.new)}</td><td>{signed(one.difference)}"
        + (f"<i>{signed(one.low)} to {signed(one.high)}</i>" if one.low is not None else "")
        + f'</td><td class="text {one.verdict}">{one.verdict}</td></tr>'
        for one in differences
    )
    return (
        "<div class='scroll'><table><tr><th>queries</th><th>figure</th><th>before</th><th>now</th>"
        f"<th>difference</th><th></th></tr>{rows}</table></div>"
    )
