"""CSV and TSV: one product in each row, under a header."""

import csv
import json
import os
import re
from collections.abc import Iterator
from typing import Any, Final

from lookalike_client.errors import SourceError
from lookalike_client.ingest.inputs import Rejected
from lookalike_client.sources.entries import SOURCE_INVALID, Entry, product_of
from lookalike_client.sources.lines import lines_of

_KNOWN: Final = ("product_id", "images", "name", "attributes")
_DELIMITERS: Final = (",", ";", "\t")
# Only what survives the way there and back: 007 and 1e3 stay text.
_NUMBER: Final = re.compile(r"-?(0|[1-9][0-9]{0,14})(\.[0-9]{1,15})?")


def read_table(path: str) -> Iterator[Entry]:
    """Yields the products of a file in its order; empty rows are skipped.

    `images` holds paths or URLs separated by `|` or `;`, or a JSON list; `attributes` a JSON
    object. Every other column is an attribute; a value that reads as a number is one. The
    delimiter (comma, semicolon or tab) is the one under which the header has `product_id`.

    Raises:
      SourceError: the header lacks `product_id` or `images`, or names a column twice.
      OSError: the file cannot be read.
    """
    with open(path, "rb") as file:
        lines = _decoded(lines_of(file))
        header = next(lines, None)
        if header is None:
            return
        columns, delimiter = _columns(header, path)
        # Lines before the reader's first are the header's.
        reader = csv.reader(lines, delimiter=delimiter)
        while True:
            try:
                row = next(reader)
            except StopIteration:
                return
            except csv.Error as error:
                yield Rejected(_where(path, reader.line_num + 1), "", SOURCE_INVALID, str(error))
                continue
            if any(cell.strip() for cell in row):
                yield _entry(row, columns, path, reader.line_num)


def _decoded(lines: Iterator[tuple[int, bytes | None]]) -> Iterator[str]:
    for _, line in lines:
        # A lone surrogate marks what was no UTF-8, so that only its own row fails.
        yield "\udcff\n" if line is None else line.decode("utf-8", "surrogateescape")


def _columns(header: str, path: str) -> tuple[list[str], str]:
    for delimiter in _DELIMITERS:
        try:
            cells = next(csv.reader([header], delimiter=delimiter, strict=True), [])
        except csv.Error:
            continue
        columns = [_column(cell) for cell in cells]
        if "product_id" in columns:
            break
    else:
        raise SourceError(f"{path} has no column product_id in its first line.")
    if "images" not in columns:
        raise SourceError(f"{path} has no column images in its first line.")
    named = [column for column in columns if column]
    if len(set(named)) < len(named):
        raise SourceError(f"{path} names a column twice in its first line.")
    return columns, delimiter


def _column(cell: str) -> str:
    name = cell.strip()
    return name.casefold() if name.casefold() in _KNOWN else name


def _entry(row: list[str], columns: list[str], path: str, line: int) -> Entry:
    where = _where(path, line + 1)
    try:
        "".join(row).encode()
    except UnicodeEncodeError:
        return Rejected(where, "", SOURCE_INVALID, "not UTF-8, or too long a line")
    if len(row) > len(columns):
        message = f"{len(row)} columns, where the first line has {len(columns)}"
        return Rejected(where, "", SOURCE_INVALID, message)
    cells = {column: cell.strip() for column, cell in zip(columns, row, strict=False) if column}
    product_id = cells.pop("product_id", "")
    try:
        images = _images(cells.pop("images", ""))
        given = _attributes(cells.pop("attributes", ""))
    except ValueError as error:
        return Rejected(where, product_id, SOURCE_INVALID, str(error))
    name = cells.pop("name", "")
    attributes = given
    if isinstance(given, dict):
        attributes = {**{key: _value(cell) for key, cell in cells.items()}, **given}
    return product_of(
        where=where,
        product_id=product_id,
        images=images,
        name=name,
        attributes=attributes,
        folder=os.path.dirname(path),
    )


def _where(path: str, line: int) -> str:
    return f"{os.path.basename(path)}:{line}"


def _images(cell: str) -> list[Any]:
    if cell.startswith("["):
        found = _json(cell, "images")
        if not isinstance(found, list):
            raise ValueError("images is no JSON list")
        return found
    separator = "|" if "|" in cell else ";"
    return [part.strip() for part in cell.split(separator) if part.strip()]


def _attributes(cell: str) -> Any:
    return _json(cell, "attributes") if cell else {}


def _json(cell: str, name: str) -> Any:
    try:
        return json.loads(cell)
    except RecursionError as error:
        raise ValueError(f"{name}: the JSON is nested too deeply") from error
    except ValueError as error:
        raise ValueError(f"{name}: no JSON: {error}") from error


def _value(cell: str) -> str | float:
    return float(cell) if _NUMBER.fullmatch(cell) else cell
