"""Filters and facets."""

import math
from collections.abc import Iterable

from google.protobuf import struct_pb2

from lookalike.type.v1 import filter_pb2
from servicekit.errors import InvalidArgument
from services.indexer.domain import Scalar
from services.indexer.facets import Facet
from services.indexer.filters import (
    MAX_CONDITIONS,
    MAX_VALUES,
    AnyOf,
    Condition,
    Exists,
    Filter,
    InRange,
    NoneOf,
    Test,
    ValueKey,
    value_key,
)
from services.indexer.wire import checks


def conditions(message: filter_pb2.Filter) -> Filter:
    """Raises: InvalidArgument: FIELD_INVALID for sizes, FILTER_INVALID for what they hold."""
    checks.size(message.conditions, "filter.conditions", 0, MAX_CONDITIONS)
    return tuple(
        _condition(condition, f"filter.conditions[{index}]")
        for index, condition in enumerate(message.conditions)
    )


def _condition(message: filter_pb2.Condition, field: str) -> Condition:
    if not message.field:
        raise _invalid(f"{field}.field", "a condition names a field")
    test: Test
    match message.WhichOneof("test"):
        case "any_of":
            test = AnyOf(_keys(message.any_of, f"{field}.any_of"))
        case "none_of":
            test = NoneOf(_keys(message.none_of, f"{field}.none_of"))
        case "range":
            test = _range(message.range, f"{field}.range")
        case "exists":
            test = Exists(message.exists)
        case _:
            raise _invalid(field, "a condition has exactly one test")
    return Condition(message.field, test)


def _range(message: filter_pb2.NumberRange, field: str) -> InRange:
    low = message.minimum if message.HasField("minimum") else -math.inf
    high = message.maximum if message.HasField("maximum") else math.inf
    if math.isnan(low) or math.isnan(high):
        raise _invalid(field, "a bound is a number")
    return InRange(low, high)


def _keys(message: filter_pb2.ValueSet, field: str) -> frozenset[ValueKey]:
    checks.size(message.values, f"{field}.values", 1, MAX_VALUES)
    return frozenset(value_key(_scalar(value, f"{field}.values")) for value in message.values)


def _scalar(value: struct_pb2.Value, field: str) -> Scalar:
    kind = value.WhichOneof("kind")
    if kind == "string_value":
        return value.string_value
    if kind == "bool_value":
        return value.bool_value
    if kind == "number_value" and not math.isnan(value.number_value):
        return value.number_value
    raise _invalid(field, "a value is a text, a number or a boolean")


def _invalid(field: str, message: str) -> InvalidArgument:
    return InvalidArgument(f"{field}: {message}.", reason="FILTER_INVALID", field=field)


def facet_messages(facets: Iterable[Facet]) -> list[filter_pb2.Facet]:
    return [
        filter_pb2.Facet(
            field=facet.field,
            values=[
                filter_pb2.FacetValue(
                    value=value_message(found.value), product_count=found.product_count
                )
                for found in facet.values
            ],
            distinct_values=facet.distinct_values,
        )
        for facet in facets
    ]


def value_message(value: Scalar) -> struct_pb2.Value:
    if isinstance(value, bool):
        return struct_pb2.Value(bool_value=value)
    if isinstance(value, str):
        return struct_pb2.Value(string_value=value)
    return struct_pb2.Value(number_value=value)
