"""Trains the two heads that are served, on features that no longer change.

The same losses as the fine-tuning before it, but a hundred times as many steps a minute: the heads
see every view of every photograph with many captions. Prefixes of the words' part are trained to
be vectors too (Kusupati et al., "Matryoshka Representation Learning", 2022).
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from models.train.captions import FALSE, PhotoFacts, colour_relation, relation
from models.train.fronts import Fronts
from models.train.heads import Head
from models.train.losses import contrastive, view_loss
from models.train.pool import CaptionPool
from models.train.views import OTHER_COLOUR, OWN_COLOUR, VIEWS


@dataclass(frozen=True, slots=True)
class HeadConfig:
    """See config.toml, its only source."""

    words_dimension: int
    hidden: int
    epochs: int
    photos_per_batch: int
    learning_rate: float
    weight_decay: float
    dropout: float
    text_noise: float
    image_temperature: float
    image_loss_weight: float
    average_decay: float
    off_topic_per_batch: int
    off_topic_weight: float
    shop_weight: float
    gender_said: float


@dataclass(frozen=True, slots=True)
class Frozen:
    """What the heads read: float16 (photos, views, 1775) and float32 (texts, 384)."""

    images: npt.NDArray[np.float16]
    texts: npt.NDArray[np.float32]


def train_heads(
    fronts: Fronts, pool: CaptionPool, frozen: Frozen, config: HeadConfig, seed: int
) -> tuple[dict[str, npt.NDArray[Any]], list[dict[str, float]]]:
    """The heads' arrays and one line of figures an epoch."""
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    own = [view in OWN_COLOUR for view in range(len(VIEWS))]
    colours = colour_relation(fronts.photos, fronts.shares, own)
    facts = PhotoFacts.of(fronts.photos)
    texts = torch.from_numpy(frozen.texts)
    flat = frozen.images.reshape(-1, frozen.images.shape[-1]).astype(np.float32)
    image_head = Head(flat, config.hidden, config.words_dimension, config.dropout)
    text_head = Head(frozen.texts, config.hidden, config.words_dimension, config.dropout)
    both = torch.nn.ModuleList([image_head, text_head])
    scale = torch.nn.Parameter(torch.tensor(2.7))
    optimiser = torch.optim.AdamW(
        [{"params": both.parameters()}, {"params": [scale], "weight_decay": 0.0}],
        lr=config.learning_rate,
        weight_decay=config.weight_decay,
    )
    shop = [config.shop_weight if p.source != "garments" else 1.0 for p in fronts.photos]
    chances = np.array(shop) / sum(shop)
    batches = max(int(sum(shop)) // config.photos_per_batch, 1)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimiser, config.learning_rate, total_steps=config.epochs * batches + 1, pct_start=0.1
    )
    average = torch.optim.swa_utils.AveragedModel(
        both,
        multi_avg_fn=torch.optim.swa_utils.get_ema_multi_avg_fn(config.average_decay),
        use_buffers=True,
    )

    def losses(images: Tensor, words: Tensor, truth: npt.NDArray[np.int8], numbers: Any) -> Tensor:
        cosines = words @ images.T
        said = contrastive(cosines * scale.exp(), truth)
        # Being no photograph's best caption is not enough: far from all of them.
        apart = cosines[len(words) - config.off_topic_per_batch :].clamp(min=0).square().mean()
        seen = view_loss(images, numbers, config.image_temperature, True)
        return torch.stack([said, seen, apart])

    weights = torch.tensor([1.0, config.image_loss_weight, config.off_topic_weight])
    history = []
    for epoch in range(config.epochs):
        sums = np.zeros(3)
        for _ in range(batches):
            chosen = rng.choice(len(chances), config.photos_per_batch, replace=False, p=chances)
            pairs = np.stack([rng.permutation(OWN_COLOUR)[:2] for _ in chosen])
            numbers = np.concatenate([chosen, chosen, chosen])
            other = rng.choice(OTHER_COLOUR, len(chosen))
            views = np.concatenate([pairs[:, 0], pairs[:, 1], other])
            images = image_head(torch.from_numpy(frozen.images[numbers, views].astype(np.float32)))
            captions, rows = pool.draw(numbers, views, rng)
            foreign = pool.draw_off_topic(config.off_topic_per_batch, rng)
            read = texts[torch.from_numpy(np.concatenate([rows, foreign]))]
            words = text_head(read + config.text_noise * torch.randn(read.shape))
            truth = relation(
                captions, numbers, facts, colours[views, numbers], fronts.patterns[numbers, views]
            )
            nowhere = np.full((len(foreign), len(numbers)), FALSE, np.int8)
            truth = np.concatenate([truth, nowhere])
            figures = losses(images, words, truth, numbers)
            loss = (figures * weights).sum()
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            schedule.step()
            average.update_parameters(both)
            with torch.no_grad():
                scale.clamp_(max=4.0)
            sums += figures.detach().numpy()
        names = ("word_loss", "view_loss", "off_topic_loss")
        line = {name: round(float(s) / batches, 5) for name, s in zip(names, sums, strict=True)}
        history.append({"epoch": epoch + 1, **line})
    final = average.module
    return {**final[0].arrays("image"), **final[1].arrays("text")}, history
