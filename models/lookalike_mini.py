"""Builds lookalike-mini: two ONNX files, one a tower, from fetched networks and our own heads.

Image tower: RGBA pixels -> EfficientNet-Lite2 pooled over the garment's own pixels, textures of
two of its stages, the garment's silhouette and its colours -> image head (the words' part) and the
same features nearly untouched (the look part) -> unit vector.
Text tower: tokens -> MiniLM, mean pooled -> text head -> unit vector; zero in the look part.
"""

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from onnx import TensorProto

from models.colour import COLOUR_FEATURES, PALETTE_SIZE, add_colour_features
from models.efficientnet import (
    HEAD_CHANNELS,
    IMAGE_SIDE_PX,
    FeatureMap,
    add_efficientnet_lite2,
)
from models.fetch import BuildContext
from models.minilm import WIDTH, Int8Linear, Linear, add_minilm
from models.onnx_graph import GraphWriter
from models.safetensors_file import read_safetensors
from models.torch_checkpoint import read_state_dict

EFFICIENTNET_FILE = "efficientnet-lite2.pth"
MINILM_FILE = "minilm.safetensors"
TOKENIZER_FILE = "tokenizer.json"
HEADS_FILE = "lookalike_mini_v0/heads.safetensors"
RANGES_FILE = "lookalike_mini_v0/minilm_ranges.safetensors"

# Stages (by index) whose textures are read: 48 channels at 33 x 33, 120 channels at 17 x 17.
_TEXTURE_STAGES = ((2, 48), (4, 120))
_SILHOUETTE_SIDE = 9
# Every 4th pixel each way is plenty for a histogram: 4,225 of 67,600.
_COLOUR_STRIDE = 4
# A cell without garment still counts a little, so that an empty mask divides by no zero.
_CELL_FLOOR = 0.02

IMAGE_FEATURES = (
    HEAD_CHANNELS
    + 2 * sum(channels for _, channels in _TEXTURE_STAGES)
    + _SILHOUETTE_SIDE**2
    + COLOUR_FEATURES
)

Tensors = Mapping[str, npt.NDArray[Any]]


def build(context: BuildContext) -> None:
    """The manifest's build step: image.onnx, text.onnx and the tokenizer."""
    heads = read_safetensors(context.package_dir / HEADS_FILE)
    version = context.manifest.version
    efficientnet = context.required["efficientnet-lite2"]
    minilm = context.required["minilm-l6"]
    build_image_tower(
        efficientnet / EFFICIENTNET_FILE, heads, context.folder / "image.onnx", version
    )
    ranges = read_safetensors(context.package_dir / RANGES_FILE)
    build_text_tower(
        minilm / MINILM_FILE, Int8Linear(ranges), heads, context.folder / "text.onnx", version
    )
    shutil.copyfile(minilm / TOKENIZER_FILE, context.folder / TOKENIZER_FILE)


def build_image_tower(weights: Path, heads: Tensors | None, out: Path, version: str) -> None:
    """Writes the image tower; without heads its output is the head's input, for training.

    Input `pixels_rgba`: uint8 (n, 260, 260, 4); alpha 255 on the garment, 0 behind it.
    Output `embedding`: float32 (n, dimension), rows of length 1; or `features` (n, 1775).
    """
    graph = GraphWriter("image")
    side = IMAGE_SIDE_PX
    pixels = graph.input("pixels_rgba", TensorProto.UINT8, ["n", side, side, 4])
    values = graph.op("Cast", pixels, to=TensorProto.FLOAT)
    rgb, alpha = graph.ops("Split", [values, graph.constant([3, 1], np.int64)], 2, axis=3)
    alpha = graph.op("Mul", alpha, graph.constant(1 / 255))
    alpha = graph.op("Squeeze", alpha, graph.constant([3], np.int64))
    normalised = graph.op(
        "Mul", graph.op("Sub", rgb, graph.constant(127.0)), graph.constant(1 / 128)
    )
    nchw = graph.op("Transpose", normalised, perm=[0, 3, 1, 2])
    backbone = add_efficientnet_lite2(graph, read_state_dict(weights), nchw)

    parts = [_pooled(graph, backbone.head, _shares(graph, alpha, backbone.head.side))[0]]
    for index, _channels in _TEXTURE_STAGES:
        stage = backbone.stages[index]
        parts += _pooled(graph, stage, _shares(graph, alpha, stage.side))
    parts.append(_flat(graph, _cells(graph, alpha, _SILHOUETTE_SIDE), _SILHOUETTE_SIDE**2))
    parts.append(_colours(graph, rgb, alpha))
    features = graph.op("Concat", *parts, axis=-1)
    if heads is None:
        graph.output(features, "features", ["n", IMAGE_FEATURES])
    else:
        _add_head(graph, features, heads, "image")
    graph.save(out, {"embedding_version": version})


def build_text_tower(
    weights: Path, linear: Linear, heads: Tensors | None, out: Path, version: str
) -> None:
    """Writes the text tower; without heads its output is MiniLM's mean, for training.

    Inputs `token_ids`, `attention_mask`: int32 (n, tokens).
    Output `embedding`: float32 (n, dimension), rows of length 1; or `features` (n, 384).
    """
    graph = GraphWriter("text")
    ids = graph.input("token_ids", TensorProto.INT32, ["n", "tokens"])
    mask = graph.input("attention_mask", TensorProto.INT32, ["n", "tokens"])
    tensors = read_safetensors(weights)
    pooled = graph.l2_normalise(add_minilm(graph, tensors, ids, mask, linear))
    if heads is None:
        graph.output(pooled, "features", ["n", WIDTH])
    else:
        _add_head(graph, pooled, heads, "text")
    graph.save(out, {"embedding_version": version})


def _add_head(graph: GraphWriter, features: str, heads: Tensors, tower: str) -> None:
    """Standardise, then a straight line plus a bent one: W0 x + W2 gelu(W1 x)."""

    def tensor(name: str) -> str:
        return graph.constant(heads[f"{tower}.{name}"])

    x = graph.op("Mul", graph.op("Sub", features, tensor("mean")), tensor("inverse_deviation"))
    x = graph.op("Clip", x, graph.constant(-5.0), graph.constant(5.0))
    bent = graph.op("Gemm", x, tensor("hidden.weight"), tensor("hidden.bias"), transB=1)
    half = graph.op("Mul", bent, graph.constant(0.5))
    erf = graph.op("Erf", graph.op("Mul", bent, graph.constant(1 / np.sqrt(2.0))))
    gelu = graph.op("Mul", half, graph.op("Add", erf, graph.constant(1.0)))
    total = graph.op(
        "Add",
        graph.op("Gemm", x, tensor("skip.weight"), transB=1),
        graph.op("Gemm", gelu, tensor("out.weight"), tensor("out.bias"), transB=1),
    )
    words = graph.l2_normalise(total)
    axes, words_dimension = heads["image.look.axes.weight"], heads[f"{tower}.out.bias"].shape[0]
    look_dimension = axes.shape[0] + PALETTE_SIZE
    if tower == "text":
        # Texts say nothing of the look: zeros, so that a score of words is a score of words.
        pads = graph.constant([0, 0, 0, look_dimension], np.int64)
        embedding = graph.op("Pad", words, pads)
    else:
        parts = [words, *_look(graph, x, axes)]
        weights = [graph.constant(share) for share in np.sqrt(heads["image.look.shares"])]
        weighted = [graph.op("Mul", p, w) for p, w in zip(parts, weights, strict=True)]
        embedding = graph.op("Concat", *weighted, axis=-1)
    graph.output(embedding, "embedding", ["n", words_dimension + look_dimension])


def _look(graph: GraphWriter, x: str, axes: npt.NDArray[Any]) -> list[str]:
    """The network's features on their strongest axes, and the palette: two of unit length."""

    def columns(start: int, end: int) -> str:
        bounds = [graph.constant([i], np.int64) for i in (start, end, 1)]
        return graph.op("Slice", x, *bounds)

    network = graph.op("Gemm", columns(0, HEAD_CHANNELS), graph.constant(axes), transB=1)
    start = IMAGE_FEATURES - COLOUR_FEATURES
    colours = columns(start, start + PALETTE_SIZE)
    return [graph.l2_normalise(network), graph.l2_normalise(colours)]


def _cells(graph: GraphWriter, alpha: str, side: int) -> str:
    """Share of garment in each cell of a side x side grid: float32 (n, side, side)."""
    rows = graph.constant(_pooling_matrix(side))
    columns = graph.constant(_pooling_matrix(side).T)
    return graph.op("MatMul", graph.op("MatMul", rows, alpha), columns)


def _pooling_matrix(side: int) -> npt.NDArray[np.float64]:
    """(side, 260): each row averages the pixels nearest to one cell of a feature map."""
    pixel = (np.arange(IMAGE_SIDE_PX) + 0.5) / IMAGE_SIDE_PX * side
    matrix = (np.floor(pixel)[None] == np.arange(side)[:, None]).astype(np.float64)
    return np.asarray(matrix / matrix.sum(axis=1, keepdims=True))


def _shares(graph: GraphWriter, alpha: str, side: int) -> str:
    """Weights of a feature map's cells, summing to 1: float32 (n, side * side, 1)."""
    cells = graph.op("Add", _cells(graph, alpha, side), graph.constant(_CELL_FLOOR))
    flat = _flat(graph, cells, side * side)
    total = graph.op("ReduceSum", flat, graph.constant([1], np.int64), keepdims=1)
    return graph.op("Unsqueeze", graph.op("Div", flat, total), graph.constant([2], np.int64))


def _pooled(graph: GraphWriter, maps: FeatureMap, shares: str) -> list[str]:
    """Weighted mean and standard deviation of each channel: two of float32 (n, channels)."""
    shape = graph.constant([0, maps.channels, maps.side**2], np.int64)
    flat = graph.op("Reshape", maps.value, shape)
    axis = graph.constant([2], np.int64)
    mean = graph.op("Squeeze", graph.op("MatMul", flat, shares), axis)
    square = graph.op("MatMul", graph.op("Mul", flat, flat), shares)
    variance = graph.op("Sub", graph.op("Squeeze", square, axis), graph.op("Mul", mean, mean))
    deviation = graph.op("Sqrt", graph.op("Max", variance, graph.constant(1e-6)))
    return [mean, deviation]


def _colours(graph: GraphWriter, rgb: str, alpha: str) -> str:
    side = -(-IMAGE_SIDE_PX // _COLOUR_STRIDE)
    starts = graph.constant([_COLOUR_STRIDE // 2, _COLOUR_STRIDE // 2], np.int64)
    ends = graph.constant([IMAGE_SIDE_PX, IMAGE_SIDE_PX], np.int64)
    axes = graph.constant([1, 2], np.int64)
    steps = graph.constant([_COLOUR_STRIDE, _COLOUR_STRIDE], np.int64)
    few_rgb = graph.op("Slice", rgb, starts, ends, axes, steps)
    few_alpha = graph.op("Slice", alpha, starts, ends, axes, steps)
    flat_rgb = graph.op("Reshape", few_rgb, graph.constant([0, side * side, 3], np.int64))
    weights = graph.op("Add", _flat(graph, few_alpha, side * side), graph.constant(1e-4))
    total = graph.op("ReduceSum", weights, graph.constant([1], np.int64), keepdims=1)
    return add_colour_features(graph, flat_rgb, graph.op("Div", weights, total))


def _flat(graph: GraphWriter, value: str, count: int) -> str:
    return graph.op("Reshape", value, graph.constant([0, count], np.int64))
