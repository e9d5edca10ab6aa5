"""Catalogues on disk, scanned once and then read in any order."""

import hashlib
import json
import os
import socket
import tempfile
from array import array
from collections.abc import Callable, Iterator
from typing import Any, Final, Self

from lookalike_client.errors import SourceError
from lookalike_client.ingest.inputs import ImageInput, ProductInput, Rejected
from lookalike_client.sources.entries import Entry
from lookalike_client.sources.folder import read_file, read_folder
from lookalike_client.sources.jsonl import read_jsonl
from lookalike_client.sources.table import read_table

_JSONL: Final = frozenset({".jsonl", ".ndjson", ".json"})
_TABLES: Final = frozenset({".csv", ".tsv"})
_PHOTOGRAPHS: Final = frozenset(
    [
        ".avif",
        ".bmp",
        ".gif",
        ".heic",
        ".heif",
        ".ico",
        ".jfif",
        ".jpe",
        ".jpeg",
        ".jpg",
        ".mpo",
        ".pgm",
        ".png",
        ".ppm",
        ".sgi",
        ".tif",
        ".tiff",
        ".webp",
    ]
)


class Catalogue:
    """The products of one or more paths, in a fixed order. Make one with `scan`.

    The scan writes what it finds to a temporary file, without the photographs: so memory does not
    grow with the catalogue (but for identifiers and what is rejected), the order cannot change
    while it is sent, and going on after a break needs no second scan.
    """

    def __init__(self, stream_id: str) -> None:
        self.stream_id = stream_id
        self.rejected: list[Rejected] = []
        """Products that cannot be sent, with the reason of each."""
        self.image_count = 0
        """Photographs of the products that can be sent."""
        self._digest = hashlib.sha256()
        self._plan = tempfile.TemporaryFile(prefix="lookalike-catalogue-")  # noqa: SIM115 (aclose)
        self._offsets = array("Q", [0])

    @classmethod
    def scan(
        cls,
        *paths: str | os.PathLike[str],
        stream_id: str | None = None,
        on_progress: Callable[[int], object] | None = None,
    ) -> Self:
        """Lists folders and reads manifests. Blocking; no photograph is opened.

        Args:
          paths: folders of product folders, JSONL or CSV files, single photographs.
          stream_id: the stable name of the ingest stream, 1 to 256 bytes; None: made of this
            machine's name and the paths, so that a later scan of the same finds its place again.
          on_progress: called with the number of products found so far.

        Raises:
          SourceError: a path does not exist or cannot be read as what it is.
        """
        names = [os.path.realpath(path) for path in paths]
        catalogue = cls(stream_id or _stream_id(names))
        try:
            catalogue._take(names, on_progress or (lambda _: None))
        except BaseException:
            catalogue.close()
            raise
        return catalogue

    @property
    def fingerprint(self) -> str:
        """Digest of all products and of the sizes and times of their files."""
        return self._digest.hexdigest()

    @property
    def product_count(self) -> int:
        """Products, those that cannot be sent included."""
        return len(self._offsets) - 1 + len(self.rejected)

    async def get(self, sequence: int) -> ProductInput | None:
        """The product of that number, from 1, of those that can be sent; None behind the last."""
        if not 1 <= sequence < len(self._offsets):
            return None
        start, end = self._offsets[sequence - 1], self._offsets[sequence]
        self._plan.seek(start)
        return _unpacked(self._plan.read(end - start))

    def forget(self, through: int) -> None:
        """Nothing is kept in memory."""

    async def aclose(self) -> None:
        """Nothing of an ingest is held; `close` ends the catalogue."""

    def close(self) -> None:
        """Removes the temporary file."""
        self._plan.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _take(self, names: list[str], on_progress: Callable[[int], object]) -> None:
        for name in names:
            for entry in _entries(name):
                # An identifier that comes again is an update: the last one wins (ingest.proto).
                if isinstance(entry, Rejected):
                    self.rejected.append(entry)
                else:
                    self._append(entry)
                on_progress(self.product_count)
        self._plan.flush()

    def _append(self, product: ProductInput) -> None:
        line = _packed(product)
        self._plan.write(line)
        self._offsets.append(self._offsets[-1] + len(line))
        self.image_count += len(product.images)
        self._digest.update(line)
        for image in product.images:
            self._digest.update(b"%d %d\n" % _state(image))


def _entries(path: str) -> Iterator[Entry]:
    suffix = os.path.splitext(path)[1].lower()
    try:
        if os.path.isdir(path):
            yield from read_folder(path)
        elif not os.path.exists(path):
            raise SourceError(f"{path} does not exist.")
        elif suffix in _JSONL:
            yield from read_jsonl(path)
        elif suffix in _TABLES:
            yield from read_table(path)
        elif suffix in _PHOTOGRAPHS:
            yield from read_file(path)
        else:
            raise SourceError(f"{path} is neither a folder, nor JSONL, CSV or a photograph.")
    except OSError as error:
        raise SourceError(f"{path} cannot be read: {error.strerror}.") from error


def _stream_id(names: list[str]) -> str:
    # The machine's name is part of it: equal paths on two machines are two catalogues, and one
    # would fence the other off.
    parts = [socket.gethostname(), *names]
    digest = hashlib.sha256("\0".join(parts).encode("utf-8", "surrogateescape")).hexdigest()
    shown = os.path.basename(names[0]) if names else ""
    return f"{shown.encode('ascii', 'replace').decode()[:80]}-{digest[:32]}"


def _packed(product: ProductInput) -> bytes:
    images = [
        [image.label, image.path, image.url, image.unreadable_reason] for image in product.images
    ]
    packed: list[Any] = [product.product_id, product.name, dict(product.attributes), images]
    return json.dumps(packed, separators=(",", ":")).encode() + b"\n"


def _unpacked(line: bytes) -> ProductInput:
    product_id, name, attributes, images = json.loads(line)
    return ProductInput(
        product_id=product_id,
        name=name,
        attributes=attributes,
        images=tuple(
            ImageInput(label, path=path, url=url, unreadable_reason=reason)
            for label, path, url, reason in images
        ),
    )


def _state(image: ImageInput) -> tuple[int, int]:
    if image.path is None:
        return 0, 0
    try:
        found = os.stat(image.path)
    except (OSError, ValueError):
        return -1, -1
    return found.st_size, found.st_mtime_ns
