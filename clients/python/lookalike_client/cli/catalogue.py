"""`lookalike show`, `lookalike delete` and `lookalike facets`."""

import click

from lookalike_client.cli import render, terminal
from lookalike_client.cli.options import filter_option
from lookalike_client.cli.session import Session, common_options
from lookalike_client.query import Condition


@click.command()
@click.argument("product_id", metavar="ID")
@common_options
def show(session: Session, product_id: str) -> int:
    """Show one product with all its photographs."""
    with session.connect() as client:
        product = client.get(product_id)
    if session.as_json:
        terminal.emit(product.to_dict())
    else:
        render.product(product)
    return 0


@click.command()
@click.argument("product_ids", metavar="ID...", nargs=-1, required=True)
@common_options
def delete(session: Session, product_ids: tuple[str, ...]) -> int:
    """Delete products.

    The exit status is 3 if one of them was not there.
    """
    with session.connect() as client:
        deletion = client.delete(*product_ids)
    if session.as_json:
        terminal.emit(deletion.to_dict())
    else:
        terminal.stdout().print(f"Deleted {len(deletion.deleted)}.", markup=False)
    for product_id in deletion.unknown:
        terminal.say(f"There is no product {product_id}.")
    return 3 if deletion.unknown else 0


@click.command()
@click.argument("fields", metavar="[FIELD]...", nargs=-1)
@filter_option
@click.option(
    "-n",
    "max_values",
    type=click.IntRange(1, 1_000),
    default=50,
    show_default=True,
    help="Values of each attribute at most.",
)
@common_options
def facets(
    session: Session, fields: tuple[str, ...], where: tuple[Condition, ...], max_values: int
) -> int:
    """Count the values of attributes; of all attributes whose values repeat if none is named."""
    with session.connect() as client:
        found = client.facets(*fields, where=where, max_values=max_values)
    if session.as_json:
        terminal.emit(found.to_dict())
    else:
        render.facets(found)
    return 0
