"""Fine-tunes both networks: EfficientNet-Lite2's last stages and MiniLM's last layers.

The way CLIP is trained (a batch's true pairs together, its false pairs apart) with four
differences: a caption is true of every photograph that it describes, not only of its own; doubtful
pairs are left out; two views of one photograph are a pair too; and the kind of garment is also
asked for directly. What comes out are features: the heads that are served are trained on them
afterwards, longer (models/train/train.py).
"""

import time
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional

from models.lookalike_mini import FROZEN_STAGES
from models.train.captions import FALSE, PhotoFacts, colour_relation, relation
from models.train.fronts import Fronts
from models.train.heads import Head
from models.train.losses import contrastive, view_loss
from models.train.network import EfficientNetLite2, MiniLM, Tensors, pooled
from models.train.pool import CaptionPool
from models.train.views import OTHER_COLOUR, OWN_COLOUR, VIEWS
from models.train.vocabulary import KINDS

_TEXTURE_2 = 96


@dataclass(frozen=True, slots=True)
class FineTuneConfig:
    """See config.toml, its only source."""

    epochs: int
    photos_per_batch: int
    image_learning_rate: float
    text_learning_rate: float
    head_learning_rate: float
    weight_decay: float
    text_layers: int
    gender_said: float
    kind_weight: float
    image_loss_weight: float
    image_temperature: float
    off_topic_per_batch: int
    off_topic_weight: float
    shop_weight: float


class ImageNetwork(nn.Module):
    """From the frozen front's outputs to features (n, 1775), in the served graph's order."""

    def __init__(self, tensors: Tensors) -> None:
        super().__init__()
        self.late = EfficientNetLite2(tensors, first=FROZEN_STAGES)

    def forward(self, maps: Tensor, fixed: Tensor, cells_17: Tensor, cells_9: Tensor) -> Tensor:
        with torch.autocast("cpu", torch.bfloat16):
            stages = self.late(maps.contiguous(memory_format=torch.channels_last))
        head = pooled(stages[-1], cells_9)[0]
        texture = pooled(stages[0], cells_17)
        return torch.cat([head, fixed[:, :_TEXTURE_2], *texture, fixed[:, _TEXTURE_2:]], dim=1)


def front_tensors(
    fronts: Fronts, numbers: npt.NDArray[np.int64], views: npt.NDArray[np.int64]
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """The image network's inputs for these views, float32."""
    rows = (
        fronts.read_maps(numbers, views),
        fronts.fixed[numbers, views],
        fronts.cells_17[numbers, views],
        fronts.cells_9[numbers, views],
    )
    maps, fixed, cells_17, cells_9 = (torch.from_numpy(row.astype(np.float32)) for row in rows)
    return maps, fixed, cells_17, cells_9


@torch.no_grad()
def image_features(network: ImageNetwork, fronts: Fronts) -> npt.NDArray[np.float16]:
    """(photos, views, 1775)."""
    found = []
    count, views = len(fronts.photos), np.arange(len(VIEWS))
    for start in range(0, count, 16):
        numbers = np.arange(start, min(start + 16, count)).repeat(len(VIEWS))
        every = np.tile(views, len(numbers) // len(VIEWS))
        found.append(network(*front_tensors(fronts, numbers, every)).numpy().astype(np.float16))
    return np.concatenate(found).reshape(count, len(VIEWS), -1)


class FineTuning:
    """Both networks, their heads for the time of the training, and the optimiser."""

    def __init__(
        self,
        fronts: Fronts,
        pool: CaptionPool,
        image_tensors: Tensors,
        text_tensors: Tensors,
        config: FineTuneConfig,
        seed: int,
    ) -> None:
        torch.manual_seed(seed)
        self._rng = np.random.default_rng(seed)
        self._fronts, self._pool, self._config = fronts, pool, config
        self.image, self.text = ImageNetwork(image_tensors), MiniLM(text_tensors)
        sample = self._rng.choice(len(fronts.photos), min(256, len(fronts.photos)), replace=False)
        with torch.no_grad():
            some = self.image(*front_tensors(fronts, sample, sample % len(VIEWS))).numpy()
            texts = self.text(*pool.tokens(np.arange(min(512, len(pool.texts)))))
        self._image_head = Head(some, 512, 128, 0.1)
        self._text_head = Head(texts.numpy(), 512, 128, 0.1)
        self._kinds = nn.Linear(some.shape[1], len(KINDS))
        self._scale = nn.Parameter(torch.tensor(2.7))
        heads = [self._image_head, self._text_head, self._kinds]
        head_parameters = [p for head in heads for p in head.parameters()]
        groups = [
            {"params": list(self.image.parameters()), "lr": config.image_learning_rate},
            {"params": self.text.train_layers(config.text_layers), "lr": config.text_learning_rate},
            {"params": head_parameters, "lr": config.head_learning_rate},
            {"params": [self._scale], "lr": config.head_learning_rate, "weight_decay": 0.0},
        ]
        self._optimiser = torch.optim.AdamW(groups, weight_decay=config.weight_decay)
        # Shops are few and look like what is searched: they are drawn more often.
        self._weights = np.array(
            [config.shop_weight if p.source != "garments" else 1.0 for p in fronts.photos]
        )
        self._steps = int(self._weights.sum()) // config.photos_per_batch
        self._schedule = torch.optim.lr_scheduler.OneCycleLR(
            self._optimiser,
            [group["lr"] for group in groups],
            total_steps=max(config.epochs * self._steps, 2),
            pct_start=0.15,
        )
        own = [view in OWN_COLOUR for view in range(len(VIEWS))]
        self._colours = colour_relation(fronts.photos, fronts.shares, own)
        self._facts = PhotoFacts.of(fronts.photos)

    def epoch(self) -> dict[str, float]:
        """Every photograph about once; the mean losses."""
        started, sums = time.monotonic(), np.zeros(4)
        p = self._weights / self._weights.sum()
        for _ in range(self._steps):
            chosen = self._rng.choice(len(p), self._config.photos_per_batch, replace=False, p=p)
            sums += self._step(chosen)
        names = ("word_loss", "view_loss", "off_topic_loss", "kind_loss")
        line = {n: round(float(s) / self._steps, 5) for n, s in zip(names, sums, strict=True)}
        return line | {"seconds": round(time.monotonic() - started)}

    def _step(self, chosen: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
        rng, config, pool = self._rng, self._config, self._pool
        pairs = np.stack([rng.permutation(OWN_COLOUR)[:2] for _ in chosen])
        numbers = np.concatenate([chosen, chosen, chosen])
        views = np.concatenate([pairs[:, 0], pairs[:, 1], rng.choice(OTHER_COLOUR, len(chosen))])
        features = self.image(*front_tensors(self._fronts, numbers, views))
        vectors = self._image_head(features)

        captions, rows = pool.draw(numbers, views, rng)
        foreign = pool.draw_off_topic(config.off_topic_per_batch, rng)
        with torch.autocast("cpu", torch.bfloat16):
            texts = self.text(*pool.tokens(np.concatenate([rows, foreign])))
        cosines = self._text_head(texts.float()) @ vectors.T
        truth = relation(
            captions,
            numbers,
            self._facts,
            self._colours[views, numbers],
            self._fronts.patterns[numbers, views],
        )
        nowhere = np.full((len(foreign), len(numbers)), FALSE, np.int8)
        words = contrastive(cosines * self._scale.exp(), np.concatenate([truth, nowhere]))
        # Being no photograph's best caption is not enough: far from all of them.
        apart = cosines[len(captions) :].clamp(min=0).square().mean()
        pictures = view_loss(vectors, numbers, config.image_temperature, True)
        kinds = functional.cross_entropy(
            self._kinds(self._image_head.standardise(features)),
            torch.from_numpy(self._facts.kind[numbers]),
            label_smoothing=0.1,
        )
        loss = (
            words
            + config.image_loss_weight * pictures
            + config.off_topic_weight * apart
            + config.kind_weight * kinds
        )
        self._optimiser.zero_grad()
        loss.backward()
        self._optimiser.step()
        self._schedule.step()
        with torch.no_grad():
            self._scale.clamp_(max=4.0)
        return np.array([words.item(), pictures.item(), apart.item(), kinds.item()])
