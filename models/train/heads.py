"""The trained part: two heads, in torch for training and in numpy for measuring.

Both and the ONNX nodes of `models.lookalike_mini` are the same formula; a test compares them.
"""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional

_CLIP = 5.0


class Head(nn.Module):
    """Standardise, then a straight line plus a bent one: W0 x + W2 gelu(W1 x), length 1."""

    mean: Tensor
    inverse_deviation: Tensor

    def __init__(
        self, features: npt.NDArray[np.float32], hidden: int, dimension: int, dropout: float
    ) -> None:
        super().__init__()
        width = features.shape[1]
        self.register_buffer("mean", torch.tensor(features.mean(axis=0)))
        deviation = np.maximum(features.std(axis=0), 1e-3)
        self.register_buffer("inverse_deviation", torch.tensor(1 / deviation))
        self.hidden = nn.Linear(width, hidden)
        self.skip = nn.Linear(width, dimension, bias=False)
        self.out = nn.Linear(hidden, dimension)
        self.dropout = dropout
        nn.init.normal_(self.skip.weight, std=0.5 / math.sqrt(width))

    def forward(self, features: Tensor) -> Tensor:
        x = ((features - self.mean) * self.inverse_deviation).clamp(-_CLIP, _CLIP)
        x = functional.dropout(x, self.dropout, self.training)
        bent = functional.dropout(functional.gelu(self.hidden(x)), self.dropout, self.training)
        return functional.normalize(self.skip(x) + self.out(bent), dim=-1)

    def arrays(self, tower: str) -> dict[str, npt.NDArray[np.float32]]:
        """The parameters under the names that the ONNX builder reads."""
        return {
            f"{tower}.{name}": value.detach().float().numpy().copy()
            for name, value in self.state_dict().items()
        }


def apply_head(
    heads: Mapping[str, npt.NDArray[Any]], tower: str, features: npt.NDArray[Any]
) -> npt.NDArray[np.float32]:
    """Unit vectors (n, dimension) of frozen features (n, width)."""

    def get(name: str) -> npt.NDArray[np.float32]:
        return np.asarray(heads[f"{tower}.{name}"], np.float32)

    x = (features.astype(np.float32) - get("mean")) * get("inverse_deviation")
    x = np.clip(x, -_CLIP, _CLIP)
    bent = functional.gelu(torch.from_numpy(x @ get("hidden.weight").T + get("hidden.bias")))
    y = x @ get("skip.weight").T + bent.numpy() @ get("out.weight").T + get("out.bias")
    return np.asarray(y / np.linalg.norm(y, axis=1, keepdims=True))
