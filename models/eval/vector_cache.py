"""Vectors that were computed before: one SQLite file for each model, outside the repository."""

import hashlib
import sqlite3
from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path

import numpy as np

from models.eval.protocols import Vectors
from models.registry import cache_dir


class VectorCache:
    """Vectors by a text that names all they depend on besides the model.

    Every `put` is durable before it returns, so that a killed run is resumed.
    """

    def __init__(self, model_version: str, fingerprint: str) -> None:
        folder = cache_dir() / "eval"
        folder.mkdir(parents=True, exist_ok=True)
        name = f"vectors-{model_version.replace('/', '+')}-{fingerprint[:12]}.sqlite"
        self.path: Path = folder / name
        with closing(self._open()) as store, store:
            store.execute(
                "CREATE TABLE IF NOT EXISTS vectors (key BLOB PRIMARY KEY, vector BLOB NOT NULL)"
            )

    def get(self, keys: Sequence[str]) -> dict[str, Vectors]:
        """What is there, by key."""
        found = {}
        with closing(self._open()) as store:
            for key in keys:
                row = store.execute(
                    "SELECT vector FROM vectors WHERE key = ?", (_digest(key),)
                ).fetchone()
                if row is not None:
                    found[key] = np.frombuffer(row[0], np.float32)
        return found

    def put(self, vectors: Mapping[str, Vectors]) -> None:
        rows = [
            (_digest(key), np.ascontiguousarray(vector, np.float32).tobytes())
            for key, vector in vectors.items()
        ]
        with closing(self._open()) as store, store:
            store.executemany("INSERT OR REPLACE INTO vectors VALUES (?, ?)", rows)

    def _open(self) -> sqlite3.Connection:
        return sqlite3.connect(self.path, timeout=60)


def _digest(key: str) -> bytes:
    return hashlib.sha256(key.encode()).digest()
