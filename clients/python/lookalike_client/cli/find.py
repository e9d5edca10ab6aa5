"""`lookalike search` and `lookalike similar`."""

from typing import Final

import click

from lookalike_client.cli import render, terminal
from lookalike_client.cli.options import (
    count_option,
    filter_option,
    garment_option,
    metric_option,
    photograph,
)
from lookalike_client.cli.session import Session, common_options
from lookalike_client.query import (
    Condition,
    Features,
    FeatureWords,
    Like,
    Part,
    Photo,
    Text,
    parse_features,
)

_AUTO: Final = "auto"
_AWAY: Final = -0.5
"""At full weight, what is not wanted drowns what is: `dress --not red` would find anything but
red, dresses or not."""


@click.command()
@click.argument("text", required=False)
@click.option("--image", "images", type=photograph, multiple=True, help="Like this photograph.")
@click.option("--like", multiple=True, metavar="ID", help="Like this product.")
@click.option("--not", "unwanted", multiple=True, metavar="TEXT", help="Away from these words.")
@click.option("--not-like", multiple=True, metavar="ID", help="Away from this product.")
@click.option(
    "--feature",
    "features",
    multiple=True,
    metavar="KEY=VALUE",
    help="A feature as words: type, colour, category, pattern, season, person.",
)
@click.option(
    "--category",
    metavar="NAME",
    help="Only this category; `auto`: the one that the photograph of --image shows.",
)
@garment_option
@filter_option
@metric_option
@count_option(100_000)
@common_options
def search(
    session: Session,
    text: str | None,
    images: tuple[str, ...],
    like: tuple[str, ...],
    unwanted: tuple[str, ...],
    not_like: tuple[str, ...],
    features: tuple[str, ...],
    category: str | None,
    garment: str | None,
    where: tuple[Condition, ...],
    metric: str,
    k: int,
) -> int:
    """Find products by any mix of words, photographs, products and features.

    With --filter or --category only, the products that pass are listed.
    """
    parts: list[Part] = [] if text is None else [Text(text)]
    parts += [Photo.from_file(path, garment=garment) for path in images]
    parts += [Like(product_id) for product_id in like]
    if features:
        try:
            parts.append(FeatureWords(parse_features(features)))
        except ValueError as error:
            raise click.BadParameter(str(error), param_hint="--feature") from error
    parts += [Text(words, _AWAY) for words in unwanted]
    parts += [Like(product_id, _AWAY) for product_id in not_like]
    if category == _AUTO and not images:
        raise click.UsageError("--category auto is inferred from a photograph: add --image.")
    if not parts and not where and category is None:
        raise click.UsageError("Say what to search for: words, --image, --like or --filter.")
    with session.connect() as client:
        results = client.search(
            *parts,
            k=k,
            garment=garment,
            where=where,
            features=None if category is None else Features(category=category),
            metric=metric,
        )
    if session.as_json:
        terminal.emit(results.to_dict())
    else:
        render.results(results)
    return 0


@click.command()
@click.argument("product_id", metavar="ID")
@garment_option
@filter_option
@metric_option
@count_option(1_000)
@common_options
def similar(
    session: Session,
    product_id: str,
    garment: str | None,
    where: tuple[Condition, ...],
    metric: str,
    k: int,
) -> int:
    """Find the products most similar to one of the catalogue."""
    with session.connect() as client:
        results = client.similar(product_id, k=k, garment=garment, where=where, metric=metric)
    if session.as_json:
        terminal.emit(results.to_dict())
    else:
        render.results(results)
    return 0
