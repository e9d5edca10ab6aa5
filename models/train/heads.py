"""The trained part: two heads, in torch for training and in numpy for measuring.

An image's vector has two parts. The words' part is trained together with texts. The look part is
what the network and the palette saw, nearly untouched: texts are zero there, so it changes no
ranking by words, and it tells one product from another where words would call them the same.

Both and the ONNX nodes of `models.lookalike_mini` are the same formula; a test compares them.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional

from models.colour import COLOUR_FEATURES, PALETTE_SIZE
from models.efficientnet import HEAD_CHANNELS

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

    def standardised(self, features: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """What the first layers read."""
        x = (features - self.mean.numpy()) * self.inverse_deviation.numpy()
        return np.asarray(np.clip(x, -_CLIP, _CLIP))

    def arrays(self, tower: str) -> dict[str, npt.NDArray[np.float32]]:
        """The parameters under the names that the ONNX builder reads."""
        return {
            f"{tower}.{name}": value.detach().float().numpy().copy()
            for name, value in self.state_dict().items()
        }


def look_arrays(features: npt.NDArray[np.float32], config: "LookConfig") -> dict[str, Any]:
    """The look part of the image tower: nothing in it is learnt from words.

    Args:
      features: standardised and clipped, (n, width).
    """
    network = features[:, :HEAD_CHANNELS].astype(np.float64)
    covariance = network.T @ network / len(network)
    _, axes = np.linalg.eigh(covariance)
    strongest = axes[:, ::-1][:, : config.axes].T
    # An axis has no direction of its own; its largest number decides.
    signs = np.sign(strongest[np.arange(len(strongest)), np.abs(strongest).argmax(axis=1)])
    return {
        "image.look.axes.weight": (strongest * signs[:, None]).astype(np.float32),
        "image.look.shares": np.array(
            [config.words_share, config.network_share, config.colour_share], np.float32
        ),
    }


@dataclass(frozen=True, slots=True)
class LookConfig:
    """axes: principal axes of the network's features that are kept. The shares of the three parts
    in the squared length of an image's vector sum to 1."""

    axes: int
    words_share: float
    network_share: float
    colour_share: float


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
    words = _unit(y)
    axes = np.asarray(heads["image.look.axes.weight"], np.float32)
    if tower == "text":
        look = np.zeros((len(x), len(axes) + PALETTE_SIZE), np.float32)
        return np.concatenate([words, look], axis=1)
    shares = np.sqrt(np.asarray(heads["image.look.shares"], np.float32))
    network = _unit(x[:, :HEAD_CHANNELS] @ axes.T)
    colours = _unit(x[:, -COLOUR_FEATURES:][:, :PALETTE_SIZE])
    parts = [part * share for part, share in zip((words, network, colours), shares, strict=True)]
    return np.concatenate(parts, axis=1)


def _unit(x: npt.NDArray[Any]) -> npt.NDArray[np.float32]:
    return np.asarray(x / np.linalg.norm(x, axis=1, keepdims=True), np.float32)
