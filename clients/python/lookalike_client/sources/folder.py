"""A folder of product folders."""

import os
import re
from collections import Counter
from collections.abc import Iterator
from typing import Final

from lookalike_client.ingest.inputs import ImageInput, ProductInput, Rejected
from lookalike_client.sources.entries import FIELD_INVALID, SOURCE_INVALID, Entry

_SIDE_FILES: Final = frozenset(
    [
        ".csv",
        ".db",
        ".htm",
        ".html",
        ".ini",
        ".json",
        ".jsonl",
        ".log",
        ".md",
        ".ndjson",
        ".tsv",
        ".txt",
        ".xml",
        ".yaml",
        ".yml",
    ]
)
"""What people keep beside photographs. Any other file is taken for one, and told if it is none."""
_NO_CATALOGUE: Final = frozenset({"__MACOSX", "@eaDir"})
_DIGITS: Final = re.compile(r"(\d+)")


def read_folder(path: str) -> Iterator[Entry]:
    """Yields the products below a folder, in natural order of their names.

    A folder below it that holds files, or holds nothing, is a product: its path from here is its
    identifier, its own name the product's name, its files the photographs. Folders may lie deeper
    (`women/skirt-12`). A file directly in `path` is a product of its own, by its name without
    ending (with it, where several would be the same). Hidden files and side files (`.txt`,
    `.json`, …) are passed over.

    Raises:
      OSError: the folder cannot be read.
    """
    folders, files = _listed(path)
    stems = Counter([*folders, *(_stem(name) for name in files)])
    for name in files:
        product_id = _stem(name) if stems[_stem(name)] == 1 else name
        yield _product(product_id, _stem(name), path, [name])
    for name in folders:
        yield from _below(os.path.join(path, name), name, ancestors=(_identity(path),))


def read_file(path: str) -> Iterator[Entry]:
    """Yields the one product that a single photograph is."""
    folder, name = os.path.split(path)
    yield _product(_stem(name), _stem(name), folder, [name])


def _below(path: str, product_id: str, ancestors: tuple[tuple[int, int], ...]) -> Iterator[Entry]:
    try:
        itself = _identity(path)
        if itself in ancestors:  # a link that leads back up
            return
        folders, files = _listed(path)
    except OSError as error:
        message = f"the folder cannot be read: {error.strerror}"
        yield Rejected(_shown(path), _shown(product_id), SOURCE_INVALID, message)
        return
    if files or not folders:
        yield _product(product_id, os.path.basename(path), path, files)
    for name in folders:
        yield from _below(os.path.join(path, name), f"{product_id}/{name}", (*ancestors, itself))


def _product(product_id: str, name: str, folder: str, files: list[str]) -> Entry:
    try:
        return ProductInput(
            product_id=product_id,
            images=tuple(ImageInput.from_file(os.path.join(folder, file)) for file in files),
            name=name,
        )
    except ValueError as error:
        return Rejected(_shown(folder), _shown(product_id), FIELD_INVALID, str(error))


def _listed(path: str) -> tuple[list[str], list[str]]:
    folders, files = [], []
    with os.scandir(path) as entries:
        for entry in entries:
            if entry.name.startswith(".") or entry.name in _NO_CATALOGUE:
                continue
            if entry.is_dir():
                folders.append(entry.name)
            elif os.path.splitext(entry.name)[1].lower() not in _SIDE_FILES:
                files.append(entry.name)
    return sorted(folders, key=_natural), sorted(files, key=_natural)


def _natural(name: str) -> tuple[list[tuple[int, str]], str]:
    # 2 before 10; the name itself decides between 2 and 02.
    parts = _DIGITS.split(name.casefold())
    return [(int(p), "") if p.isdecimal() else (-1, p) for p in parts if p], name


def _identity(path: str) -> tuple[int, int]:
    found = os.stat(path)
    return found.st_dev, found.st_ino


def _stem(name: str) -> str:
    return os.path.splitext(name)[0]


def _shown(path: str) -> str:
    return path.encode("utf-8", "replace").decode()
