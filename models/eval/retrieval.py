"""Protocols A and B over a catalogue: tables of results, and what the contact sheets show."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from models.eval.catalogue import Catalogue
from models.eval.layout import TextQuery
from models.eval.protocols import (
    Query,
    Vectors,
    ViewResult,
    WordsResult,
    gallery_of,
    view_results,
    words_results,
)
from models.eval.tables import ALL, Column, Table

GREEN_CLOTHES = "green clothes"
OTHER_CLOTHES = "other clothes"


@dataclass(frozen=True, slots=True)
class Words:
    """Protocol B's answers and their table."""

    table: Table
    results: tuple[WordsResult, ...]


@dataclass(frozen=True, slots=True)
class Views:
    """Protocol A's answers (all colours left whole in the gallery) and their table."""

    table: Table
    results: tuple[ViewResult, ...]


def views_of(catalogue: Catalogue, vectors: Mapping[str, Vectors]) -> Views | None:
    """Protocol A; None if no product has two views."""
    products = catalogue.products
    whole = view_results(products, vectors)
    if not whole:
        return None
    apart = view_results(products, vectors, same_view_of_other_colours=False)
    asked = [products[result.product] for result in whole]
    shops = [one.source for one in asked]
    green = [one.product_id in catalogue.green for one in asked]
    table = Table(
        ids=tuple(result.image for result in whole),
        groups=tuple(one.style_id for one in asked),
        scopes=_scopes(shops, green),
        columns={
            "rank_strict": _column(result.strict for result in whole),
            "rank_lenient": _column(result.lenient for result in whole),
            "rank_strict_apart": _column(result.strict for result in apart),
            "rank_lenient_apart": _column(result.lenient for result in apart),
        },
    )
    return Views(table, tuple(whole))


def words_of(
    catalogue: Catalogue,
    vectors: Mapping[str, Vectors],
    queries: Sequence[TextQuery],
    texts: Mapping[str, Vectors],
) -> Words | None:
    """Protocol B; None if no query has an answer here."""
    results = words_results(
        [Query(one.kind, one.text, one.relevant) for one in queries],
        np.stack([texts[one.text] for one in queries]) if queries else np.zeros((0, 1), np.float32),
        catalogue.products,
        gallery_of(catalogue.products, vectors),
    )
    if not results:
        return None
    by_id = {one.product_id: one for one in catalogue.products}
    asked = [queries[result.query] for result in results]
    there = [sorted(one.relevant & by_id.keys()) for one in asked]
    shops = [by_id[ids[0]].source for ids in there]
    green = [all(one in catalogue.green for one in ids) for ids in there]
    kinds = [one.kind for one in asked]
    scopes = {ALL: tuple(range(len(asked)))}
    for kind in sorted(set(kinds)):
        members = [i for i, one in enumerate(kinds) if one == kind]
        parts = _scopes([shops[i] for i in members], [green[i] for i in members])
        for name, rows in parts.items():
            chosen = tuple(members[row] for row in rows)
            scopes[kind if name == ALL else f"{kind}, {name}"] = chosen
    table = Table(
        ids=tuple(one.query_id for one in asked),
        groups=tuple(one.query_id for one in asked),
        scopes=scopes,
        columns={
            "rank": _column(result.rank for result in results),
            "ndcg_at_10": _column(result.ndcg_at_10 for result in results),
        },
    )
    return Words(table, tuple(results))


def _scopes(shops: Sequence[str], green: Sequence[bool]) -> dict[str, tuple[int, ...]]:
    """All, each shop, and green clothes apart from others where there are both."""
    rows = range(len(shops))
    scopes = {ALL: tuple(rows)}
    for shop in sorted(set(shops)):
        scopes[shop] = tuple(i for i in rows if shops[i] == shop)
    if any(green) and not all(green):
        scopes[GREEN_CLOTHES] = tuple(i for i in rows if green[i])
        scopes[OTHER_CLOTHES] = tuple(i for i in rows if not green[i])
    return scopes


def _column(values: Iterable[float]) -> Column:
    return np.array(list(values), np.float64)
