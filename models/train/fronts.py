"""What the frozen front of the image tower makes of every view, computed once and cached.

    python -m models.train.fronts --data DIR

Training reads these instead of photographs: a step costs only the stages that learn. Photographs
are taken in one fixed shuffled order and in chunks of 64, so an interrupted run goes on where it
stopped.
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

from models.colour import hsv_histogram
from models.lookalike_mini import EFFICIENTNET_FILE, HISTOGRAM_STRIDE, build_front
from models.registry import cache_dir, installed
from models.torch_checkpoint import read_state_dict
from models.train.catalogue import Photo, load_training_photos
from models.train.masks import ClothMasks, MaskSource, SalientMasks, cached_mask, plausible
from models.train.views import make_views

FORMAT = "fronts-2"
SEED = 20
CHUNK = 64
_OUTPUTS = ("maps", "fixed", "cells_17", "cells_9")
_CLOTH_SIDE_PX = 384
_LOWER = frozenset({"skirt", "pants", "shorts"})
_WHOLE = frozenset({"dress", "coat"})

Array = npt.NDArray[np.float16]


@dataclasses.dataclass(frozen=True, slots=True)
class Fronts:
    """By photograph and view.

    maps: float16 (photos, views, 88, 17, 17), memory-mapped chunks; fixed: (photos, views, 255);
    cells_17, cells_9: (photos, views, side, side); shares: (photos, views, colours);
    patterns: int8 (photos, views); histograms: (photos, views, 1024), see hsv_histogram.
    """

    photos: list[Photo]
    maps: list[Array]
    fixed: Array
    cells_17: Array
    cells_9: Array
    shares: npt.NDArray[np.float32]
    patterns: npt.NDArray[np.int8]
    histograms: Array

    def read_maps(self, numbers: npt.NDArray[np.int64], views: npt.NDArray[np.int64]) -> Array:
        """(n, 88, 17, 17) of these views."""
        return np.stack(
            [self.maps[i // CHUNK][i % CHUNK, v] for i, v in zip(numbers, views, strict=True)]
        )


class FrontMaker:
    """The photographs' masks and views, and the front of the network."""

    def __init__(self, threads: int) -> None:
        folder = cache_dir() / "train"
        folder.mkdir(parents=True, exist_ok=True)
        tower = folder / f"front-{os.getpid()}.onnx"
        build_front(read_state_dict(installed("efficientnet-lite2") / EFFICIENTNET_FILE), tower)
        options = ort.SessionOptions()
        options.intra_op_num_threads = threads
        self._front = ort.InferenceSession(tower, options, providers=["CPUExecutionProvider"])
        tower.unlink()
        self._salient = SalientMasks(threads)
        self._cloth: dict[tuple[int, ...], MaskSource] = {}
        self._threads = threads

    def compute(self, photo: Photo, seed: int) -> dict[str, npt.NDArray[np.generic]]:
        """The front's outputs, colour shares and patterns of every view of one photograph."""
        with Image.open(photo.path) as image:
            pixels = np.asarray(image.convert("RGB"))
        mask = cached_mask(self.mask_source(photo), photo.path)
        views = make_views(
            pixels, mask if plausible(mask) else None, np.random.default_rng([SEED, seed])
        )
        batch = np.stack([view.pixels_rgba for view in views])
        outputs = self._front.run(list(_OUTPUTS), {"pixels_rgba": batch})
        found = {
            name: np.asarray(value, np.float16)
            for name, value in zip(_OUTPUTS, outputs, strict=True)
        }
        return found | {
            "shares": np.stack([view.shares for view in views]),
            "patterns": np.array([view.pattern for view in views], np.int8),
            "histograms": np.stack([_histogram(view.pixels_rgba) for view in views]),
        }

    def mask_source(self, photo: Photo) -> MaskSource:
        """Which network finds the garment of a photograph."""
        if not photo.worn:
            return self._salient
        classes = (2,) if photo.kind in _LOWER else (1, 3)
        classes = (1, 2, 3) if photo.kind in _WHOLE else classes
        if classes not in self._cloth:
            self._cloth[classes] = ClothMasks("u2net-cloth", self._threads, _CLOTH_SIDE_PX, classes)
        return self._cloth[classes]


def _histogram(pixels_rgba: npt.NDArray[np.uint8]) -> Array:
    """As the image tower computes it: every second pixel each way."""
    few = pixels_rgba[1::HISTOGRAM_STRIDE, 1::HISTOGRAM_STRIDE]
    return hsv_histogram(few[:, :, :3].reshape(-1, 3), few[:, :, 3].ravel() >= 128).astype(
        np.float16
    )


def chunked(photos: Sequence[Photo]) -> list[list[tuple[int, Photo]]]:
    """The photographs with their numbers, shuffled by a fixed seed, in chunks."""
    order = np.random.default_rng(SEED).permutation(len(photos))
    # The shops' few photographs come first: the smallest subset holds all of them.
    order = sorted(order, key=lambda i: photos[i].source == "garments")
    numbered = [(int(i), photos[i]) for i in order]
    return [numbered[i : i + CHUNK] for i in range(0, len(numbered), CHUNK)]


def load_fronts(data: Path, chunks: int | None, workers: int) -> Fronts:
    """The first `chunks` chunks (all: None), from the cache or computed."""
    folder = cache_dir() / "train" / FORMAT
    folder.mkdir(parents=True, exist_ok=True)
    groups = chunked(load_training_photos(data))[:chunks]
    paths = [folder / f"{number:04d}" for number in range(len(groups))]
    missing = [
        (p, g) for p, g in zip(paths, groups, strict=True) if not p.with_suffix(".npz").exists()
    ]
    started = time.monotonic()
    if missing:
        with multiprocessing.get_context("spawn").Pool(workers) as pool:
            for done, name in enumerate(pool.imap_unordered(_compute_chunk, missing), 1):
                print(
                    f"{name} {done}/{len(missing)} {time.monotonic() - started:.0f} s", flush=True
                )
    arrays = [np.load(path.with_suffix(".npz")) for path in paths]

    def joined(name: str) -> npt.NDArray[np.generic]:
        return np.concatenate([array[name] for array in arrays])

    return Fronts(
        [photo for group in groups for _, photo in group],
        [np.load(path.with_suffix(".maps.npy"), mmap_mode="r") for path in paths],
        *(
            joined(name)
            for name in ("fixed", "cells_17", "cells_9", "shares", "patterns", "histograms")
        ),
    )


@functools.cache
def _maker() -> FrontMaker:
    # One to a worker process, one thread each: smaller batches scale better over processes.
    return FrontMaker(threads=1)


def _compute_chunk(job: tuple[Path, list[tuple[int, Photo]]]) -> str:
    path, group = job
    found = [_maker().compute(photo, index) for index, photo in group]
    stacked = {name: np.stack([one[name] for one in found]) for name in found[0]}
    np.save(path.with_suffix(".maps.npy"), stacked.pop("maps"))
    # The second file says that the first one is whole.
    partial = path.with_suffix(".partial.npz")
    np.savez(partial, **stacked)
    partial.replace(path.with_suffix(".npz"))
    return path.name


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--chunks", type=int)
    parser.add_argument("--workers", type=int, default=2)
    arguments = parser.parse_args()
    fronts = load_fronts(arguments.data, arguments.chunks, arguments.workers)
    print(f"{len(fronts.photos)} photographs, {fronts.fixed.shape[1]} views each")


if __name__ == "__main__":
    main()
