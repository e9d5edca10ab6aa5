"""Contact sheets: hits and misses of every protocol, drawn from the run with a fixed seed."""

from collections.abc import Sequence
from html import escape
from typing import TypeVar

import numpy as np

from models.eval.catalogue import UNION, Catalogue
from models.eval.cutouts import GREEN, PLAIN, Shown
from models.eval.protocols import SHOWN
from models.eval.recognition import read_map
from models.eval.run import Evaluation
from models.eval.thumbnails import Thumbnails, data_uri, outlined, tile
from services.segmenter.domain import Garment

HITS, MISSES, PHOTOGRAPHS, WORST = 6, 14, 48, 12
_MASK_SIDE_PX = 190
T = TypeVar("T")


def view_sheet(evaluation: Evaluation, thumbnails: Thumbnails) -> str:
    """Protocol A: the view, and what was found before and with it."""
    views, catalogue = evaluation.views, evaluation.catalogue
    if views is None or catalogue is None:
        return ""
    sheets = []
    for title, chosen in _halves([(one, one.strict == 0) for one in views.results]):
        rows = []
        for one in chosen:
            product = catalogue.products[one.product]
            asked = tile(
                thumbnails.uri(_shown(evaluation, catalogue, one.image)),
                f"rank {one.strict + 1}, style {one.lenient + 1}",
                "ask",
                one.image,
            )
            rows.append(asked + _answers(evaluation, thumbnails, one.best, product.product_id))
        sheets.append(_sheet(title, rows))
    return "".join(sheets)


def words_sheet(evaluation: Evaluation, thumbnails: Thumbnails) -> str:
    """Protocol B, by kind of query: the words and the first answers."""
    words, data, catalogue = evaluation.words, evaluation.measuring, evaluation.catalogue
    if words is None or data is None or catalogue is None:
        return ""
    sheets = []
    for kind in sorted({data.queries[one.query].kind for one in words.results}):
        members = [one for one in words.results if data.queries[one.query].kind == kind]
        for title, chosen in _halves([(one, one.rank == 0) for one in members], 3, 6):
            rows = []
            for one in chosen:
                query = data.queries[one.query]
                rows.append(
                    f'<div class="words"><q>{escape(_short(query.text, 150))}</q>'
                    f"<small>first right answer at {one.rank + 1}; "
                    f"{len(query.relevant)} right in all</small></div>"
                    + _answers(evaluation, thumbnails, one.best, *query.relevant)
                )
            sheets.append(_sheet(f"{kind}: {title}", rows))
    return "".join(sheets)


def category_sheet(evaluation: Evaluation, thumbnails: Thumbnails) -> str:
    """Protocol C: photographs taken for something else."""
    answers = evaluation.categories
    if answers is None:
        return ""
    pairs = zip(answers.photos, answers.guesses, strict=True)
    wrong = [(photo, guess) for photo, guess in pairs if photo.label != guess]
    tiles = [
        tile(
            thumbnails.uri(Shown(photo.path)), f"{photo.label} → {guess}", "wrong", photo.path.name
        )
        for photo, guess in _drawn(wrong, PHOTOGRAPHS)
    ]
    return _sheet(f"misses ({len(tiles)} of {len(wrong)})", ["".join(tiles)]) if tiles else ""


def mask_sheet(evaluation: Evaluation) -> str:
    """Protocol D: the worst masks."""
    answers = evaluation.outlines
    if answers is None:
        return ""
    iou = answers.table.columns["iou"]
    tiles = []
    for row in np.argsort(iou, kind="stable")[:WORST]:
        photo = answers.photos[row]
        drawing = outlined(
            evaluation.cutouts.picture(Shown(photo.path))[0],
            evaluation.cutouts.classes(photo.path),
            read_map(photo.map_path),
        )
        caption = f"{photo.photo_id}: {iou[row]:.2f}"
        tiles.append(tile(data_uri(drawing, _MASK_SIDE_PX), caption))
    return _sheet("worst masks: found in colour, hand-made outlined in white", ["".join(tiles)])


def _answers(
    evaluation: Evaluation, thumbnails: Thumbnails, best: Sequence[int], *right: str
) -> str:
    catalogue = evaluation.catalogue
    assert catalogue is not None
    styles = {one.style_id for one in catalogue.products if one.product_id in right}
    tiles = []
    for number in best[:SHOWN]:
        product = catalogue.products[number]
        mark = "right" if product.product_id in right else ""
        mark = mark or ("near" if product.style_id in styles else "")
        shown = Shown(catalogue.views[product.images[0]].path)
        caption = product.product_id.partition(":")[2] or product.product_id
        tiles.append(tile(thumbnails.uri(shown), _short(caption, 22), mark, product.product_id))
    return "".join(tiles)


def _shown(evaluation: Evaluation, catalogue: Catalogue, key: str) -> Shown:
    """What the model was shown of a view; averages are shown by the first of the two."""
    view, setting = catalogue.views[key], evaluation.served
    if setting == PLAIN:
        return Shown(view.path)
    return Shown(view.path, Garment.UNION if setting == UNION else view.garment, GREEN)


def _halves(
    marked: Sequence[tuple[T, bool]], hits: int = HITS, misses: int = MISSES
) -> list[tuple[str, list[T]]]:
    good = [one for one, right in marked if right]
    bad = [one for one, right in marked if not right]
    halves = [
        (f"hits ({len(good)})", _drawn(good, hits)),
        (f"misses ({len(bad)})", _drawn(bad, misses)),
    ]
    return [(title, chosen) for title, chosen in halves if chosen]


def _drawn(items: Sequence[T], count: int) -> list[T]:
    chosen = np.random.default_rng(0).permutation(len(items))[:count]
    return [items[i] for i in sorted(chosen)]


def _sheet(title: str, rows: Sequence[str]) -> str:
    body = "".join(f'<div class="row">{row}</div>' for row in rows)
    return f'<details class="sheet" open><summary>{escape(title)}</summary>{body}</details>'


def _short(text: str, length: int) -> str:
    return text if len(text) <= length else text[: length - 1] + "…"
