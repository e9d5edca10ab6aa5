"""Captions for every view of every photograph, drawn once."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from tokenizers import Tokenizer
from torch import Tensor

from models.train.captions import SPOKEN_COLOURS, Caption, sample_caption
from models.train.catalogue import Photo
from models.train.offtopic import off_topic_texts

_MAX_TOKENS = 128
_LENGTH_STEP = 4


@dataclass(frozen=True, slots=True)
class CaptionPool:
    """captions[number][view] lists (caption, its row of `texts`) true of that view; texts from
    `first_off_topic` on are true of nothing."""

    captions: list[list[list[tuple[Caption, int]]]]
    texts: list[str]
    first_off_topic: int
    ids: list[list[int]]

    def draw(
        self,
        numbers: npt.NDArray[np.int64],
        views: npt.NDArray[np.int64],
        rng: np.random.Generator,
    ) -> tuple[list[Caption], npt.NDArray[np.int64]]:
        """One caption for each of these views, and their texts' rows."""
        options = [self.captions[n][v] for n, v in zip(numbers, views, strict=True)]
        picked = [several[rng.integers(len(several))] for several in options]
        return [caption for caption, _ in picked], np.array([row for _, row in picked])

    def draw_off_topic(self, count: int, rng: np.random.Generator) -> npt.NDArray[np.int64]:
        """Rows of texts that are true of nothing."""
        return rng.integers(self.first_off_topic, len(self.texts), size=count)

    def tokens(self, rows: npt.NDArray[np.int64]) -> tuple[Tensor, Tensor]:
        """Token ids and their mask, (n, tokens), padded as little as serving does."""
        longest = max(len(self.ids[row]) for row in rows)
        length = -(-longest // _LENGTH_STEP) * _LENGTH_STEP
        ids = np.zeros((len(rows), length), np.int64)
        mask = np.zeros_like(ids)
        for place, row in enumerate(rows):
            ids[place, : len(self.ids[row])] = self.ids[row]
            mask[place, : len(self.ids[row])] = 1
        return torch.from_numpy(ids), torch.from_numpy(mask)


def make_pool(
    photos: Sequence[Photo],
    colours: npt.NDArray[np.int8],
    patterns: npt.NDArray[np.int8],
    per_view: int,
    gender_said: float,
    off_topic: int,
    tokenizer: Path,
    seed: int,
) -> CaptionPool:
    """Draws `per_view` captions for each view.

    Args:
      gender_said: see sample_caption.
      colours: the colour relation, (views, photos, spoken colours).
      patterns: (photos, views).
    """
    rng = np.random.default_rng(seed)
    rows: dict[str, int] = {}
    captions = []
    for number, photo in enumerate(photos):
        views = []
        for view in range(patterns.shape[1]):
            pattern = int(patterns[number, view])
            drawn = [
                sample_caption(number, photo, colours[view, number], pattern, rng, gender_said)
                for _ in range(per_view)
            ]
            views.append([(c, rows.setdefault(c.text, len(rows))) for c in drawn])
        captions.append(views)
    texts = [*rows, *off_topic_texts(SPOKEN_COLOURS, off_topic, rng)]
    reader = Tokenizer.from_file(str(tokenizer))
    reader.enable_truncation(_MAX_TOKENS)
    reader.no_padding()
    ids = [encoding.ids for encoding in reader.encode_batch(texts)]
    return CaptionPool(captions, texts, len(rows), ids)
