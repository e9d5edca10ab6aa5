"""Trains the heads of lookalike-mini: `make train DATA=DIR`.

The networks are frozen and their features are computed once (models/train/features.py); what is
trained are two heads of about 1.3 million numbers, the way CLIP is trained (a batch's true pairs
together, its false pairs apart) with three differences: a caption is true of every photograph that
it describes, not only of its own; doubtful pairs are left out; and two views of one photograph
are a pair too. Writes models/lookalike_mini_v0/heads.safetensors and training.json. Seeded: on one
machine, one thread count and one torch, the same bytes come out.
"""

import argparse
import json
import time
import tomllib
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional

from models.safetensors_file import write_safetensors
from models.train.captions import (
    FALSE,
    PERHAPS,
    SPOKEN_COLOURS,
    TRUE,
    Caption,
    PhotoFacts,
    colour_relation,
    relation,
    sample_caption,
)
from models.train.features import FeatureTable, feature_table
from models.train.heads import Head, LookConfig, look_arrays
from models.train.offtopic import off_topic_texts
from models.train.texts import text_features
from models.train.views import VIEWS

PACKAGE_DIR = Path(__file__).resolve().parents[1]
CONFIG_FILE = Path(__file__).with_name("config.toml")
_SAME_COLOUR = [i for i, name in enumerate(VIEWS) if "recoloured" not in name]
_RECOLOURED = [i for i, name in enumerate(VIEWS) if "recoloured" in name]
_EXCLUDED = -1e4


@dataclass(frozen=True, slots=True)
class Config:
    """See config.toml, its only source."""

    seed: int
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
    recoloured_counts: bool
    average_decay: float
    captions_per_photo: int
    off_topic_texts: int
    off_topic_per_batch: int
    off_topic_weight: float
    chunks: int
    look: LookConfig


def load_config() -> Config:
    """config.toml."""
    values = tomllib.loads(CONFIG_FILE.read_text())
    return Config(**{**values, "look": LookConfig(**values["look"])})


@dataclass(frozen=True, slots=True)
class CaptionPool:
    """captions[number][view] lists (caption, row of features) true of that view.

    off_topic: frozen vectors of texts that are true of nothing.
    """

    captions: list[list[list[tuple[Caption, int]]]]
    features: Tensor
    off_topic: Tensor


def make_captions(
    table: FeatureTable, colours: npt.NDArray[np.int8], config: Config, threads: int
) -> CaptionPool:
    """Captions for every view of every photograph, and their frozen vectors."""
    rng = np.random.default_rng(config.seed)
    rows: dict[str, int] = {}
    pool: list[list[list[tuple[Caption, int]]]] = []
    per_view = max(1, config.captions_per_photo // 2)
    for number, photo in enumerate(table.photos):
        per_photo = []
        for view in range(len(VIEWS)):
            drawn = [
                sample_caption(number, photo, colours[view, number], rng) for _ in range(per_view)
            ]
            per_photo.append([(c, rows.setdefault(c.text, len(rows))) for c in drawn])
        pool.append(per_photo)
    others = off_topic_texts(SPOKEN_COLOURS, config.off_topic_texts, rng)
    features = torch.from_numpy(text_features([*rows, *others], threads))
    return CaptionPool(pool, features[: len(rows)], features[len(rows) :])


def contrastive(logits: Tensor, truth: npt.NDArray[np.int8]) -> Tensor:
    """Mean over rows of -log p(true column), doubtful columns left out; both ways."""
    true = torch.from_numpy(truth == TRUE)
    out = torch.from_numpy(truth == PERHAPS)
    logits = logits.masked_fill(out, _EXCLUDED)
    loss = torch.zeros(())
    for rows, positives in ((logits, true), (logits.T, true.T)):
        counts = positives.sum(dim=1)
        log_p = functional.log_softmax(rows, dim=1)
        mean = (log_p * positives).sum(dim=1) / counts.clamp(min=1)
        loss = loss - mean[counts > 0].mean()
    return loss / 2


def view_loss(
    vectors: Tensor, numbers: npt.NDArray[np.int64], temperature: float, recoloured_counts: bool
) -> Tensor:
    """The first two thirds of the batch are two views of the same photographs, in one colour.

    recoloured_counts: whether a photograph's own recoloured view, the last third, is pushed apart
    like any other product, or left out.
    """
    half = len(numbers) // 3
    logits = vectors @ vectors.T / temperature
    same = torch.from_numpy(numbers[:, None] == numbers[None])
    eye = torch.eye(len(numbers), dtype=torch.bool)
    partner = torch.cat([torch.arange(half, 2 * half), torch.arange(half)])
    keep = torch.zeros_like(same)
    keep[torch.arange(2 * half), partner] = True
    left_out = eye if recoloured_counts else eye | (same & ~keep)
    logits = logits.masked_fill(left_out, _EXCLUDED)[: 2 * half]
    return functional.cross_entropy(logits, partner)


def train(
    table: FeatureTable, config: Config, threads: int, verbose: bool = True
) -> tuple[dict[str, npt.NDArray[np.float32]], list[dict[str, float]]]:
    """The heads' arrays and one line of figures an epoch."""
    torch.manual_seed(config.seed)
    torch.set_num_threads(threads)
    rng = np.random.default_rng(config.seed)
    original = [i in _SAME_COLOUR for i in range(len(VIEWS))]
    colours = colour_relation(table.photos, table.shares, original)
    facts = PhotoFacts.of(table.photos)
    pool = make_captions(table, colours, config, threads)
    flat = table.features.reshape(-1, table.features.shape[-1])
    image_head = Head(
        flat.astype(np.float32), config.hidden, config.words_dimension, config.dropout
    )
    text_head = Head(pool.features.numpy(), config.hidden, config.words_dimension, config.dropout)
    scale = torch.nn.Parameter(torch.tensor(2.7))
    parameters = [*image_head.parameters(), *text_head.parameters()]
    optimiser = torch.optim.AdamW(
        [{"params": parameters}, {"params": [scale], "weight_decay": 0.0}],
        lr=config.learning_rate,
        weight_decay=config.weight_decay,
    )
    batches = len(table.photos) // config.photos_per_batch
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimiser, config.learning_rate, total_steps=config.epochs * batches, pct_start=0.1
    )
    average = torch.optim.swa_utils.AveragedModel(
        torch.nn.ModuleList([image_head, text_head]),
        multi_avg_fn=torch.optim.swa_utils.get_ema_multi_avg_fn(config.average_decay),
        use_buffers=True,
    )
    history = []
    for epoch in range(config.epochs):
        order, sums = rng.permutation(len(table.photos)), np.zeros(3)
        for start in range(0, batches * config.photos_per_batch, config.photos_per_batch):
            chosen = order[start : start + config.photos_per_batch]
            pairs = np.stack([rng.permutation(_SAME_COLOUR)[:2] for _ in chosen])
            third = rng.choice(_RECOLOURED, len(chosen))
            numbers = np.concatenate([chosen, chosen, chosen])
            views = np.concatenate([pairs[:, 0], pairs[:, 1], third])
            images = torch.from_numpy(table.features[numbers, views].astype(np.float32))
            drawn = [pool.captions[n][v] for n, v in zip(numbers, views, strict=True)]
            picked = [options[rng.integers(len(options))] for options in drawn]
            foreign = rng.integers(len(pool.off_topic), size=config.off_topic_per_batch)
            texts = torch.cat([pool.features[[row for _, row in picked]], pool.off_topic[foreign]])
            texts = texts + config.text_noise * torch.randn(texts.shape)
            truth = relation([c for c, _ in picked], numbers, facts, colours[views, numbers])
            nowhere = np.full((len(foreign), len(numbers)), FALSE, np.int8)
            image_vectors, text_vectors = image_head(images), text_head(texts)
            cosines = text_vectors @ image_vectors.T
            words = contrastive(cosines * scale.exp(), np.concatenate([truth, nowhere]))
            # Being no photograph's best caption is not enough: far from all of them.
            apart = cosines[len(picked) :].clamp(min=0).square().mean()
            pictures = view_loss(
                image_vectors, numbers, config.image_temperature, config.recoloured_counts
            )
            optimiser.zero_grad()
            loss = words + config.image_loss_weight * pictures + config.off_topic_weight * apart
            loss.backward()
            optimiser.step()
            schedule.step()
            average.update_parameters(torch.nn.ModuleList([image_head, text_head]))
            with torch.no_grad():
                scale.clamp_(max=4.0)
            sums += (words.item(), pictures.item(), apart.item())
        line = {
            "epoch": epoch + 1,
            "word_loss": round(float(sums[0]) / batches, 4),
            "view_loss": round(float(sums[1]) / batches, 4),
            "off_topic_loss": round(float(sums[2]) / batches, 5),
            "scale": round(float(scale.detach().exp()), 2),
        }
        history.append(line)
        if verbose and (epoch + 1) % 5 == 0:
            print(line, flush=True)
    final_image, final_text = average.module[0], average.module[1]
    # The garments' own colours and the whole photographs: what serving sees.
    seen = table.features[:, _SAME_COLOUR].reshape(-1, flat.shape[1])[::2].astype(np.float32)
    look = look_arrays(final_image.standardised(seen), config.look)
    return {**final_image.arrays("image"), **final_text.arrays("text"), **look}, history


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--threads", type=int, default=1, help="of the heads' training")
    parser.add_argument("--workers", type=int, default=2, help="that compute features")
    parser.add_argument("--out", type=Path, default=PACKAGE_DIR / "lookalike_mini_v0")
    arguments = parser.parse_args()
    config = load_config()
    table = feature_table(arguments.data, config.chunks, arguments.workers)
    started = time.monotonic()
    heads, history = train(table, config, arguments.threads)
    arguments.out.mkdir(exist_ok=True)
    small = {
        name: value.astype(np.float16) if name.endswith("weight") else value
        for name, value in heads.items()
    }
    write_safetensors(arguments.out / "heads.safetensors", small, {"seed": str(config.seed)})
    report = {
        "config": asdict(config),
        "photographs": len(table.photos),
        "views": list(VIEWS),
        "epochs": history,
    }
    (arguments.out / "training.json").write_text(json.dumps(report, indent=1) + "\n")
    print(f"{len(table.photos)} photographs, {time.monotonic() - started:.0f} s")


if __name__ == "__main__":
    main()
