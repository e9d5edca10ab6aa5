"""JSONL: one product as a JSON object on each line."""

import json
import os
from collections.abc import Iterator
from typing import Any, Final

from lookalike_client.errors import SourceError
from lookalike_client.ingest.inputs import Rejected
from lookalike_client.sources.entries import FIELD_INVALID, SOURCE_INVALID, Entry, product_of
from lookalike_client.sources.lines import MAX_LINE_BYTES, lines_of

_KNOWN: Final = frozenset({"product_id", "images", "name", "attributes"})


def read_jsonl(path: str) -> Iterator[Entry]:
    """Yields the products of a file in its order; empty lines are skipped.

    Keys beside `product_id`, `images`, `name` and `attributes` become attributes, unless they hold
    objects or `attributes` has the same key.

    Raises:
      SourceError: the file holds one JSON array.
      OSError: it cannot be read.
    """
    folder, file_name = os.path.dirname(path), os.path.basename(path)
    with open(path, "rb") as file:
        seen = False
        for number, line in lines_of(file):
            where = f"{file_name}:{number}"
            if line is None:
                message = f"the line is longer than {MAX_LINE_BYTES} bytes"
                yield Rejected(where, "", SOURCE_INVALID, message)
                continue
            text = line.strip()
            if not text:
                continue
            if not seen and text.startswith(b"["):
                raise SourceError(f"{path} holds a JSON array; write one object on each line.")
            seen = True
            yield _entry(text, where, folder)


def _entry(text: bytes, where: str, folder: str) -> Entry:
    try:
        found = json.loads(text.decode(), parse_constant=_no_constant)
    except RecursionError:
        return Rejected(where, "", SOURCE_INVALID, "the JSON is nested too deeply")
    except UnicodeDecodeError as error:
        return Rejected(where, "", SOURCE_INVALID, f"not UTF-8: byte {error.start + 1}")
    except ValueError as error:
        return Rejected(where, "", SOURCE_INVALID, f"no JSON: {error}")
    if not isinstance(found, dict):
        return Rejected(where, "", SOURCE_INVALID, "the line is no JSON object")
    given = found.get("attributes")
    attributes: object = given
    if given is None or isinstance(given, dict):
        attributes = {**_others(found), **(given or {})}
    entry = product_of(
        where=where,
        product_id=found.get("product_id"),
        images=found.get("images"),
        name=found.get("name"),
        attributes=attributes,
        folder=folder,
    )
    if "product_id" not in found and isinstance(entry, Rejected):
        message = f"product_id is missing; the keys are {', '.join(sorted(found))[:200]}"
        return Rejected(where, "", FIELD_INVALID, message)
    return entry


def _others(found: dict[str, Any]) -> dict[str, Any]:
    return {
        key: value for key, value in found.items() if key not in _KNOWN and not _has_object(value)
    }


def _has_object(value: object) -> bool:
    if isinstance(value, list):
        return any(isinstance(item, dict | list) for item in value)
    return isinstance(value, dict)


def _no_constant(name: str) -> object:
    raise ValueError(f"{name} is no JSON")
