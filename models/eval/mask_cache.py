"""The segmenter's masks of photographs, computed once and kept outside the repository.

A file holds what the segmenter's mask rules returned, at the network's own side: coverage and owner
as the two channels of a PNG, the garments as its text. From that the serving code composes any
garment on any background, bit for bit as it would have from the network's scores.
"""

import json
from pathlib import Path

import numpy as np
from PIL import Image, PngImagePlugin

from models.registry import cache_dir
from services.segmenter.assembly import segmenter_version
from services.segmenter.backends.onnx import OnnxOptions, Variant, load_backend
from services.segmenter.domain import Garment, MaskedGarment, Masks, PixelsHWC
from services.segmenter.masks import find_garments

_TEXT = "garments"


class MaskCache:
    """Masks by the sha256 of the photograph's file; what is missing is computed and stored."""

    def __init__(self, variant: Variant, threads: int) -> None:
        self._backend = load_backend(OnnxOptions(variant=variant, threads=threads))
        self.version = segmenter_version(self._backend.spec)
        self.variant = self._backend.spec.variant
        self._folder = cache_dir() / "eval" / f"masks-{self.version.replace('/', '+')}"
        self._folder.mkdir(parents=True, exist_ok=True)

    def has(self, sha256: str) -> bool:
        return self._path(sha256).is_file()

    def load(self, sha256: str) -> Masks:
        """The masks of a photograph that `has`."""
        return read_masks(self._path(sha256))

    def garments(self, sha256: str) -> tuple[Garment, ...]:
        """Those of `load`, without decoding the maps."""
        with Image.open(self._path(sha256)) as image:
            return tuple(found.garment for found in _garments(image))

    def compute(self, sha256: str, pixels_hwc: PixelsHWC) -> Masks:
        """Runs the network; the result is stored whole or not at all."""
        backend = self._backend
        [scores] = backend.forward([backend.preprocess(pixels_hwc)])
        masks = find_garments(backend.postprocess(scores))
        partial = self._path(sha256).with_suffix(".partial")
        write_masks(masks, partial)
        partial.replace(self._path(sha256))
        return masks

    def _path(self, sha256: str) -> Path:
        return self._folder / f"{sha256}.png"


def write_masks(masks: Masks, path: Path) -> None:
    """A grey PNG with alpha: coverage, and the class id that owns each pixel (0: no classes)."""
    text = PngImagePlugin.PngInfo()
    garments = [
        [found.garment.value, *found.box, found.area_fraction, found.confidence]
        for found in masks.garments
    ]
    text.add_text(_TEXT, json.dumps({"classes": masks.owner is not None, "garments": garments}))
    owner = np.zeros_like(masks.coverage) if masks.owner is None else masks.owner
    channels = (Image.fromarray(masks.coverage), Image.fromarray(owner))
    Image.merge("LA", channels).save(path, "PNG", pnginfo=text)


def read_masks(path: Path) -> Masks:
    """What `write_masks` wrote."""
    with Image.open(path) as image:
        garments, classes = _garments(image), json.loads(image.info[_TEXT])["classes"]
        channels = np.asarray(image)
    owner = np.ascontiguousarray(channels[:, :, 1]) if classes else None
    return Masks(garments, np.ascontiguousarray(channels[:, :, 0]), owner)


def _garments(image: Image.Image) -> tuple[MaskedGarment, ...]:
    return tuple(
        MaskedGarment(Garment(int(value)), (left, top, right, bottom), area, confidence)
        for value, left, top, right, bottom, area, confidence in json.loads(image.info[_TEXT])[
            "garments"
        ]
    )
