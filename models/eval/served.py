"""The model under measurement, loaded and run by the embedder's own code."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from models.eval.protocols import Vectors, unit
from models.registry import installed_model
from services.embedder.backends.onnx import OnnxOptions
from services.embedder.model import load_model

Pixels = npt.NDArray[np.uint8]
Rgb = tuple[int, int, int]
Provider = Literal["auto", "cuda", "cpu"]


class ServedModel:
    """One embedding space.

    Args:
      dimension: 0 for all numbers; else the first so many of each vector, at length 1 again.
    """

    def __init__(self, name: str, *, threads: int, dimension: int, provider: Provider) -> None:
        self._model = load_model(name, OnnxOptions(provider, False, threads))
        spec = self._model.spec
        if not 0 <= dimension <= spec.dimension:
            raise ValueError(f"{name} has {spec.dimension} numbers, not {dimension}")
        self.name = name
        self.version = spec.embedding_version
        self.fingerprint = installed_model(name).manifest.fingerprint
        self.licence = spec.licence
        self.preprocessing = spec.image_preprocessing
        self.image_side_px = spec.image_side_px
        self.photograph_weight = spec.photograph_weight
        self.dimension = dimension or spec.dimension
        self._preparation = ThreadPoolExecutor(2, thread_name_prefix="prepare")

    def embed_images(self, pictures: Sequence[tuple[Pixels, Rgb | None]]) -> Vectors:
        """Whole vectors, (n, full dimension), of pixels and the colour behind the garment."""
        prepared: list[Any] = list(
            self._preparation.map(lambda one: self._model.prepare(*one), pictures)
        )
        return np.stack(self._model.images.embed(prepared))

    def embed_texts(self, texts: Sequence[str]) -> Vectors:
        """Whole vectors, (n, full dimension)."""
        tokens = [self._model.tokenizer.encode(text) for text in texts]
        return np.stack(self._model.texts.embed(tokens))

    def shortened(self, vectors: Vectors) -> Vectors:
        """The dimensions that are measured."""
        return unit(vectors[..., : self.dimension])
