"""Photographs by their path: bytes, content hash, pixels; each file is hashed once."""

import hashlib
from pathlib import Path

from servicekit.errors import InvalidArgument
from servicekit.images import PixelsHWC, decode


class Unreadable(Exception):
    """A photograph is missing or cannot be decoded; the message says which and why."""


class Photographs:
    """Reads photographs as the services do."""

    def __init__(self) -> None:
        self._sha256: dict[Path, str] = {}

    def sha256(self, path: Path) -> str:
        """Of the file, lower-case hexadecimal.

        Raises:
          Unreadable: it cannot be read.
        """
        if path not in self._sha256:
            self._sha256[path] = hashlib.sha256(_bytes(path)).hexdigest()
        return self._sha256[path]

    def pixels(self, path: Path) -> PixelsHWC:
        """uint8 (height, width, 3), sRGB, upright.

        Raises:
          Unreadable: it cannot be read or decoded.
        """
        try:
            return decode(_bytes(path))
        except InvalidArgument as error:
            raise Unreadable(f"{path}: {error.message}") from error


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise Unreadable(f"{path}: {error.strerror}") from error
