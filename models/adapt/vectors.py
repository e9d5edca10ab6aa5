"""The rows of every view of every photograph: computed once, kept in the cache."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from models.adapt.settings import AdaptError
from models.adapt.shop import ShopProduct
from models.adapt.towers import BaseModel
from models.adapt.views import RECIPE, View, make_views
from models.eval.cutouts import GREEN, Cutouts, Shown
from models.eval.mask_cache import MaskCache
from models.eval.photographs import Photographs, Unreadable
from models.eval.progress import Steps
from models.registry import cache_dir
from servicekit.errors import FailedPrecondition
from services.indexer.domain import Garment as IndexedGarment
from services.indexer.pooling import named_garment
from services.segmenter.domain import Garment

Rows = npt.NDArray[np.float32]
_CONFUSABLE = {Garment.UPPER: Garment.FULL, Garment.FULL: Garment.UPPER}


@dataclass(frozen=True, slots=True, eq=False)
class PhotoRows:
    """views: (photos, views, width); products: the product's number of each photo; contents: its
    sha256; cut_out: whether the segmenter found clothes in it. The first view is the garment as it
    is cut out, the second the whole photograph."""

    views: Rows
    products: npt.NDArray[np.int64]
    contents: tuple[str, ...]
    cut_out: npt.NDArray[np.bool_]
    unreadable: tuple[str, ...]


def photo_rows(
    base: BaseModel,
    products: Sequence[ShopProduct],
    *,
    views: int,
    cut_outs: bool,
    threads: int,
    steps: Steps,
) -> PhotoRows:
    """All views of all readable photographs, in the products' order.

    Raises:
      AdaptError: none can be read, or the segmenter's model is not here.
    """
    photographs = Photographs()
    cutter = _cutter(photographs, base, threads) if cut_outs else None
    folder = cache_dir() / "adapt" / f"views-{base.key}"
    folder.mkdir(parents=True, exist_ok=True)
    every = [(number, path) for number, one in enumerate(products) for path in one.photos]
    rows, numbers, contents, cut, unreadable = [], [], [], [], []
    for number, path in steps.over("photographs", every, len(every)):
        try:
            sha256 = photographs.sha256(path)
            shown = cutter.shown(path, products[number]) if cutter else None
            found = _rows(base, folder, photographs, path, sha256, shown, cutter, views)
        except Unreadable as error:
            unreadable.append(str(error))
            continue
        rows.append(found)
        numbers.append(number)
        contents.append(sha256)
        cut.append(shown is not None)
    if not rows:
        raise AdaptError("No photograph of the catalogue can be read.")
    return PhotoRows(
        np.stack(rows),
        np.array(numbers, np.int64),
        tuple(contents),
        np.array(cut, bool),
        tuple(unreadable),
    )


class _Cutter:
    """What ingest would embed of a photograph: its product's own garment, on green."""

    def __init__(self, photographs: Photographs, masks: MaskCache, side_px: int) -> None:
        self._photographs = photographs
        self._masks = masks
        self.cutouts = Cutouts(photographs, masks, side_px)

    def shown(self, path: Path, product: ShopProduct) -> Shown | None:
        """None where the segmenter found no clothes: the whole photograph then."""
        sha256 = self._photographs.sha256(path)
        if not self._masks.has(sha256):
            self._masks.compute(sha256, self._photographs.pixels(path))
        if self.cutouts.masks(path).whole_image_fallback:
            return None
        garment = own_garment(product.attributes, self.cutouts.garments(path))
        return Shown(path, garment, GREEN)


def own_garment(attributes: Mapping[str, Any], found: Sequence[Garment]) -> Garment:
    """The garment of a photograph that its product is: what the category names, else the union."""
    tupled = {k: tuple(v) if isinstance(v, list) else v for k, v in attributes.items()}
    named: IndexedGarment | None = named_garment(tupled)
    if named is not None:
        wanted = Garment(named.value)
        for garment in (wanted, _CONFUSABLE.get(wanted)):
            if garment in found:
                return garment
    return Garment.UNION if Garment.UNION in found else found[-1]


def _cutter(photographs: Photographs, base: BaseModel, threads: int) -> _Cutter:
    try:
        masks = MaskCache("auto", threads)
    except FailedPrecondition as error:
        raise AdaptError(f"{error} Or adapt without cut-outs: --no-cut-outs.") from error
    return _Cutter(photographs, masks, base.image_side_px)


def _rows(
    base: BaseModel,
    folder: Path,
    photographs: Photographs,
    path: Path,
    sha256: str,
    shown: Shown | None,
    cutter: _Cutter | None,
    views: int,
) -> Rows:
    """(views, width): from the cache, or made and put there."""
    crop_key = cutter.cutouts.key(shown) if cutter and shown else "whole"
    text = f"{RECIPE} {views} {base.image_width} {sha256} {crop_key}"
    cached = folder / f"{hashlib.sha256(text.encode()).hexdigest()[:40]}.npy"
    if cached.is_file():
        return np.asarray(np.load(cached), np.float32)
    crop = None
    if cutter and shown:
        pixels, background = cutter.cutouts.picture(shown)
        crop = View(pixels, background)
    made = make_views(photographs.pixels(path), crop, views, seed=int(sha256[:8], 16))
    rows = base.image_rows([(view.pixels_hwc, view.background) for view in made])
    partial = cached.with_suffix(".partial")
    with partial.open("wb") as file:
        np.save(file, rows)
    partial.replace(cached)
    return rows
