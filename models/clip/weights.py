"""What the two towers of a CLIP-like model are made of, independent of whose file they came in."""

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float32]
Activation = Literal["gelu", "quick_gelu", "gelu_tanh"]


@dataclass(frozen=True, slots=True, eq=False)
class Norm:
    """Layer normalisation over the last axis."""

    weight: Array
    bias: Array
    epsilon: float


@dataclass(frozen=True, slots=True, eq=False)
class Dense:
    """x W^T + b. Shapes: weight (out, in), bias (out,)."""

    weight: Array
    bias: Array


@dataclass(frozen=True, slots=True, eq=False)
class Block:
    """A pre-norm transformer block. Shapes: qkv (3 width, width), query, key, value one after the
    other."""

    norm_1: Norm
    qkv: Dense
    out: Dense
    norm_2: Norm
    up: Dense
    down: Dense


@dataclass(frozen=True, slots=True, eq=False)
class AttentionPool:
    """SigLIP's pooling: one learned query looks at all patches, then a block's second half.

    Shapes: query (width,), already projected; key_value (2 width, width).
    """

    query: Array
    key_value: Dense
    out: Dense
    norm: Norm
    up: Dense
    down: Dense


@dataclass(frozen=True, slots=True, eq=False)
class ImageWeights:
    """A vision transformer.

    Shapes: patch (width, patch_px * patch_px * 3), its input in the order row, column, channel;
    positions (tokens, width), the class token's first and with the class token added to it.
    """

    side_px: int
    patch_px: int
    heads: int
    activation: Activation
    patch: Dense
    has_class_token: bool
    positions: Array
    pre_norm: Norm | None
    blocks: tuple[Block, ...]
    post_norm: Norm
    pool: AttentionPool | None
    """None: the class token's row is the picture's."""
    projection: Dense | None


@dataclass(frozen=True, slots=True, eq=False)
class TextWeights:
    """A text transformer.

    pool: which row is the text's. `highest`: where the highest id stands, CLIP's end token;
    `end`: the first `end_id`; `last`: the last, padded ones included.
    """

    heads: int
    activation: Activation
    tokens: Array
    positions: Array
    causal: bool
    blocks: tuple[Block, ...]
    final_norm: Norm
    pool: Literal["highest", "end", "last"]
    end_id: int
    projection: Dense


def array(tensor: Any) -> Array:
    """A torch parameter as float32."""
    return np.ascontiguousarray(tensor.detach().to("cpu").float().numpy())


def norm(module: Any) -> Norm:
    """From a torch LayerNorm."""
    return Norm(array(module.weight), array(module.bias), float(module.eps))


def dense(module: Any) -> Dense:
    """From a torch Linear, with or without bias."""
    weight = array(module.weight)
    bias = np.zeros(len(weight), np.float32) if module.bias is None else array(module.bias)
    return Dense(weight, bias)


def joined(*modules: Any) -> Dense:
    """Several torch Linears of one input, one after the other."""
    parts = [dense(module) for module in modules]
    return Dense(
        np.concatenate([part.weight for part in parts]),
        np.concatenate([part.bias for part in parts]),
    )


def patches(convolution: Any) -> Dense:
    """From the torch convolution that cuts a picture into patches."""
    weight = array(convolution.weight)
    bias = convolution.bias
    return Dense(
        np.ascontiguousarray(weight.transpose(0, 2, 3, 1).reshape(len(weight), -1)),
        np.zeros(len(weight), np.float32) if bias is None else array(bias),
    )


def without_bias(matrix: Any) -> Dense:
    """From a parameter that is multiplied from the right: x M."""
    weight = np.ascontiguousarray(array(matrix).T)
    return Dense(weight, np.zeros(len(weight), np.float32))
