"""A head: from features to the words' part of a vector.

The same formula as the ONNX nodes of `models.lookalike_mini`; a test compares them.
"""

import math

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

    def standardise(self, features: Tensor) -> Tensor:
        """What the first layers read."""
        return ((features - self.mean) * self.inverse_deviation).clamp(-_CLIP, _CLIP)

    def forward(self, features: Tensor) -> Tensor:
        x = self.standardise(features)
        x = functional.dropout(x, self.dropout, self.training)
        bent = functional.dropout(functional.gelu(self.hidden(x)), self.dropout, self.training)
        return functional.normalize(self.skip(x) + self.out(bent), dim=-1)

    def arrays(self, tower: str) -> dict[str, npt.NDArray[np.float32]]:
        """The parameters under the names that the ONNX builder reads."""
        return {
            f"{tower}.{name}": value.detach().float().numpy().copy()
            for name, value in self.state_dict().items()
        }
