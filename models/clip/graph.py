"""The two towers as ONNX nodes.

Written out rather than traced: the fused attention and int8 nodes of ONNX Runtime are used where
they are the faster ones, the linear layers are exchangeable, and the same checkpoint always gives
the same bytes. That the graph is the network is proved at every build against the torch modules
(models/clip/parity.py).
"""

from collections.abc import Mapping
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
from onnx import TensorProto

from models.clip.weights import (
    Activation,
    AttentionPool,
    Block,
    Dense,
    ImageWeights,
    Norm,
    TextWeights,
)
from models.minilm import Linear
from models.onnx_graph import GraphWriter

IMAGE_INPUT = "pixels_rgb"
TEXT_INPUT = "token_ids"
OUTPUT = "embedding"


class Embedding(Protocol):
    """Adds rows of a table; ids int32 (n, tokens)."""

    def __call__(self, graph: GraphWriter, table: npt.NDArray[np.float32], ids: str) -> str: ...


def float_embedding(graph: GraphWriter, table: npt.NDArray[np.float32], ids: str) -> str:
    """In float32."""
    return graph.op("Gather", graph.constant(table), ids)


def int8_embedding(graph: GraphWriter, table: npt.NDArray[np.float32], ids: str) -> str:
    """In int8 with a scale for each row."""
    steps = np.maximum(np.abs(table).max(axis=1, keepdims=True), 1e-12) / 127
    rows = graph.constant(np.rint(table / steps), np.int8)
    values = graph.op("Cast", graph.op("Gather", rows, ids), to=TensorProto.FLOAT)
    return graph.op("Mul", values, graph.op("Gather", graph.constant(steps), ids))


def add_image_tower(
    graph: GraphWriter,
    weights: ImageWeights,
    table: npt.NDArray[np.float32],
    linear: Linear,
) -> str:
    """From the input `pixels_rgb`, uint8 (n, side, side, 3), to float32 (n, dimension) of length 1.

    Args:
      table: (3, 256): what each value of each channel becomes; normalisation, looked up because
        reference processors round it in ways of their own.
    """
    side, patch = weights.side_px, weights.patch_px
    grid, width = side // patch, len(weights.patch.bias)
    pixels = graph.input(IMAGE_INPUT, TensorProto.UINT8, ["n", side, side, 3])
    cut = graph.op("Reshape", pixels, graph.constant([0, grid, patch, grid, patch * 3], np.int64))
    cut = graph.op("Transpose", cut, perm=[0, 1, 3, 2, 4])
    cut = graph.op("Reshape", cut, graph.constant([0, grid * grid, patch * patch * 3], np.int64))
    places = np.tile(np.arange(3, dtype=np.int32) * 256, patch * patch)
    index = graph.op(
        "Add", graph.op("Cast", cut, to=TensorProto.INT32), graph.constant(places, np.int32)
    )
    values = graph.op("Gather", graph.constant(table.reshape(-1)), index)
    x = _dense(graph, linear, values, "patch", weights.patch)
    if weights.has_class_token:
        # An empty row before the patches: what stands there is among the positions.
        x = graph.op("Pad", x, graph.constant([0, 1, 0, 0, 0, 0], np.int64))
    x = graph.op("Add", x, graph.constant(weights.positions))
    if weights.pre_norm:
        x = _norm(graph, x, weights.pre_norm)
    for number, block in enumerate(weights.blocks):
        x = _block(graph, linear, x, f"{number}", block, weights.heads, weights.activation, False)
    if weights.pool is None:
        x = _norm(graph, _row(graph, x, 0), weights.post_norm)
    else:
        x = _norm(graph, x, weights.post_norm)
        x = _pool(graph, linear, x, weights.pool, weights.heads, weights.activation)
    if weights.projection:
        x = _dense(graph, linear, x, "projection", weights.projection)
        width = len(weights.projection.bias)
    x = graph.l2_normalise(x)
    graph.output(x, OUTPUT, ["n", width])
    return x


def add_text_tower(
    graph: GraphWriter, weights: TextWeights, linear: Linear, embedding: Embedding
) -> str:
    """From the input `token_ids`, int32 (n, tokens), to float32 (n, dimension) of length 1."""
    ids = graph.input(TEXT_INPUT, TensorProto.INT32, ["n", "tokens"])
    length = graph.op("Gather", graph.op("Shape", ids), graph.constant([1], np.int64))
    positions = graph.op(
        "Slice", graph.constant(weights.positions), graph.constant([0], np.int64), length
    )
    x = graph.op("Add", embedding(graph, weights.tokens, ids), positions)
    for number, block in enumerate(weights.blocks):
        causal = weights.causal
        x = _block(graph, linear, x, f"{number}", block, weights.heads, weights.activation, causal)
    x = _norm(graph, x, weights.final_norm)
    if weights.pool == "last":
        x = _row(graph, x, -1)
    else:
        marked = ids
        if weights.pool == "end":
            is_end = graph.op("Equal", ids, graph.constant(weights.end_id, np.int32))
            marked = graph.op("Cast", is_end, to=TensorProto.INT32)
        place = graph.op("ArgMax", marked, axis=1, keepdims=1)
        x = graph.op("GatherND", x, place, batch_dims=1)
    x = _dense(graph, linear, x, "projection", weights.projection)
    x = graph.l2_normalise(x)
    graph.output(x, OUTPUT, ["n", len(weights.projection.bias)])
    return x


def _block(
    graph: GraphWriter,
    linear: Linear,
    x: str,
    name: str,
    block: Block,
    heads: int,
    activation: Activation,
    causal: bool,
) -> str:
    width = block.out.weight.shape[0]
    qkv = _dense(graph, linear, _norm(graph, x, block.norm_1), f"{name}.qkv", block.qkv)
    query, key, value = graph.ops("Split", [qkv, graph.constant([width] * 3, np.int64)], 3, axis=2)
    # Set only where it is wanted: older runtimes know no such attribute.
    mask: Mapping[str, Any] = {"unidirectional": 1} if causal else {}
    seen = graph.contrib("MultiHeadAttention", query, key, value, num_heads=heads, **mask)[0]
    x = graph.op("Add", x, _dense(graph, linear, seen, f"{name}.out", block.out))
    hidden = _mlp(graph, linear, _norm(graph, x, block.norm_2), name, block, activation)
    return graph.op("Add", x, hidden)


def _pool(
    graph: GraphWriter,
    linear: Linear,
    x: str,
    pool: AttentionPool,
    heads: int,
    activation: Activation,
) -> str:
    width = len(pool.query)
    key_value = _dense(graph, linear, x, "pool.key_value", pool.key_value)
    key, value = graph.ops("Split", [key_value, graph.constant([width] * 2, np.int64)], 2, axis=2)
    count = graph.op("Gather", graph.op("Shape", x), graph.constant([0], np.int64))
    shape = graph.op("Concat", count, graph.constant([1, width], np.int64), axis=0)
    query = graph.op("Expand", graph.constant(pool.query.reshape(1, 1, width)), shape)
    seen = graph.contrib("MultiHeadAttention", query, key, value, num_heads=heads)[0]
    x = _dense(graph, linear, seen, "pool.out", pool.out)
    hidden = _mlp(graph, linear, _norm(graph, x, pool.norm), "pool", pool, activation)
    return _row(graph, graph.op("Add", x, hidden), 0)


def _mlp(
    graph: GraphWriter,
    linear: Linear,
    x: str,
    name: str,
    part: Block | AttentionPool,
    activation: Activation,
) -> str:
    hidden = _dense(graph, linear, x, f"{name}.up", part.up)
    if activation == "quick_gelu":
        hidden = graph.contrib("QuickGelu", hidden, alpha=1.702)[0]
    elif activation == "gelu_tanh":
        hidden = graph.contrib("FastGelu", hidden)[0]
    else:
        hidden = graph.contrib("Gelu", hidden)[0]
    return _dense(graph, linear, hidden, f"{name}.down", part.down)


def _row(graph: GraphWriter, x: str, number: int) -> str:
    """(n, rows, width) to (n, width)."""
    row = graph.op("Gather", x, graph.constant([number], np.int64), axis=1)
    return graph.op("Squeeze", row, graph.constant([1], np.int64))


def _dense(graph: GraphWriter, linear: Linear, x: str, name: str, layer: Dense) -> str:
    return linear(graph, x, name, layer.weight, layer.bias)


def _norm(graph: GraphWriter, x: str, norm: Norm) -> str:
    return graph.op(
        "LayerNormalization",
        x,
        graph.constant(norm.weight),
        graph.constant(norm.bias),
        axis=-1,
        epsilon=norm.epsilon,
    )
