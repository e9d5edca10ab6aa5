"""The base model: loaded by the embedder's own code, its towers cut where their tails begin."""

import hashlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnxruntime as ort

from models.adapt.settings import AdaptError
from models.adapt.tail import Tail, find_tail, write_body
from models.registry import ManifestError, cache_dir, installed_model, sha256_of
from servicekit.errors import FailedPrecondition
from services.embedder.backends.onnx import OnnxImageTower, OnnxOptions, OnnxTextTower
from services.embedder.model import load_model

Rows = npt.NDArray[np.float32]
Pixels = npt.NDArray[np.uint8]
Rgb = tuple[int, int, int]
_LOOK_PX = 64


class BaseModel:
    """Photographs and texts to rows: the tower's own vector, then the features at the cut.

    Raises:
      AdaptError: the model is unknown, not on this machine, or cannot be served.
    """

    def __init__(self, name: str, threads: int) -> None:
        options = OnnxOptions("auto", False, threads)
        try:
            self.installed = installed_model(name)
            served = load_model(name, options)
        except (ManifestError, FailedPrecondition) as error:
            raise AdaptError(str(error)) from error
        self.name = name
        self.version = self.installed.version
        self.served_dimension = served.spec.dimension
        self.image_side_px = served.spec.image_side_px
        self.photograph_weight = served.spec.photograph_weight
        """What a whole photograph counts beside the garment cut out of it, which counts 1."""
        self._prepare, self._tokenizer = served.prepare, served.tokenizer
        image, text = self.installed.files["image.onnx"], self.installed.files["text.onnx"]
        self.dimension = _output_width(image.read_bytes())
        """Of the towers' output; the served vectors may be its first so many numbers."""
        self.image_tail = find_tail(image, self._image_feeds(image.read_bytes()))
        self.text_tail = find_tail(text, self._text_feeds(text.read_bytes()))
        self.key = _key(self.version, image, text)
        """Names what is kept of these very towers in the cache."""
        folder = cache_dir() / "adapt" / "bodies" / self.key
        folder.mkdir(parents=True, exist_ok=True)
        write_body(image, self.image_tail, self.dimension, folder / "image.onnx")
        write_body(text, self.text_tail, self.dimension, folder / "text.onnx")
        self.image_width = self.dimension + _features(self.image_tail)
        self.text_width = self.dimension + _features(self.text_tail)
        self._images = OnnxImageTower(folder / "image.onnx", options, self.image_width)
        self._texts = OnnxTextTower(
            folder / "text.onnx", options, self.text_width, served.spec.context_length_tokens
        )

    def image_rows(self, pictures: Sequence[tuple[Pixels, Rgb | None]]) -> Rows:
        """(n, image_width) of pixels and the colour behind the garment."""
        return np.stack(self._images.embed([self._prepare(*picture) for picture in pictures]))

    def text_rows(self, texts: Sequence[str]) -> Rows:
        """(n, text_width)."""
        tokens = [self._tokenizer.encode(text) for text in texts]
        return (
            np.stack(self._texts.embed(tokens)) if tokens else np.empty((0, self.text_width), "f4")
        )

    def _image_feeds(self, tower: bytes) -> dict[str, npt.NDArray[np.uint8]]:
        pixels = np.random.default_rng(0).integers(0, 255, (2, _LOOK_PX, _LOOK_PX, 3), np.uint8)
        prepared = np.stack([self._prepare(one, None) for one in pixels])
        return {_inputs(tower)[0]: prepared}

    def _text_feeds(self, tower: bytes) -> dict[str, npt.NDArray[np.int32]]:
        ids = np.stack([self._tokenizer.encode(text).ids for text in ("red shirt", "red skirt")])
        feeds = {"token_ids": ids, "attention_mask": np.ones_like(ids)}
        return {name: feeds[name] for name in _inputs(tower)}


def _key(version: str, *towers: Path) -> str:
    readable = "".join(c if c.isalnum() or c in "-._" else "_" for c in version)
    digest = hashlib.sha256("".join(map(sha256_of, towers)).encode())
    return f"{readable[:80]}-{digest.hexdigest()[:12]}"


def _features(tail: Tail | None) -> int:
    return sum(width for _, width in tail.features) if tail else 0


def _inputs(tower: bytes) -> list[str]:
    return [one.name for one in ort.InferenceSession(tower).get_inputs()]


def _output_width(tower: bytes) -> int:
    return int(ort.InferenceSession(tower).get_outputs()[0].shape[1])
