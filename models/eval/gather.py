"""Brings every vector that a run needs into memory, computing what the caches lack.

A photograph that cannot be read is left out of every protocol and told in the report.
"""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TypeVar

import numpy as np

from models.eval.cutouts import Cutouts, Shown
from models.eval.mask_cache import MaskCache
from models.eval.photographs import Photographs, Unreadable
from models.eval.progress import Steps
from models.eval.protocols import Vectors, unit
from models.eval.served import ServedModel
from models.eval.vector_cache import VectorCache

_IMAGES_AT_ONCE = 8
_TEXTS_AT_ONCE = 64
T = TypeVar("T")


def unreadable(
    photographs: Photographs, masks: MaskCache, paths: Iterable[Path], steps: Steps
) -> dict[Path, str]:
    """What is wrong with photographs that do not exist or do not decode."""
    bad = {}
    distinct = list(dict.fromkeys(paths))
    for path in steps.over("photographs looked at", distinct, len(distinct)):
        try:
            # Whoever has a mask was decoded before.
            if not masks.has(photographs.sha256(path)):
                photographs.pixels(path)
        except Unreadable as error:
            bad[path] = str(error)
    return bad


def ensure_masks(
    masks: MaskCache, photographs: Photographs, paths: Iterable[Path], steps: Steps
) -> int:
    """Computes the masks that the cache lacks; returns how many."""
    by_content = {photographs.sha256(path): path for path in paths}
    missing = [(sha, path) for sha, path in by_content.items() if not masks.has(sha)]
    for sha256, path in steps.over("masks", missing, len(missing)):
        masks.compute(sha256, photographs.pixels(path))
    return len(missing)


class Embeddings:
    """Vectors of pictures and texts, cached on disk."""

    def __init__(
        self, model: ServedModel, cutouts: Cutouts, cache: VectorCache, steps: Steps
    ) -> None:
        self._model = model
        self._cutouts = cutouts
        self._cache = cache
        self._steps = steps
        self.photograph_weight = model.photograph_weight

    def images(self, name: str, wanted: Iterable[Shown]) -> dict[Shown, Vectors]:
        """Vectors of length 1 of the measured dimension; `name` is the step's, for the progress."""
        keys = {shown: self._cutouts.key(shown) for shown in dict.fromkeys(wanted)}
        known = self._cache.get(list(dict.fromkeys(keys.values())))
        missing = list({key: shown for shown, key in keys.items() if key not in known}.items())
        batches = _batches(missing, _IMAGES_AT_ONCE)
        for batch in self._steps.over(
            f"vectors, {name} (by {_IMAGES_AT_ONCE})", batches, len(batches)
        ):
            vectors = self._model.embed_images([self._cutouts.picture(s) for _, s in batch])
            new = {key: vector for (key, _), vector in zip(batch, vectors, strict=True)}
            self._cache.put(new)
            known |= new
        return {shown: self._model.shortened(known[key]) for shown, key in keys.items()}

    def served(self, name: str, wanted: Iterable[Shown]) -> dict[Shown, Vectors]:
        """Like `images`, and mixed with their whole photographs' vectors where serving does so."""
        every = list(dict.fromkeys(wanted))
        vectors = self.images(name, every)
        weight = self.photograph_weight
        if not weight:
            return vectors
        whole = self.images(f"{name}, whole", [Shown(shown.path) for shown in every])
        return {
            shown: unit(vectors[shown] + np.float32(weight) * whole[Shown(shown.path)])
            for shown in every
        }

    def texts(self, texts: Sequence[str]) -> dict[str, Vectors]:
        """Likewise, by text."""
        keys = {text: f"text {text}" for text in dict.fromkeys(texts)}
        known = self._cache.get(list(keys.values()))
        missing = [text for text, key in keys.items() if key not in known]
        batches = _batches(missing, _TEXTS_AT_ONCE)
        for batch in self._steps.over(
            f"vectors, texts (by {_TEXTS_AT_ONCE})", batches, len(batches)
        ):
            vectors = self._model.embed_texts(batch)
            new = {keys[text]: vector for text, vector in zip(batch, vectors, strict=True)}
            self._cache.put(new)
            known |= new
        return {text: self._model.shortened(known[key]) for text, key in keys.items()}


def _batches(items: Sequence[T], size: int) -> list[Sequence[T]]:
    return [items[start : start + size] for start in range(0, len(items), size)]
