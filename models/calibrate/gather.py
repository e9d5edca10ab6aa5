"""Everything that a calibration needs, embedded as serving embeds it."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from models.calibrate import offtopic_texts
from models.calibrate.corpus import Item, OffTopic, UserPhoto
from models.calibrate.evidence import Vectors
from models.calibrate.offtopic_pictures import drawn, surroundings
from models.calibrate.rules import colour_of
from models.eval.catalogue import cut_catalogue, served_vectors
from models.eval.cutouts import GREEN, Cutouts, Shown
from models.eval.gather import Embeddings
from models.eval.layout import Measuring, read_measuring, without
from models.eval.mask_cache import MaskCache
from models.eval.photographs import Photographs, Unreadable
from models.eval.progress import Steps
from models.eval.served import Provider, ServedModel
from models.eval.vector_cache import VectorCache
from models.registry import cache_dir
from services.segmenter.backends.onnx import Variant
from services.segmenter.domain import Garment

FIT, TEST, REAL, STREET_FIT, STREET_TEST = (
    "drawn, to fit", "drawn, to test", "photographs, to test", "street, to fit", "street, to test",
)  # fmt: skip
_DRAWN = {FIT: (60, 1), TEST: (30, 2)}


@dataclass(frozen=True, slots=True, eq=False)
class Gathered:
    """A model's vectors of everything."""

    items: tuple[Item, ...]
    photos: tuple[UserPhoto, ...]
    queries: tuple[tuple[str, str, frozenset[str]], ...]
    texts: dict[str, Vectors]
    off_topic: OffTopic
    categories: dict[str, Vectors]


@dataclass(frozen=True, slots=True)
class Request:
    """What to fit on; see the command's options."""

    data: Path
    model: str
    shops: tuple[str, ...]
    off_topic: Path | None
    segmenter: Variant
    limit: int
    threads: int
    provider: Provider


def gather(request: Request, model: ServedModel, steps: Steps) -> Gathered:
    """Computes or finds in the caches all masks and vectors.

    Raises:
      LayoutError: the data cannot be read, or has no products.
    """
    photographs = Photographs()
    masks = MaskCache(request.segmenter, request.threads)
    data = read_measuring(request.data, request.shops, request.limit)
    pictures = _off_topic_pictures(request, data, photographs)
    wanted = [path for one in data.products for path in one.images]
    wanted += [photo.path for one in data.labelled for photo in one.photos]
    wanted += [path for paths in pictures.values() for path in paths]
    bad = _unreadable(photographs, masks, wanted, steps)
    data = without(data, bad)
    cutouts = Cutouts(photographs, masks, model.image_side_px)
    cache = VectorCache(model.version, model.fingerprint)
    embeddings = Embeddings(model, cutouts, cache, steps)
    clothing = _clothing(request.data)
    items = _items(data, cutouts, embeddings, clothing)
    shown = [
        (photo, Shown(photo.path, Garment.UNION, GREEN))
        for one in data.labelled
        for photo in one.photos
    ]
    vectors = embeddings.served("labelled photographs", [one for _, one in shown])
    photos = [
        UserPhoto(photo.path, photo.label, vectors[one], colour_of(cutouts.colours(one)))
        for photo, one in shown
    ]
    queries = [(one.kind, one.text, one.relevant) for one in data.queries if one.kind != "name_uk"]
    fit, test = offtopic_texts.to_fit(), offtopic_texts.to_test()
    categories = sorted({item.category for item in items if item.category})
    texts = embeddings.texts([*(text for _, text, _ in queries), *fit, *test, *categories])
    seen = {
        name: [Shown(path, Garment.UNION, GREEN) for path in paths if path not in bad]
        for name, paths in pictures.items()
    }
    others = embeddings.served("other pictures", [one for some in seen.values() for one in some])
    return Gathered(
        items=tuple(items),
        photos=tuple(photos),
        queries=tuple(queries),
        texts=texts,
        off_topic=OffTopic(
            texts={
                "texts, to fit": np.stack([texts[text] for text in fit]),
                "texts, to test": np.stack([texts[text] for text in test]),
            },
            pictures={
                name: np.stack([others[one] for one in some]) for name, some in seen.items() if some
            },
        ),
        categories={name: texts[name] for name in categories},
    )


def _items(
    data: Measuring, cutouts: Cutouts, embeddings: Embeddings, clothing: frozenset[str]
) -> list[Item]:
    catalogue = cut_catalogue(data.products, cutouts, embeddings)
    own = served_vectors(catalogue, embeddings)
    as_query = {
        key: Shown(view.path, Garment.UNION, GREEN) for key, view in catalogue.views.items()
    }
    union = embeddings.served("views as queries", as_query.values())
    items = []
    for product, listed in zip(catalogue.products, data.products, strict=True):
        first = catalogue.views[product.images[0]]
        items.append(
            Item(
                product_id=product.product_id,
                style_id=product.style_id,
                category=listed.category or "",
                clothing=not clothing or product.product_id in clothing,
                views=product.views,
                own=np.stack([own[key] for key in product.images]),
                photographs=np.stack([union[as_query[key]] for key in product.images]),
                colour=colour_of(cutouts.colours(Shown(first.path, first.garment, GREEN))),
            )
        )
    return items


def _clothing(data: Path) -> frozenset[str]:
    """Identifiers of products that are clothes; empty where the list does not say."""
    with (data / "products" / "products.jsonl").open(encoding="utf-8") as file:
        lines = [json.loads(line) for line in file if line.strip()]
    return frozenset(str(line["group_id"]) for line in lines if line.get("is_clothing"))


def _off_topic_pictures(
    request: Request, data: Measuring, photographs: Photographs
) -> dict[str, list[Path]]:
    """Files of pictures that show no garment; those made here lie in the cache."""
    home = cache_dir() / "calibrate"
    found: dict[str, list[Path]] = {}
    for name, (count, seed) in _DRAWN.items():
        folder = home / f"drawn-1-{seed}"
        paths = [folder / f"{number:03}.png" for number in range(count)]
        if not all(path.is_file() for path in paths):
            _write(paths, drawn(count, seed))
        found[name] = paths
    for number, photo in enumerate(data.masked):
        path = home / "street-1" / f"{photo.photo_id}.png"
        if not path.is_file():
            classes = np.asarray(Image.open(photo.map_path))
            pixels = photographs.pixels(photo.path)
            if classes.shape != pixels.shape[:2]:
                continue
            part = surroundings(pixels, classes)
            if part is None:
                continue
            _write([path], [part])
        found.setdefault(STREET_TEST if number % 2 else STREET_FIT, []).append(path)
    if request.off_topic is not None:
        found[REAL] = sorted(path for path in request.off_topic.iterdir() if path.is_file())
    return found


def _write(
    paths: Sequence[Path], pictures: Iterable[np.ndarray[tuple[int, ...], np.dtype[np.uint8]]]
) -> None:
    for path, picture in zip(paths, pictures, strict=True):
        path.parent.mkdir(parents=True, exist_ok=True)
        _, data = cv2.imencode(".png", picture[..., ::-1])
        partial = path.with_suffix(".partial")
        partial.write_bytes(data.tobytes())
        partial.replace(path)


def _unreadable(
    photographs: Photographs, masks: MaskCache, paths: Sequence[Path], steps: Steps
) -> dict[Path, str]:
    """What cannot be read, with the reason; masks of the others are in the cache afterwards."""
    bad: dict[Path, str] = {}
    missing = []
    for path in dict.fromkeys(paths):
        try:
            if not masks.has(photographs.sha256(path)):
                missing.append(path)
        except Unreadable as error:
            bad[path] = str(error)
    for path in steps.over("masks", missing, len(missing)):
        try:
            masks.compute(photographs.sha256(path), photographs.pixels(path))
        except Unreadable as error:
            bad[path] = str(error)
    return bad
