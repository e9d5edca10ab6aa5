"""Frozen features of the training photographs' views, computed once and kept in the cache.

    python -m models.train.features --data DIR [--chunks N]

Photographs are taken in one fixed shuffled order and in chunks of 64, so an interrupted run goes
on where it stopped, and a number of chunks is a fixed, representative subset.
"""

import argparse
import dataclasses
import functools
import multiprocessing
import os
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnxruntime as ort
from PIL import Image

from models.lookalike_mini import EFFICIENTNET_FILE, build_image_tower
from models.registry import cache_dir, installed
from models.train.catalogue import Photo, load_training_photos
from models.train.masks import ClothMasks, MaskSource, SalientMasks, cached_mask, plausible
from models.train.views import make_views

FORMAT = "features-1"
SEED = 20
CHUNK = 64
_CLOTH_SIDE_PX = 384
_LOWER = frozenset({"skirt", "pants", "shorts"})
_WHOLE = frozenset({"dress", "coat"})


@dataclasses.dataclass(frozen=True, slots=True)
class FeatureTable:
    """photos[i] has features[i] (views, 1775) float16 and shares[i] (views, colours) float32."""

    photos: list[Photo]
    features: npt.NDArray[np.float16]
    shares: npt.NDArray[np.float32]


class FeatureMaker:
    """The photographs' masks, views and frozen features."""

    def __init__(self, threads: int) -> None:
        folder = cache_dir() / "train"
        folder.mkdir(parents=True, exist_ok=True)
        tower = folder / f"image-features-{os.getpid()}.onnx"
        weights = installed("efficientnet-lite2") / EFFICIENTNET_FILE
        build_image_tower(weights, None, tower, "training")
        options = ort.SessionOptions()
        options.intra_op_num_threads = threads
        self._tower = ort.InferenceSession(tower, options, providers=["CPUExecutionProvider"])
        tower.unlink()
        self._salient = SalientMasks(threads)
        self._cloth: dict[tuple[int, ...], MaskSource] = {}
        self._threads = threads

    def compute(
        self, photo: Photo, seed: int
    ) -> tuple[npt.NDArray[np.float16], npt.NDArray[np.float32]]:
        """Features and colour shares of every view of one photograph."""
        with Image.open(photo.path) as image:
            pixels = np.asarray(image.convert("RGB"))
        mask = cached_mask(self._mask_source(photo), photo.path)
        views = make_views(
            pixels, mask if plausible(mask) else None, np.random.default_rng([SEED, seed])
        )
        batch = np.stack([view.pixels_rgba for view in views])
        features = np.asarray(self._tower.run(None, {"pixels_rgba": batch})[0])
        return features.astype(np.float16), np.stack([view.shares for view in views])

    def _mask_source(self, photo: Photo) -> MaskSource:
        if not photo.worn:
            return self._salient
        classes = (2,) if photo.kind in _LOWER else (1, 3)
        classes = (1, 2, 3) if photo.kind in _WHOLE else classes
        if classes not in self._cloth:
            self._cloth[classes] = ClothMasks("u2net-cloth", self._threads, _CLOTH_SIDE_PX, classes)
        return self._cloth[classes]


def chunked(photos: Sequence[Photo]) -> list[list[tuple[int, Photo]]]:
    """The photographs with their numbers, shuffled by a fixed seed, in chunks."""
    order = np.random.default_rng(SEED).permutation(len(photos))
    # The shops' few photographs come first: the smallest subset holds all of them.
    order = sorted(order, key=lambda i: photos[i].source == "garments")
    numbered = [(int(i), photos[i]) for i in order]
    return [numbered[i : i + CHUNK] for i in range(0, len(numbered), CHUNK)]


def feature_table(data: Path, chunks: int | None, workers: int) -> FeatureTable:
    """Features of the first `chunks` chunks (all: None), from the cache or computed."""
    folder = cache_dir() / "train" / FORMAT
    folder.mkdir(parents=True, exist_ok=True)
    groups = chunked(load_training_photos(data))[:chunks]
    paths = [folder / f"{number:04d}.npz" for number in range(len(groups))]
    missing = [(p, g) for p, g in zip(paths, groups, strict=True) if not p.exists()]
    started = time.monotonic()
    with multiprocessing.get_context("spawn").Pool(workers) as pool:
        for done, name in enumerate(pool.imap_unordered(_compute_chunk, missing), 1):
            print(f"{name} {done}/{len(missing)} {time.monotonic() - started:.0f} s", flush=True)
    arrays = [np.load(path) for path in paths]
    return FeatureTable(
        [photo for group in groups for _, photo in group],
        np.concatenate([array["features"] for array in arrays]),
        np.concatenate([array["shares"] for array in arrays]),
    )


@functools.cache
def _maker() -> FeatureMaker:
    # One to a worker process, one thread each: smaller batches scale better over processes.
    return FeatureMaker(threads=1)


def _compute_chunk(job: tuple[Path, list[tuple[int, Photo]]]) -> str:
    path, group = job
    pairs = [_maker().compute(photo, index) for index, photo in group]
    partial = path.with_suffix(".partial.npz")
    np.savez(
        partial,
        features=np.stack([pair[0] for pair in pairs]),
        shares=np.stack([pair[1] for pair in pairs]),
    )
    partial.replace(path)
    return path.stem


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--chunks", type=int)
    parser.add_argument("--workers", type=int, default=2)
    arguments = parser.parse_args()
    table = feature_table(arguments.data, arguments.chunks, arguments.workers)
    print(f"{len(table.photos)} photographs, {table.features.shape[1]} views each")


if __name__ == "__main__":
    main()
