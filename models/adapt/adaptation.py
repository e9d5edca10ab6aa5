"""One adaptation from catalogue to installed model."""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from sklearn.manifold import TSNE

from models.adapt.captions import Caption, Captions, answer_table, questions
from models.adapt.category import CategoryHead, Classification, classification
from models.adapt.classifier import fit_category_head, labels_of
from models.adapt.figures import Figure, SpaceMeasure, as_json, figures, retention
from models.adapt.general_words import GARMENT_WORDS, GENERAL_WORDS
from models.adapt.layers import Tower
from models.adapt.measure import nearest_words, product_vectors, view_ranks, word_ranks
from models.adapt.report import Report, render
from models.adapt.settings import AdaptError, AdaptSettings
from models.adapt.shop import Shop, ShopProduct, read_shop
from models.adapt.split import Split, split_products
from models.adapt.towers import BaseModel
from models.adapt.training import Epoch, SpaceModel, TrainingData, start_of, train
from models.adapt.vectors import PhotoRows, photo_rows
from models.adapt.writing import install, refuse_name, towers_of, version_of
from models.eval.progress import Steps
from services.embedder.backends.onnx import OnnxOptions, first_numbers
from services.embedder.model import load_model

Rows = npt.NDArray[np.float32]
_PROMPTS = ("{0}", "a photo of a {0}")
_SAME_VECTOR = 0.999
_MOST_POINTS = 2000


@dataclass(frozen=True, slots=True, eq=False)
class _Material:
    """The catalogue as numbers: what both spaces are measured and trained on."""

    products: tuple[ShopProduct, ...]
    photos: PhotoRows
    split: Split
    questions: list[Caption]
    question_rows: Rows
    table: npt.NDArray[np.int8]
    category_names: tuple[str, ...]
    category_rows: Rows
    general_rows: Rows
    photograph_weight: float


@dataclass(frozen=True, slots=True, eq=False)
class _Space:
    """A space: rows of the base's bodies to vectors."""

    image: Callable[[Rows], Rows]
    text: Callable[[Rows], Rows]


@dataclass(frozen=True, slots=True, eq=False)
class Adapted:
    """What came of it: the installed model's folder, what the report says, and both in torch."""

    folder: Path
    report: Report
    base: BaseModel
    model: SpaceModel


def adapt(
    catalogue: Path, model_name: str, name: str, settings: AdaptSettings, steps: Steps
) -> Adapted:
    """Adapts a model of the registry to a catalogue and installs it under `name`.

    Raises:
      AdaptError: the catalogue does not suffice, the model is not there, the name is taken.
    """
    refuse_name(name)
    torch.set_num_threads(settings.threads or torch.get_num_threads())
    shop = read_shop(catalogue)
    steps.say(f"{len(shop.products)} products with photographs")
    base = BaseModel(model_name, settings.threads)
    if settings.dimension > base.served_dimension:
        raise AdaptError(
            f"{model_name} has {base.served_dimension} numbers; --dimension can only be smaller."
        )
    material = _material(shop, base, settings, steps)
    dimension = settings.dimension or base.served_dimension
    data = _training_data(material, base)
    model = _space_model(material, data, base, dimension)
    history = train(model, data, settings, lambda m: _score(m, material), steps.say)

    before, after = _base_space(base), _adapted_space(model)
    split = material.split
    others = np.concatenate([split.training, split.stopping])
    measured = [_measure(space, material, split.held_out, others) for space in (before, after)]
    heads = [_classify(space, material) for space in (before, after)]
    towers = towers_of(base, model)
    version = version_of(base, name, *towers)
    report = Report(
        name=name,
        version=version,
        dimension=dimension,
        base=base.name,
        base_version=base.version,
        base_dimension=base.served_dimension,
        catalogue=_about(shop, material),
        settings=asdict(settings),
        trained=_trained(model, base, history),
        figures=tuple(as_json(figure) for figure in _figures(measured, material, settings.seed)),
        retention=retention(*measured),
        classifier_before=heads[0][1] if heads[0] else None,
        classifier=heads[1][1] if heads[1] else None,
        small_categories=_small_categories(material),
        history=tuple(history),
        maps=tuple(_map(space, material, settings.seed) for space in (before, after)),
        categories=tuple(product.category for product in material.products),
        held_out=tuple(_member(material.split.held_out, len(material.products))),
        titles=tuple(f"{p.product_id} {p.name}" for p in material.products),
    )
    head = heads[1][0] if heads[1] else None
    folder = install(base, name, version, towers, head, report.as_json(), render(report))
    _check(name, base, after, material)
    return Adapted(folder, report, base, model)


def _material(shop: Shop, base: BaseModel, settings: AdaptSettings, steps: Steps) -> _Material:
    _refuse_without_pairs(shop.products)
    photos = photo_rows(
        base,
        shop.products,
        views=settings.views,
        cut_outs=settings.cut_outs,
        threads=settings.threads,
        steps=steps,
    )
    products, photos = _readable(shop.products, photos)
    _refuse_without_pairs(products)
    counts = np.bincount(photos.products, minlength=len(products))
    ties: list[list[str]] = [[product.style] for product in products]
    for number, sha256 in zip(photos.products, photos.contents, strict=True):
        ties[number].append(sha256)
    split = split_products(
        ties,
        counts.tolist(),
        held_out_share=settings.held_out_share,
        stopping_share=settings.stopping_share,
        seed=settings.seed,
    )
    asked = questions(products)
    names = tuple(sorted({p.category for p in products if p.category is not None}))
    prompts = [prompt.format(category) for category in names for prompt in _PROMPTS]
    return _Material(
        products,
        photos,
        split,
        asked,
        base.text_rows([question.text for question in asked]),
        answer_table(asked, products) if asked else np.empty((0, len(products)), np.int8),
        names,
        base.text_rows(prompts),
        base.text_rows(GENERAL_WORDS),
        base.photograph_weight,
    )


def _refuse_without_pairs(products: Sequence[ShopProduct]) -> None:
    if len(products) < 2:
        raise AdaptError(
            f"The catalogue has {len(products)} product(s) with readable photographs; "
            "there is nothing to tell apart."
        )
    if not any(len(p.photos) > 1 for p in products) and not any(p.said for p in products):
        raise AdaptError(
            "No product has two photographs and none has an attribute that is known here (category,"
            " colour, pattern, person, material, season): there are no pairs to learn from."
        )


def _readable(
    products: Sequence[ShopProduct], photos: PhotoRows
) -> tuple[tuple[ShopProduct, ...], PhotoRows]:
    """Only the products of which a photograph could be read, numbered anew."""
    kept = sorted(set(photos.products.tolist()))
    number = {old: new for new, old in enumerate(kept)}
    renumbered = np.array([number[old] for old in photos.products.tolist()], np.int64)
    rows = PhotoRows(photos.views, renumbered, photos.contents, photos.cut_out, photos.unreadable)
    return tuple(products[old] for old in kept), rows


def _training_data(material: _Material, base: BaseModel) -> TrainingData:
    captions = Captions(material.products)
    number = {name: i for i, name in enumerate(material.category_names)}
    return TrainingData(
        views=material.photos.views,
        products=material.photos.products,
        captions=captions,
        caption_rows=base.text_rows(captions.texts),
        categories=np.array(
            [number.get(p.category or "", -1) for p in material.products], np.int64
        ),
        training=material.split.training,
        anchors=material.general_rows,
    )


def _space_model(
    material: _Material, data: TrainingData, base: BaseModel, dimension: int
) -> SpaceModel:
    if dimension == base.served_dimension:
        # The served vector may be the tower's first so many numbers.
        start = np.eye(dimension, base.dimension, dtype=np.float32)
    else:
        mine = np.isin(data.products, data.training)
        said = sorted({c for p in data.training for c in data.captions.of_product[p]})
        texts = data.caption_rows[said] if said else material.general_rows
        start = start_of([data.views[mine], texts], base.dimension, dimension)
    return SpaceModel(start, start, base.image_tail, base.text_tail)


def _score(model: SpaceModel, material: _Material) -> float:
    """Of the products for stopping: mean reciprocal ranks by views and by words, and the share
    whose category's word is the nearest, so that this is not paid for the others."""
    split = material.split
    found = _measure(_adapted_space(model), material, split.stopping, split.training)
    parts = [ranks.mean_reciprocal for ranks in (found.views, found.words) if len(ranks.ranks)]
    if len(found.kinds):
        parts.append(float(found.kinds.mean()))
    return float(np.mean(parts)) if parts else 0.0


def _ingested(space: _Space, material: _Material) -> Rows:
    """The vectors that ingest would store: of the garment, with the whole photograph's mixed in
    where the model asks for it. Shapes: (photos, dimension)."""
    views, weight = material.photos.views, material.photograph_weight
    vectors = space.image(np.ascontiguousarray(views[:, 0]))
    if not weight or views.shape[1] < 2:
        return vectors
    whole = space.image(np.ascontiguousarray(views[:, 1]))
    mixed = vectors + np.float32(weight) * whole
    mixed /= np.linalg.norm(mixed, axis=1, keepdims=True)
    return np.where(material.photos.cut_out[:, None], mixed, vectors)


def _measure(
    space: _Space,
    material: _Material,
    asked: npt.NDArray[np.int64],
    others: npt.NDArray[np.int64],
) -> SpaceMeasure:
    """What a space does on products `asked`, with `others` in the way."""
    photos, count = material.photos, len(material.products)
    vectors = _ingested(space, material)
    whole = product_vectors(vectors, photos.products, count)
    views = view_ranks(vectors, photos.products, asked, others, count)
    texts = space.text(material.question_rows)
    words = word_ranks(texts, material.table, whole, asked, others)
    known = [n for n in asked if material.products[n].category is not None]
    labels = [str(material.products[n].category) for n in known]
    kinds = np.empty(0, bool)
    if known:
        names = space.text(material.category_rows)
        names = names.reshape(-1, len(_PROMPTS), names.shape[1]).mean(axis=1)
        names /= np.linalg.norm(names, axis=1, keepdims=True)
        guesses = nearest_words(whole[known], names)
        kinds = np.array(
            [material.category_names[g] == t for g, t in zip(guesses, labels, strict=True)], bool
        )
    general = space.text(material.general_rows)[: len(GARMENT_WORDS)]
    return SpaceMeasure(views, words, kinds, labels, nearest_words(whole[asked], general))


def _figures(measured: Sequence[SpaceMeasure], material: _Material, seed: int) -> list[Figure]:
    groups = material.split.groups
    views = [str(groups[material.photos.products[q]]) for q in measured[0].views.queries]
    words = [material.questions[q].text for q in measured[0].words.queries]
    kinds = [
        str(groups[n]) for n in material.split.held_out if material.products[n].category is not None
    ]
    return figures(measured[0], measured[1], views, words, kinds, seed)


def _classify(space: _Space, material: _Material) -> tuple[CategoryHead, Classification] | None:
    """The classifier and its figures on held-out photographs; None without two categories."""
    split, photos = material.split, material.photos
    labels = labels_of([material.products[n].category for n in split.training])
    if len(labels) < 2:
        return None
    every = [material.products[n].category or "" for n in photos.products]
    ingested = _ingested(space, material)
    parts = []
    for number, members in enumerate((split.training, split.stopping, split.held_out)):
        inside = np.isin(photos.products, members)
        chosen = [i for i, label in enumerate(every) if inside[i] and label in labels]
        truth = [every[i] for i in chosen]
        vectors = ingested[chosen]
        if number == 0:
            # All views teach; only what ingest would store is judged.
            views = photos.views[chosen]
            flat = np.ascontiguousarray(views.reshape(-1, views.shape[-1]))
            vectors = np.concatenate([vectors, space.image(flat)])
            truth += [label for label in truth for _ in range(views.shape[1])]
        parts.append((vectors, truth))
    head = fit_category_head(labels, parts[0], parts[1])
    if not len(parts[2][1]):
        return None
    guesses, _ = head.predict(parts[2][0])
    return head, classification(labels, parts[2][1], guesses)


def _small_categories(material: _Material) -> tuple[str, ...]:
    labels = labels_of([material.products[n].category for n in material.split.training])
    return tuple(name for name in material.category_names if name not in labels)


def _map(space: _Space, material: _Material, seed: int) -> npt.NDArray[np.float64]:
    """Products in the plane (t-SNE), (n, 2); empty if there are too few or too many."""
    vectors = _ingested(space, material)
    whole = product_vectors(vectors, material.photos.products, len(material.products))
    if not 4 <= len(whole) <= _MOST_POINTS:
        return np.empty((0, 2))
    perplexity = min(30.0, (len(whole) - 1) / 3)
    tsne = TSNE(perplexity=perplexity, metric="cosine", init="random", random_state=seed)
    return np.asarray(tsne.fit_transform(whole), np.float64)


def _base_space(base: BaseModel) -> _Space:
    def served(rows: Rows) -> Rows:
        return first_numbers(rows[:, : base.dimension], base.served_dimension)

    return _Space(served, served)


def _adapted_space(model: SpaceModel) -> _Space:
    return _Space(model.image.embed, model.text.embed)


def _trained(model: SpaceModel, base: BaseModel, history: Sequence[Epoch]) -> dict[str, Any]:
    """What was trained, honestly."""

    def tower(part: Tower, tail: Any) -> dict[str, Any]:
        matrices = [list(tail.constants[name].shape) for name in tail.trained] if tail else []
        return {
            "projection_numbers": part.projection.change.numel() + part.projection.bias.numel(),
            "own_layers": matrices,
            "own_layers_numbers": tail.trained_numbers if tail else 0,
            "own_layers_kept": part.uses_tail,
        }

    best = max(history, key=lambda epoch: epoch.score)
    return {
        "image": tower(model.image, base.image_tail),
        "text": tower(model.text, base.text_tail),
        "best_phase": best.phase,
        "best_epoch": best.number,
    }


def _about(shop: Shop, material: _Material) -> dict[str, Any]:
    split, photos = material.split, material.photos
    several = np.bincount(photos.products, minlength=len(material.products)) > 1
    return {
        "products": len(material.products),
        "photographs": len(photos.products),
        "photographs_cut_out": int(photos.cut_out.sum()),
        "unreadable_photographs": list(photos.unreadable),
        "products_without_photographs": shop.without_photos,
        "rejected_products": shop.rejected,
        "products_with_several_photographs": int(several.sum()),
        "attributes": list(shop.kinds),
        "split": {
            name: {"products": len(part), "with_several_photographs": int(several[part].sum())}
            for name, part in (
                ("training", split.training),
                ("stopping", split.stopping),
                ("held_out", split.held_out),
            )
        },
    }


def _member(numbers: npt.NDArray[np.int64], count: int) -> list[bool]:
    flags = np.zeros(count, bool)
    flags[numbers] = True
    return flags.tolist()


def _check(name: str, base: BaseModel, after: _Space, material: _Material) -> None:
    """The installed model, by the embedder's own code, gives what was measured."""
    served = load_model(name, OnnxOptions("cpu", False, 0))
    tokens = [served.tokenizer.encode(q) for q in GARMENT_WORDS]
    given = np.stack(served.texts.embed(tokens))
    wanted = after.text(material.general_rows[: len(tokens)])
    least = float((given * wanted).sum(axis=1).min())
    if least < _SAME_VECTOR:
        raise RuntimeError(f"{name} was written, but serves other vectors (cosine {least:.5f})")
