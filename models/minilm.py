"""all-MiniLM-L6-v2 (BERT, 6 layers, 384 wide) as ONNX nodes, from its safetensors file.

Written with ONNX Runtime's fused transformer nodes where they are the faster ones. The linear
layers are exchangeable: float32, or int8 with activation scales fixed beforehand. Scales measured
at run time, per batch, would let a text's vector depend on its neighbours; fixed ones do not.

Source: https://huggingface.co/sentence-transformers/all-MiniLM-L6-v2 (Apache-2.0); smoothing:
Xiao et al., "SmoothQuant" (2023).
"""

from collections.abc import Mapping
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
from onnx import TensorProto

from models.onnx_graph import GraphWriter

WIDTH = 384
HEADS = 12
LAYERS = 6
_MAX_TOKENS = 128

# How much of an input channel's range moves into the weights, from 0 to 1.
_SMOOTHING = 0.7
# Weights in 7 bits: on CPUs without VNNI two products of 8 bits each overflow their 16-bit sum,
# and one space must mean the same on every machine.
_WEIGHT_LEVELS = 64
_RANGE_MARGIN = 1.1

Tensors = Mapping[str, npt.NDArray[Any]]
Array = npt.NDArray[Any]


class Linear(Protocol):
    """Adds x W^T + b to a graph; weight (out, in), bias (out,)."""

    def __call__(
        self, graph: GraphWriter, x: str, name: str, weight: Array, bias: Array
    ) -> str: ...


def float_linear(graph: GraphWriter, x: str, name: str, weight: Array, bias: Array) -> str:
    """In float32."""
    product = graph.op("MatMul", x, graph.constant(weight.T))
    return graph.op("Add", product, graph.constant(bias))


class RecordingLinear:
    """In float32; remembers each layer's input, for measuring ranges."""

    def __init__(self) -> None:
        self.inputs: dict[str, str] = {}
        self.widths: dict[str, int] = {}

    def __call__(self, graph: GraphWriter, x: str, name: str, weight: Array, bias: Array) -> str:
        self.inputs[name] = x
        self.widths[name] = weight.shape[1]
        return float_linear(graph, x, name, weight, bias)


class Int8Linear:
    """Weights in int8 per output channel, activations in uint8 with scales fixed beforehand.

    Args:
      ranges: `<layer>.low` and `<layer>.high`, (in,): the extremes of each input channel.
    """

    def __init__(self, ranges: Tensors) -> None:
        self._ranges = ranges

    def __call__(self, graph: GraphWriter, x: str, name: str, weight: Array, bias: Array) -> str:
        low = self._ranges[f"{name}.low"].astype(np.float64) * _RANGE_MARGIN
        high = self._ranges[f"{name}.high"].astype(np.float64) * _RANGE_MARGIN
        largest = np.maximum(np.maximum(-low, high), 1e-3)
        strongest = np.maximum(np.abs(weight).max(axis=0), 1e-5)
        smooth = largest**_SMOOTHING / strongest ** (1 - _SMOOTHING)
        smooth /= np.exp(np.log(smooth).mean())
        scale = np.float32(((high / smooth).max() - min((low / smooth).min(), 0.0)) / 255)
        zero_point = int(np.clip(round(-(low / smooth).min() / scale), 0, 255))
        smoothed = weight * smooth
        steps = np.abs(smoothed).max(axis=1) / _WEIGHT_LEVELS
        quantised = np.round(smoothed / steps[:, None])
        zero = graph.constant(zero_point, np.uint8)
        step = graph.constant(scale)
        shrunk = graph.op("Mul", x, graph.constant(1 / smooth))
        return graph.contrib(
            "MatMulIntegerToFloat",
            graph.op("QuantizeLinear", shrunk, step, zero),
            graph.constant(quantised.T, np.int8),
            step,
            graph.constant(steps),
            zero,
            "",
            graph.constant(bias),
        )[0]


def _in_int8(weight: Array) -> tuple[Array, Array]:
    """Rows in int8 and their steps, (n, width) and (n, 1): a quarter of the file's size."""
    steps = np.maximum(np.abs(weight).max(axis=1, keepdims=True), 1e-6) / 127
    return np.round(weight / steps), steps


def add_minilm(
    graph: GraphWriter, tensors: Tensors, token_ids: str, attention_mask: str, linear: Linear
) -> str:
    """Adds the encoder with its mean pooling, for at most 128 tokens; not yet normalised.

    Args:
      token_ids: int32 (n, tokens).
      attention_mask: int32 (n, tokens), 1 for a token, 0 for padding.

    Returns:
      float32 (n, 384): the mean over the tokens of the last layer.
    """

    def constant(name: str) -> str:
        return graph.constant(tensors[name])

    def dense(x: str, name: str) -> str:
        return linear(graph, x, name, tensors[f"{name}.weight"], tensors[f"{name}.bias"])

    def add_and_normalise(skip: str, y: str, name: str) -> str:
        # The runtime's own node for this goes through rows one number at a time and takes four
        # times as long as these, which are vectorised. Length 1 and the root of the width are
        # mean 0 and variance 1; the published epsilon of 1e-12 is beyond float32.
        total = graph.op("Add", skip, y)
        centred = graph.op("Sub", total, graph.op("ReduceMean", total, axes=[-1], keepdims=1))
        direction = graph.l2_normalise(centred)
        weight = graph.constant(tensors[f"{name}.weight"] * np.sqrt(WIDTH))
        return graph.op("Add", graph.op("Mul", direction, weight), constant(f"{name}.bias"))

    # Every token is of segment 0: its embedding joins the position's.
    positions = (
        tensors["embeddings.position_embeddings.weight"][:_MAX_TOKENS]
        + tensors["embeddings.token_type_embeddings.weight"][0]
    )
    rows, steps = _in_int8(tensors["embeddings.word_embeddings.weight"])
    words = graph.op("Gather", graph.constant(rows, np.int8), token_ids)
    words = graph.op("Cast", words, to=TensorProto.FLOAT)
    words = graph.op("Mul", words, graph.op("Gather", graph.constant(steps), token_ids))
    length = graph.op("Gather", graph.op("Shape", token_ids), graph.constant([1], np.int64))
    start = graph.constant([0], np.int64)
    places = graph.op("Slice", graph.constant(positions), start, length, start)
    x = add_and_normalise(words, places, "embeddings.LayerNorm")
    for layer in range(LAYERS):
        prefix = f"encoder.layer.{layer}"
        parts = [f"{prefix}.attention.self.{part}" for part in ("query", "key", "value")]
        together = linear(
            graph,
            x,
            f"{prefix}.attention.self",
            np.concatenate([tensors[f"{part}.weight"] for part in parts]),
            np.concatenate([tensors[f"{part}.bias"] for part in parts]),
        )
        split = graph.constant([WIDTH] * 3, np.int64)
        query, key, value = graph.ops("Split", [together, split], 3, axis=2)
        attended = graph.contrib(
            "MultiHeadAttention", query, key, value, "", attention_mask, num_heads=HEADS
        )[0]
        attended = dense(attended, f"{prefix}.attention.output.dense")
        x = add_and_normalise(x, attended, f"{prefix}.attention.output.LayerNorm")
        hidden = graph.contrib("Gelu", dense(x, f"{prefix}.intermediate.dense"))[0]
        x = add_and_normalise(
            x, dense(hidden, f"{prefix}.output.dense"), f"{prefix}.output.LayerNorm"
        )

    weights = graph.op("Cast", attention_mask, to=1)
    column = graph.op("Unsqueeze", weights, graph.constant([2], np.int64))
    axis = graph.constant([1], np.int64)
    total = graph.op("ReduceSum", graph.op("Mul", x, column), axis, keepdims=0)
    return graph.op("Div", total, graph.op("ReduceSum", weights, axis, keepdims=1))
