"""The two phases: the projections on cached vectors, then everything that can be trained.

Every photograph's views and every caption went through the base's bodies once; an epoch here is
some matrix products. Four things pull:

- views of one product are to be near each other, and a little to those of their category;
- captions are to be near the photographs that they are true of, doubtful pairs counting as nothing;
- cosines between photographs and general words are to stay what they were (retention);
- nothing is to go far from where it began, nor the two towers apart.
"""

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional

from models.adapt.captions import PERHAPS, TRUE, Captions
from models.adapt.layers import Tower
from models.adapt.settings import AdaptSettings
from models.adapt.tail import Tail

Rows = npt.NDArray[np.float32]
Say = Callable[[str], None]

_INGESTED_CHANCE = 0.4
_CAPTION_TEMPERATURE = 0.05
_TAIL_RATE = 0.1


@dataclass(frozen=True, slots=True, eq=False)
class TrainingData:
    """What is trained on.

    views: (photos, views, base dimension + features); the first view is as ingested.
    products: for each photo its product's number.
    captions: of all products; caption_rows: (captions, base dimension + features).
    categories: for each product a number, -1 where it has none.
    training: numbers of the products to train on.
    anchors: (general words, base dimension + features).
    """

    views: Rows
    products: npt.NDArray[np.int64]
    captions: Captions
    caption_rows: Rows
    categories: npt.NDArray[np.int64]
    training: npt.NDArray[np.int64]
    anchors: Rows


@dataclass(frozen=True, slots=True)
class Epoch:
    """One line of the curves. phase: 0 is the base with its dimensions reduced, untrained."""

    phase: int
    number: int
    loss: float
    score: float


class SpaceModel(nn.Module):
    """Both towers behind their bodies."""

    def __init__(
        self,
        image_start: npt.NDArray[np.float32],
        text_start: npt.NDArray[np.float32],
        image_tail: Tail | None,
        text_tail: Tail | None,
    ) -> None:
        super().__init__()
        self.image = Tower(image_start, image_tail)
        self.text = Tower(text_start, text_tail)
        self.log_scale = nn.Parameter(torch.tensor(float(np.log(1 / _CAPTION_TEMPERATURE))))

    @property
    def tails(self) -> list[Any]:
        """The tails that there are."""
        return [tower.tail for tower in (self.image, self.text) if tower.tail is not None]


Score = Callable[[SpaceModel], float]


def start_of(rows: Sequence[Rows], base_dimension: int, dimension: int) -> npt.NDArray[np.float32]:
    """Where projections begin: (dimension, base dimension), orthonormal rows.

    The identity for the base's own dimension; else the strongest axes of the vectors given (those
    of photographs and those of captions, with equal weight).
    """
    if dimension == base_dimension:
        return np.eye(base_dimension, dtype=np.float32)
    moment = np.zeros((base_dimension, base_dimension))
    for part in rows:
        vectors = part.reshape(-1, part.shape[-1])[:, :base_dimension].astype(np.float64)
        moment += vectors.T @ vectors / max(1, len(vectors))
    _, axes = np.linalg.eigh(moment)
    strongest = axes[:, ::-1][:, :dimension].T
    # An axis has no direction of its own; its largest number decides.
    signs = np.sign(strongest[np.arange(dimension), np.abs(strongest).argmax(axis=1)])
    return np.ascontiguousarray(strongest * signs[:, None], np.float32)


def train(
    model: SpaceModel, data: TrainingData, settings: AdaptSettings, score: Score, say: Say
) -> list[Epoch]:
    """Trains in place; leaves the model as it was in its best epoch, which may be none at all.

    Args:
      score: of the products for stopping; more is better.
    """
    torch.manual_seed(settings.seed)
    rng = np.random.default_rng(settings.seed)
    history = [Epoch(0, 0, float("nan"), score(model))]
    say(f"phase 0: score {history[0].score:.4f} on the products for stopping")
    _phase(1, model, data, settings, score, history, rng, say)
    if settings.everything:
        before, best = copy.deepcopy(model.state_dict()), max(e.score for e in history)
        for tower in (model.image, model.text):
            tower.uses_tail = tower.tail is not None
        _phase(2, model, data, settings, score, history, rng, say)
        if max(e.score for e in history if e.phase == 2) <= best:
            # Without gain the base's own layers stay as they came.
            model.load_state_dict(before)
            for tower in (model.image, model.text):
                tower.uses_tail = False
    return history


def _phase(
    phase: int,
    model: SpaceModel,
    data: TrainingData,
    settings: AdaptSettings,
    score: Score,
    history: list[Epoch],
    rng: np.random.Generator,
    say: Say,
) -> None:
    optimiser = torch.optim.AdamW(_groups(phase, model, settings), weight_decay=0.0)
    begun = score(model)
    best, best_state, waited = begun, copy.deepcopy(model.state_dict()), 0
    if phase > 1:
        history.append(Epoch(phase, 0, float("nan"), begun))
    for number in range(1, settings.epochs + 1):
        model.train()
        losses = [
            _step(model, optimiser, batch, data, settings)
            for batch in _batches(data, settings, rng)
        ]
        model.eval()
        now = score(model)
        history.append(Epoch(phase, number, float(np.mean(losses)), now))
        if number % 5 == 0 or now > best:
            say(f"phase {phase}, epoch {number}: loss {np.mean(losses):.4f}, score {now:.4f}")
        if now > best:
            best, best_state, waited = now, copy.deepcopy(model.state_dict()), 0
        elif (waited := waited + 1) >= settings.patience:
            break
    model.load_state_dict(best_state)


def _groups(phase: int, model: SpaceModel, settings: AdaptSettings) -> list[dict[str, Any]]:
    rate = settings.learning_rate if phase == 1 else settings.everything_learning_rate
    projections = [*model.image.projection.parameters(), *model.text.projection.parameters()]
    groups: list[dict[str, Any]] = [{"params": [*projections, model.log_scale], "lr": rate}]
    if phase == 2:
        tails = [parameter for tail in model.tails for parameter in tail.parameters()]
        groups.append({"params": tails, "lr": rate * _TAIL_RATE})
    return groups


@dataclass(frozen=True, slots=True, eq=False)
class _Batch:
    """photos, views: which view of which photo; captions: their numbers."""

    photos: npt.NDArray[np.int64]
    views: npt.NDArray[np.int64]
    captions: npt.NDArray[np.int64]


def _batches(data: TrainingData, settings: AdaptSettings, rng: np.random.Generator) -> list[_Batch]:
    """Every product once, each with two views and a caption."""
    photos_of: dict[int, npt.NDArray[np.int64]] = {
        int(number): np.flatnonzero(data.products == number) for number in data.training
    }
    order = rng.permutation(data.training)
    count = max(1, round(len(order) / settings.products_per_batch))
    batches = []
    for numbers in np.array_split(order, count):
        photos, captions = [], []
        for number in numbers:
            own = photos_of[int(number)]
            # Two photographs where there are two, else two views of the one.
            photos += rng.permutation(own)[:2].tolist() if len(own) > 1 else [own[0]] * 2
            if said := data.captions.of_product[number]:
                captions += rng.permutation(said)[:2].tolist()
        views = rng.integers(1, max(2, data.views.shape[1]), len(photos))
        views[rng.random(len(photos)) < _INGESTED_CHANCE] = 0
        batches.append(
            _Batch(
                np.array(photos),
                np.minimum(views, data.views.shape[1] - 1),
                np.array(sorted(set(captions)), np.int64),
            )
        )
    return batches


def _step(
    model: SpaceModel,
    optimiser: torch.optim.Optimizer,
    batch: _Batch,
    data: TrainingData,
    settings: AdaptSettings,
) -> float:
    rows = torch.from_numpy(data.views[batch.photos, batch.views])
    products = data.products[batch.photos]
    images = model.image(rows)
    loss = views_loss(
        images,
        torch.from_numpy(products),
        torch.from_numpy(data.categories[products]),
        settings.view_temperature,
        settings.category_share,
    )
    if len(batch.captions):
        texts = model.text(torch.from_numpy(data.caption_rows[batch.captions]))
        relation = torch.from_numpy(data.captions.relation(batch.captions, products))
        cosines = texts @ images.T
        loss = loss + settings.words_weight * words_loss(cosines, relation, model.log_scale.exp())
    anchors = torch.from_numpy(data.anchors)
    base = model.image.base_dimension
    before = rows[:, :base] @ anchors[:, :base].T
    after = images @ model.text(anchors).T
    loss = loss + settings.retention_weight * (after - before).square().mean()
    loss = loss + settings.decay_weight * (model.image.distance() + model.text.distance())
    apart = model.image.projection.change - model.text.projection.change
    loss = loss + settings.apart_weight * apart.square().sum()
    optimiser.zero_grad()
    loss.backward()
    nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    optimiser.step()
    with torch.no_grad():
        # As in CLIP: beyond this the loss only sharpens what it has.
        model.log_scale.clamp_(0.0, float(np.log(100.0)))
    return float(loss.detach())


def views_loss(
    images: Tensor, products: Tensor, categories: Tensor, temperature: float, share: float
) -> Tensor:
    """Cross entropy of each view's neighbours against a soft target: its own product's other views
    share 1 - `share` of it, its category's views the rest."""
    itself = torch.eye(len(images), dtype=torch.bool)
    logits = (images @ images.T / temperature).masked_fill(itself, -1e4)
    own = (products[:, None] == products[None]) & ~itself
    known = categories >= 0
    kin = (categories[:, None] == categories[None]) & known[:, None] & ~itself & ~own
    target = _shares(own) * (1 - share) + _shares(kin) * share
    total = target.sum(dim=1, keepdim=True)
    rows = total[:, 0] > 0
    target = target / total.clamp_min(1e-9)
    return -(target * functional.log_softmax(logits, dim=1)).sum(dim=1)[rows].mean()


def words_loss(cosines: Tensor, relation: Tensor, scale: Tensor) -> Tensor:
    """Cross entropy both ways with several positives; doubtful pairs count as nothing.

    Shapes: cosines, relation (captions, images).
    """
    logits = (scale * cosines).masked_fill(relation == PERHAPS, -1e4)
    positive = relation == TRUE
    losses = []
    for side, true in ((logits, positive), (logits.T, positive.T)):
        rows = true.any(dim=1)
        logs = functional.log_softmax(side[rows], dim=1)
        losses.append(-(_shares(true[rows]) * logs).sum(dim=1).mean())
    return (losses[0] + losses[1]) / 2


def _shares(mask: Tensor) -> Tensor:
    """Each row's trues, sharing 1."""
    values = mask.float()
    return values / values.sum(dim=1, keepdim=True).clamp_min(1.0)
