"""Tables for people."""

import os
from collections.abc import Iterable
from typing import TYPE_CHECKING, Final

from lookalike_client import models
from lookalike_client.cli.terminal import cell, say, stdout
from lookalike_client.models import ServingState

if TYPE_CHECKING:
    from rich.table import Table

_MAX_ATTRIBUTES: Final = 5
_BAR: Final = 5
_FULL: Final = "#"
_EMPTY: Final = "."


def results(found: models.SearchResults) -> None:
    """Products, best first; weak ones are marked."""
    if not found.results:
        say("No product passes.")
        return
    if found.no_good_match:
        say("No good match. The nearest there is:")
    judged = any(result.match_probability is not None for result in found.results)
    table = _table(
        "#",
        *(["match"] if judged else []),
        "distance" if found.results[0].distance is not None else "score",
        "product",
        "name",
        "best photograph",
        "photographs",
        "attributes",
    )
    for place, result in enumerate(found.results, 1):
        style = "dim" if result.weak else ""
        table.add_row(
            cell(place, style),
            *([cell(_probability(result), style)] if judged else []),
            cell(_nearness(result), style),
            cell(result.product.product_id, style),
            cell(result.product.name, style),
            cell(_best(result), style),
            cell(len(result.product.images), style),
            cell(_attributes(result.product), style),
        )
    stdout().print(table)
    if any(result.weak for result in found.results) and not found.no_good_match:
        say("weak: the nearest there is, but no good match")
    for report in found.parts:
        if report.text_truncated:
            say("The words were longer than the model reads; their end was left out.")
        if report.whole_image_fallback:
            say("No clothing was found in the photograph; all of it was used.")
        if (guess := report.category_guess) is not None:
            say(_guessed(guess))


def _guessed(guess: models.CategoryGuess) -> str:
    if not guess.category:
        return "The photograph's category could not be inferred; everything was searched."
    told = f"{guess.category} ({guess.confidence:.0%} sure)"
    if guess.applied:
        return f"The photograph shows {told}; only that was searched."
    return f"The photograph may show {told}: too unsure, everything was searched."


def _probability(result: models.SearchResult) -> str:
    p = result.match_probability
    if p is None:
        return ""
    filled = round(p * _BAR)
    return f"{_FULL * filled}{_EMPTY * (_BAR - filled)} {p:4.0%}"


def _nearness(result: models.SearchResult) -> str:
    told = result.score if result.distance is None else result.distance
    text = "" if told is None else f"{told:.3f}"
    return f"{text} weak" if result.weak else text


def product(found: models.Product) -> None:
    """One product, its photographs and what failed."""
    facts = _table("", "")
    facts.show_header = False
    rows = [
        ("product", found.product_id),
        ("name", found.name),
        ("own garment", found.own_garment or ""),
        ("pipeline", found.pipeline_version),
        ("created", found.create_time or ""),
        ("updated", found.update_time or ""),
    ]
    rows += [(key, _shown(value)) for key, value in found.attributes.items()]
    for key, value in rows:
        facts.add_row(cell(key, "bold"), cell(value))
    stdout().print(facts)
    images = _table("photograph", "pixels", "bytes", "garments", "sha256")
    for image in found.images:
        garments = "no clothing found" if image.whole_image_fallback else _garments(image.garments)
        images.add_row(
            cell(image.label or image.uri),
            cell(f"{image.width_px}x{image.height_px}"),
            cell(image.size_bytes),
            cell(garments),
            cell(image.sha256),
        )
    stdout().print()
    stdout().print(images)
    for failure in found.image_failures:
        say(f"failed: {failure.image}: {failure.stage}: {failure.reason}: {failure.message}")


def facets(found: models.Facets) -> None:
    """Values and counts of each attribute."""
    table = _table("attribute", "value", "products")
    for facet in found.facets:
        for place, value in enumerate(facet.values):
            field = facet.field if place == 0 else ""
            table.add_row(cell(field, "bold"), cell(_shown(value.value)), cell(value.count))
        if (more := facet.distinct_values - len(facet.values)) > 0:
            table.add_row("", cell(f"and {more} more", "dim"), "")
    stdout().print(table)
    say(f"{found.product_count} products pass.")


def status(found: models.Status) -> None:
    """The services, and what the index holds."""
    table = _table("service", "state", "detail", "provider", "answered in", "why")
    for service in found.services:
        serves = service.state is ServingState.SERVING
        why = "" if serves else f"{service.reason}: {service.message}".strip(": ")
        if service.warm_up_fraction is not None:
            why += f" ({service.warm_up_fraction:.0%} done)"
        table.add_row(
            cell(service.name, "bold"),
            cell(service.state.name, "green" if serves else "red"),
            cell(service.detail),
            cell(service.execution_provider),
            cell(f"{service.latency_ms:.1f} ms"),
            cell(why),
        )
    stdout().print(table)
    stdout().print(
        cell(
            f"{found.product_count} products, {found.image_count} photographs, "
            f"index version {found.index_version}, store {found.store or 'unknown'}"
        )
    )
    if found.pipeline_version:
        stdout().print(cell(f"pipeline {found.pipeline_version}"))
    if (load := found.load) is not None:
        stdout().print(cell(f"within the last {load.window_s:.0f} s: {_load(load)}"))


def _load(load: models.Load) -> str:
    told = [f"{load.searches_per_s:.1f} searches/s"]
    if load.searches_per_s:
        told[0] += f" (half within {load.search_p50_ms:.0f} ms, 95 % within "
        told[0] += f"{load.search_p95_ms:.0f} ms)"
    told.append(f"{load.errors_per_s:.1f} errors/s")
    if load.open_ingest_calls or load.ingested_products_per_s:
        told.append(
            f"{load.ingested_products_per_s:.1f} products/s and "
            f"{load.ingested_images_per_s:.1f} photographs/s from "
            f"{load.open_ingest_calls} open ingest calls"
        )
    return ", ".join(told)


def segmentation(found: models.Segmentation) -> None:
    """The garments of a photograph."""
    if found.whole_image_fallback:
        say("No clothing was found.")
    table = _table("garment", "left, top", "pixels", "area", "confidence")
    for garment in found.garments:
        box = garment.bounding_box
        table.add_row(
            cell(garment.garment or ""),
            cell(f"{box.left_px}, {box.top_px}"),
            cell(f"{box.width_px}x{box.height_px}"),
            cell(f"{garment.area_fraction:.1%}"),
            cell(f"{garment.confidence:.2f}"),
        )
    stdout().print(table)


def table_of(columns: Iterable[str], rows: Iterable[Iterable[object]]) -> None:
    """Any table; the first column is what it is about."""
    table = _table(*columns)
    for first, *others in rows:
        table.add_row(cell(first, "bold"), *map(cell, others))
    stdout().print(table)


def _table(*columns: str) -> "Table":
    # Imported when needed: it is half of the command's start.
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    for column in columns:
        table.add_column(column, overflow="fold")  # an identifier must never be cut
    return table


def _best(result: models.SearchResult) -> str:
    if result.score is None or (best := result.best_image) is None:
        return ""
    garment = f" ({result.best_garment})" if result.best_garment else ""
    name = os.path.basename(best.label or best.uri) or best.sha256[:12]
    return f"{name}{garment}"


def _attributes(found: models.Product) -> str:
    shown = [f"{key}={_shown(value)}" for key, value in found.attributes.items()]
    more = len(shown) - _MAX_ATTRIBUTES
    return ", ".join(shown[:_MAX_ATTRIBUTES]) + (f", and {more} more" if more > 0 else "")


def _garments(garments: Iterable[models.ImageGarment]) -> str:
    return ", ".join(f"{found.garment} {found.area_fraction:.0%}" for found in garments)


def _shown(value: object) -> str:
    text = ", ".join(map(str, value)) if isinstance(value, list) else str(value)
    return text if len(text) <= 120 else f"{text[:120]}…"
