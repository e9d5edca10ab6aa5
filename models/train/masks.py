"""Garment masks of the training photographs, made once and kept in the cache.

A photograph of one garment lying or hanging needs no clothing network: the light salient-object
network (U2NETP) finds it at a thirtieth of the price. A photograph of somebody wearing it does
need the clothing network (U2NET), and the garment's class.
"""

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt
import onnxruntime as ort
from PIL import Image

from models.registry import cache_dir, installed, load_manifest

Mask = npt.NDArray[np.uint8]

# Below the first share nothing was found, above the second nothing was left out: no mask then.
PLAUSIBLE_SHARE = (0.03, 0.95)
_PRESENT = 128
# A score is a doubt, not a transparency: only a narrow band around one half stays an edge.
_EDGE_GAIN = 6.0


class MaskSource(Protocol):
    """Something that finds the garment of a photograph."""

    name: str

    def compute(self, photo: Image.Image) -> Mask:
        """uint8 (height, width), 255 on the garment."""


class SalientMasks:
    """The one object of a photograph: for garments that nobody wears."""

    name = "u2netp"

    def __init__(self, threads: int) -> None:
        manifest = load_manifest(self.name)
        self._session = _session(self.name, threads)
        self._side = int(manifest.properties["side_px"])
        self._mean = np.asarray(manifest.properties["mean"], np.float32)
        self._std = np.asarray(manifest.properties["std"], np.float32)

    def compute(self, photo: Image.Image) -> Mask:
        pixels = _pixels(photo, self._side)
        pixels = (pixels / max(float(pixels.max()), 1.0) - self._mean) / self._std
        salience = _run(self._session, pixels).reshape(self._side, self._side)
        low, high = float(salience.min()), float(salience.max())
        return _to_mask((salience - low) / max(high - low, 1e-6), photo)


class ClothMasks:
    """Chosen classes of clothing on a person: 1 upper, 2 lower, 3 full."""

    def __init__(self, model: str, threads: int, side_px: int, classes: Sequence[int]) -> None:
        self._session = _session(model, threads)
        self._side = side_px
        self._classes = list(classes)
        self.name = f"{model}-{side_px}-{''.join(map(str, classes))}"

    def compute(self, photo: Image.Image) -> Mask:
        logits = _run(self._session, (_pixels(photo, self._side) / 255 - 0.5) / 0.5)[0]
        scores = np.exp(logits - logits.max(axis=0, keepdims=True))
        scores /= scores.sum(axis=0, keepdims=True)
        return _to_mask(scores[self._classes].sum(axis=0), photo)


def cached_mask(source: MaskSource, path: Path) -> Mask:
    """A photograph's mask, computed if the cache lacks it."""
    folder = cache_dir() / "train" / f"masks-{source.name}"
    folder.mkdir(parents=True, exist_ok=True)
    cached = folder / f"{hashlib.sha256(path.read_bytes()).hexdigest()[:32]}.png"
    if not cached.exists():
        mask = source.compute(Image.open(path).convert("RGB"))
        partial = cached.with_suffix(".partial")
        Image.fromarray(mask).save(partial, format="PNG")
        partial.replace(cached)
    soft = np.asarray(Image.open(cached), np.float32)
    return np.clip((soft - 127.5) * _EDGE_GAIN + 127.5, 0, 255).astype(np.uint8)


def plausible(mask: Mask) -> bool:
    """Whether a mask found a garment and left something out."""
    share = float((mask >= _PRESENT).mean())
    return PLAUSIBLE_SHARE[0] <= share <= PLAUSIBLE_SHARE[1]


def _session(model: str, threads: int) -> ort.InferenceSession:
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    return ort.InferenceSession(
        installed(model) / "model.onnx", options, providers=["CPUExecutionProvider"]
    )


def _pixels(photo: Image.Image, side: int) -> npt.NDArray[np.float32]:
    return np.asarray(photo.resize((side, side), Image.Resampling.BILINEAR), np.float32)


def _run(
    session: ort.InferenceSession, pixels_hwc: npt.NDArray[np.float32]
) -> npt.NDArray[np.float32]:
    batch_nchw = np.ascontiguousarray(pixels_hwc.transpose(2, 0, 1)[None], np.float32)
    return np.asarray(session.run(None, {session.get_inputs()[0].name: batch_nchw})[0])


def _to_mask(score: npt.NDArray[np.float32], photo: Image.Image) -> Mask:
    grey = Image.fromarray((score * 255).astype(np.uint8))
    return np.asarray(grey.resize(photo.size, Image.Resampling.BILINEAR))
