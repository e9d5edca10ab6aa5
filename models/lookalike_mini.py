"""lookalike-mini's two towers as ONNX graphs, from the networks' weights and our heads.

Image tower: RGBA pixels -> EfficientNet-Lite2 pooled over the garment's own pixels, textures of
two of its stages, the garment's silhouette and its colours. Of these are made three parts of a
vector: words (an image head trained together with a text head), network (the pooled features on
their strongest axes) and colour (a fine histogram on its strongest axes).
Text tower: tokens -> MiniLM, mean pooled -> text head: the words' part; zero in the others.

What is served is committed (models/lookalike_mini/): `models.train` makes it with these builders.
"""

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from onnx import TensorProto

from models.colour import COLOUR_FEATURES, add_colour_features, add_hsv_histogram
from models.efficientnet import (
    HEAD_CHANNELS,
    IMAGE_SIDE_PX,
    FeatureMap,
    add_efficientnet_lite2,
)
from models.fetch import BuildContext
from models.minilm import WIDTH, Linear, add_minilm
from models.onnx_graph import GraphWriter

EFFICIENTNET_FILE = "efficientnet-lite2.pth"
MINILM_FILE = "minilm.safetensors"
FILES = ("image.onnx", "text.onnx", "tokenizer.json")
SHIPPED = "lookalike_mini"
"""Folder of the towers that are served, relative to ``models/``."""

# Stages (by index) whose textures are read: 48 channels at 33 x 33, 120 channels at 17 x 17.
_TEXTURE_STAGES = ((2, 48), (4, 120))
_SILHOUETTE_SIDE = 9
# Every 4th pixel each way is plenty for the colours' names, every 2nd for the fine histogram.
_COLOUR_STRIDE, HISTOGRAM_STRIDE = 4, 2
# A cell without garment still counts a little, so that an empty mask divides by no zero.
CELL_FLOOR = 0.02

IMAGE_FEATURES = (
    HEAD_CHANNELS
    + 2 * sum(channels for _, channels in _TEXTURE_STAGES)
    + _SILHOUETTE_SIDE**2
    + COLOUR_FEATURES
)
# Stages that training leaves as they were published.
FROZEN_STAGES = 4
FIXED_FEATURES = 2 * _TEXTURE_STAGES[0][1] + _SILHOUETTE_SIDE**2 + COLOUR_FEATURES

Tensors = Mapping[str, npt.NDArray[Any]]


def install(context: BuildContext) -> None:
    """The manifest's build step: the committed towers, copied to where models are served from."""
    for name in FILES:
        shutil.copyfile(context.package_dir / SHIPPED / name, context.folder / name)


def build_image_tower(network: Tensors, heads: Tensors, out: Path, version: str) -> None:
    """Writes the image tower.

    Input `pixels_rgba`: uint8 (n, 260, 260, 4); alpha 255 on the garment, 0 behind it.
    Output `embedding`: float32 (n, dimension), rows of length 1.

    Args:
      network: EfficientNet-Lite2's weights under their published names.
      heads: see models/train/heads.py.
    """
    graph = GraphWriter("image")
    rgb, alpha, nchw = _inputs(graph)
    backbone = add_efficientnet_lite2(graph, network, nchw)
    parts = [_pooled(graph, backbone.head, _shares(graph, alpha, backbone.head.side))[0]]
    for index, _channels in _TEXTURE_STAGES:
        stage = backbone.stages[index]
        parts += _pooled(graph, stage, _shares(graph, alpha, stage.side))
    parts.append(_flat(graph, _cells(graph, alpha, _SILHOUETTE_SIDE), _SILHOUETTE_SIDE**2))
    parts.append(_colours(graph, rgb, alpha))
    features = _standardised(graph, graph.op("Concat", *parts, axis=-1), heads, "image")
    joined = graph.op(
        "Concat",
        *_weighted(
            graph,
            heads,
            words=_head(graph, features, heads, "image"),
            network=_network_part(graph, features, heads),
            colour=_colour_part(graph, rgb, alpha, heads),
        ),
        axis=-1,
    )
    # The order in which a prefix of the vector is a vector too.
    order = heads["image.order"].astype(np.int64)
    embedding = graph.op("Gather", joined, graph.constant(order, np.int64), axis=1)
    graph.output(embedding, "embedding", ["n", len(order)])
    graph.save(out, {"embedding_version": version}, half=True)


def build_text_tower(
    network: Tensors, linear: Linear, heads: Tensors, out: Path, version: str
) -> None:
    """Writes the text tower.

    Inputs `token_ids`, `attention_mask`: int32 (n, tokens).
    Output `embedding`: float32 (n, dimension), rows of length 1.
    """
    graph = GraphWriter("text")
    ids = graph.input("token_ids", TensorProto.INT32, ["n", "tokens"])
    mask = graph.input("attention_mask", TensorProto.INT32, ["n", "tokens"])
    pooled = graph.l2_normalise(add_minilm(graph, network, ids, mask, linear))
    words = _head(graph, _standardised(graph, pooled, heads, "text"), heads, "text")
    # Texts say nothing of the look: zeros, so that a score of words is a score of words. The
    # words' part comes first in the order, whole.
    dimension = len(heads["image.order"])
    rest = dimension - heads["text.out.bias"].shape[0]
    embedding = graph.op("Pad", words, graph.constant([0, 0, 0, rest], np.int64))
    graph.output(embedding, "embedding", ["n", dimension])
    graph.save(out, {"embedding_version": version}, half=True)


def build_text_features(network: Tensors, linear: Linear, out: Path) -> None:
    """Writes MiniLM alone: its mean-pooled vectors `features` (n, 384), for training."""
    graph = GraphWriter("text")
    ids = graph.input("token_ids", TensorProto.INT32, ["n", "tokens"])
    mask = graph.input("attention_mask", TensorProto.INT32, ["n", "tokens"])
    pooled = graph.l2_normalise(add_minilm(graph, network, ids, mask, linear))
    graph.output(pooled, "features", ["n", WIDTH])
    graph.save(out, {})


def build_front(network: Tensors, out: Path) -> None:
    """Writes the part of the image tower that training leaves as it is, for training.

    Outputs: `maps` float32 (n, 88, 17, 17), what the trained stages read; `fixed` (n, 255), the
    features that need none of them; `cells_17` and `cells_9` (n, side, side), the garment's share
    of each cell of their maps.
    """
    graph = GraphWriter("front")
    rgb, alpha, nchw = _inputs(graph)
    backbone = add_efficientnet_lite2(graph, network, nchw)
    maps, texture = backbone.stages[FROZEN_STAGES - 1], backbone.stages[_TEXTURE_STAGES[0][0]]
    fixed = [
        *_pooled(graph, texture, _shares(graph, alpha, texture.side)),
        _flat(graph, _cells(graph, alpha, _SILHOUETTE_SIDE), _SILHOUETTE_SIDE**2),
        _colours(graph, rgb, alpha),
    ]
    graph.output(maps.value, "maps", ["n", maps.channels, maps.side, maps.side])
    graph.output(graph.op("Concat", *fixed, axis=-1), "fixed", ["n", FIXED_FEATURES])
    for side in (17, 9):
        graph.output(_cells(graph, alpha, side), f"cells_{side}", ["n", side, side])
    graph.save(out, {})


def _inputs(graph: GraphWriter) -> tuple[str, str, str]:
    """Colours (n, 260, 260, 3) 0..255, alpha (n, 260, 260) 0..1, and what the network reads."""
    side = IMAGE_SIDE_PX
    pixels = graph.input("pixels_rgba", TensorProto.UINT8, ["n", side, side, 4])
    values = graph.op("Cast", pixels, to=TensorProto.FLOAT)
    rgb, alpha = graph.ops("Split", [values, graph.constant([3, 1], np.int64)], 2, axis=3)
    alpha = graph.op("Mul", alpha, graph.constant(1 / 255))
    alpha = graph.op("Squeeze", alpha, graph.constant([3], np.int64))
    normalised = graph.op(
        "Mul", graph.op("Sub", rgb, graph.constant(127.0)), graph.constant(1 / 128)
    )
    return rgb, alpha, graph.op("Transpose", normalised, perm=[0, 3, 1, 2])


def _standardised(graph: GraphWriter, features: str, heads: Tensors, tower: str) -> str:
    mean, inverse = heads[f"{tower}.mean"], heads[f"{tower}.inverse_deviation"]
    centred = graph.op("Sub", features, graph.constant(mean))
    scaled = graph.op("Mul", centred, graph.constant(inverse))
    return graph.op("Clip", scaled, graph.constant(-5.0), graph.constant(5.0))


def _head(graph: GraphWriter, x: str, heads: Tensors, tower: str) -> str:
    """A straight line plus a bent one, W0 x + W2 gelu(W1 x), of length 1."""

    def tensor(name: str) -> str:
        return graph.constant(heads[f"{tower}.{name}"])

    bent = graph.op("Gemm", x, tensor("hidden.weight"), tensor("hidden.bias"), transB=1)
    half = graph.op("Mul", bent, graph.constant(0.5))
    erf = graph.op("Erf", graph.op("Mul", bent, graph.constant(1 / np.sqrt(2.0))))
    gelu = graph.op("Mul", half, graph.op("Add", erf, graph.constant(1.0)))
    straight = graph.op("Gemm", x, tensor("skip.weight"), transB=1)
    bent = graph.op("Gemm", gelu, tensor("out.weight"), tensor("out.bias"), transB=1)
    return graph.l2_normalise(graph.op("Add", straight, bent))


def _network_part(graph: GraphWriter, x: str, heads: Tensors) -> str:
    bounds = [graph.constant([i], np.int64) for i in (0, HEAD_CHANNELS, 1)]
    pooled = graph.op("Slice", x, *bounds)
    axes = graph.constant(heads["image.network.axes"])
    return graph.l2_normalise(graph.op("Gemm", pooled, axes, transB=1))


def _colour_part(graph: GraphWriter, rgb: str, alpha: str, heads: Tensors) -> str:
    flat_rgb, flat_alpha = _strided(graph, rgb, alpha, HISTOGRAM_STRIDE)
    # A pixel counts or does not: its colour along the outline is half another's.
    inside = graph.op("GreaterOrEqual", flat_alpha, graph.constant(0.5))
    histogram = add_hsv_histogram(graph, flat_rgb, graph.op("Cast", inside, to=TensorProto.FLOAT))
    centred = graph.op("Sub", histogram, graph.constant(heads["image.colour.mean"]))
    axes = graph.constant(heads["image.colour.axes"])
    return graph.l2_normalise(graph.op("Gemm", centred, axes, transB=1))


def _weighted(graph: GraphWriter, heads: Tensors, **parts: str) -> list[str]:
    """Each part times the root of its share of the vector's squared length."""
    return [
        graph.op("Mul", value, graph.constant(np.sqrt(heads[f"image.{name}.share"])))
        for name, value in parts.items()
    ]


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
    cells = graph.op("Add", _cells(graph, alpha, side), graph.constant(CELL_FLOOR))
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
    flat_rgb, flat_alpha = _strided(graph, rgb, alpha, _COLOUR_STRIDE)
    weights = graph.op("Add", flat_alpha, graph.constant(1e-4))
    total = graph.op("ReduceSum", weights, graph.constant([1], np.int64), keepdims=1)
    return add_colour_features(graph, flat_rgb, graph.op("Div", weights, total))


def _strided(graph: GraphWriter, rgb: str, alpha: str, stride: int) -> tuple[str, str]:
    """Every so many pixels each way: (n, p, 3) and (n, p)."""
    side = len(range(stride // 2, IMAGE_SIDE_PX, stride))
    starts = graph.constant([stride // 2, stride // 2], np.int64)
    ends = graph.constant([IMAGE_SIDE_PX, IMAGE_SIDE_PX], np.int64)
    axes = graph.constant([1, 2], np.int64)
    steps = graph.constant([stride, stride], np.int64)
    few_rgb = graph.op("Slice", rgb, starts, ends, axes, steps)
    few_alpha = graph.op("Slice", alpha, starts, ends, axes, steps)
    shape = graph.constant([0, side * side, 3], np.int64)
    return graph.op("Reshape", few_rgb, shape), _flat(graph, few_alpha, side * side)


def _flat(graph: GraphWriter, value: str, count: int) -> str:
    return graph.op("Reshape", value, graph.constant([0, count], np.int64))
