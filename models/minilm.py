"""all-MiniLM-L6-v2 (BERT, 6 layers, 384 wide) as ONNX nodes, from its safetensors file.

ONNX Runtime's fused transformer nodes are written directly: one node for each attention and each
"add and normalise", on the CPU and on CUDA. Weights stay float32: int8 activations would take their
scale from the whole batch, and a text's vector would then depend on its neighbours.

Source: https://huggingface.co/sentence-transformers/all-MiniLM-L6-v2 (Apache-2.0).
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from models.onnx_graph import GraphWriter

WIDTH = 384
HEADS = 12
LAYERS = 6
LAYER_NORM_EPSILON = 1e-12

Tensors = Mapping[str, npt.NDArray[Any]]


def add_minilm(graph: GraphWriter, tensors: Tensors, token_ids: str, attention_mask: str) -> str:
    """Adds the encoder with its mean pooling; not yet normalised.

    Args:
      token_ids: int32 (n, tokens).
      attention_mask: int32 (n, tokens), 1 for a token, 0 for padding.

    Returns:
      float32 (n, 384): the mean over the tokens of the last layer.
    """

    def constant(name: str) -> str:
        return graph.constant(tensors[name])

    def linear(x: str, name: str) -> str:
        # MatMul and no bias: the fused node that follows adds it.
        return graph.op("MatMul", x, graph.constant(tensors[f"{name}.weight"].T))

    # Every token is of segment 0: its embedding joins the position's.
    positions = (
        tensors["embeddings.position_embeddings.weight"]
        + tensors["embeddings.token_type_embeddings.weight"][0]
    )
    x = graph.contrib(
        "EmbedLayerNormalization",
        token_ids,
        "",
        constant("embeddings.word_embeddings.weight"),
        graph.constant(positions),
        "",
        constant("embeddings.LayerNorm.weight"),
        constant("embeddings.LayerNorm.bias"),
        outputs=2,
        epsilon=LAYER_NORM_EPSILON,
    )[0]
    for layer in range(LAYERS):
        prefix = f"encoder.layer.{layer}"
        parts = [f"{prefix}.attention.self.{part}" for part in ("query", "key", "value")]
        attended = graph.contrib(
            "Attention",
            x,
            graph.constant(np.concatenate([tensors[f"{p}.weight"].T for p in parts], axis=1)),
            graph.constant(np.concatenate([tensors[f"{p}.bias"] for p in parts])),
            attention_mask,
            num_heads=HEADS,
        )[0]

        def add_and_normalise(skip: str, y: str, name: str, prefix: str = prefix) -> str:
            return graph.contrib(
                "SkipLayerNormalization",
                skip,
                y,
                constant(f"{prefix}.{name}.LayerNorm.weight"),
                constant(f"{prefix}.{name}.LayerNorm.bias"),
                constant(f"{prefix}.{name}.dense.bias"),
                epsilon=LAYER_NORM_EPSILON,
            )[0]

        x = add_and_normalise(
            x, linear(attended, f"{prefix}.attention.output.dense"), "attention.output"
        )
        hidden = graph.contrib(
            "BiasGelu",
            linear(x, f"{prefix}.intermediate.dense"),
            constant(f"{prefix}.intermediate.dense.bias"),
        )[0]
        x = add_and_normalise(x, linear(hidden, f"{prefix}.output.dense"), "output")

    weights = graph.op("Cast", attention_mask, to=1)
    column = graph.op("Unsqueeze", weights, graph.constant([2], np.int64))
    axis = graph.constant([1], np.int64)
    total = graph.op("ReduceSum", graph.op("Mul", x, column), axis, keepdims=0)
    return graph.op("Div", total, graph.op("ReduceSum", weights, axis, keepdims=1))
