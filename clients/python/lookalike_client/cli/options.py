"""Types of options that several commands share."""

from collections.abc import Callable
from typing import Any, TypeVar

import click

from lookalike_client.models import Garment, Metric
from lookalike_client.query import Condition, parse_condition

Decorated = TypeVar("Decorated", bound=Callable[..., Any])


class _ConditionType(click.ParamType[Condition]):
    name = "condition"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> Condition:
        try:
            return parse_condition(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)


garment_option = click.option(
    "--garment",
    type=click.Choice([garment.value for garment in Garment]),
    help="Compare this garment only.",
)
metric_option = click.option(
    "--metric",
    type=click.Choice([metric.value for metric in Metric]),
    default=Metric.COSINE.value,
    show_default=True,
    help="How nearness is measured: l2 is Euclidean, l1 Manhattan.",
)
filter_option = click.option(
    "--filter",
    "where",
    type=_ConditionType(),
    multiple=True,
    metavar="CONDITION",
    help="colour=blue, colour=blue,red, colour!=blue, 'price>=10', 'price<=50', key, '!key'. "
    "All must hold.",
)


def count_option(largest: int) -> Callable[[Decorated], Decorated]:
    """-k, up to what the call behind the command can give."""
    return click.option(
        "-k",
        type=click.IntRange(min=1, max=largest),
        default=5,
        show_default=True,
        help="How many products.",
    )


photograph = click.Path(exists=True, dir_okay=False, readable=True)
