"""The two contrastive losses."""

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional

from models.train.captions import PERHAPS, TRUE

_EXCLUDED = -1e4


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
