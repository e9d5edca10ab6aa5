"""Image files in a folder, named by their content: `blobs/ab/cdef…`."""

import contextlib
import os
import tempfile
from pathlib import Path

from services.indexer.domain import Blob


class BlobFolder:
    """Writes are whole and durable or not there. Blocking."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        # What a killed process was writing.
        for left_over in folder.glob(".writing-*"):
            left_over.unlink(missing_ok=True)

    def write(self, blobs: list[Blob]) -> None:
        """Stores what is not there yet; returns once all of it survives a power cut."""
        # Also the folders of files that are there: another call may have renamed them just now.
        folders = {self._folder, *(self._path(blob.sha256).parent for blob in blobs)}
        for blob in blobs:
            path = self._path(blob.sha256)
            if path.exists():
                continue
            path.parent.mkdir(exist_ok=True)
            handle, name = tempfile.mkstemp(prefix=".writing-", dir=self._folder)
            try:
                with os.fdopen(handle, "wb") as file:
                    file.write(blob.data)
                    file.flush()
                    os.fsync(file.fileno())
                os.replace(name, path)
            except BaseException:
                with contextlib.suppress(OSError):
                    os.unlink(name)
                raise
        for folder in folders:
            _sync_folder(folder)

    def read(self, sha256: str) -> bytes | None:
        try:
            return self._path(sha256).read_bytes()
        except FileNotFoundError:
            return None

    def remove(self, sha256: str) -> None:
        self._path(sha256).unlink(missing_ok=True)

    def _path(self, sha256: str) -> Path:
        return self._folder / sha256[:2] / sha256[2:]


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
