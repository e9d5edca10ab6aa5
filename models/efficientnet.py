"""EfficientNet-Lite2 as ONNX nodes, from its state dict; batch normalisation folded away.

Source: https://github.com/tensorflow/tpu/tree/master/models/official/efficientnet/lite (width 1.1,
depth 1.2, 260 px, relu6, no squeeze-and-excite, fixed stem and head, TensorFlow's "SAME" padding);
weights and their names as published by ML Illustrated for PyTorch (Apache-2.0).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from models.onnx_graph import GraphWriter

IMAGE_SIDE_PX = 260
BATCH_NORM_EPSILON = 1e-3
# (blocks, kernel, stride of the first block, channels out), one line a stage.
STAGES = (
    (1, 3, 1, 16),
    (3, 3, 2, 24),
    (3, 5, 2, 48),
    (4, 3, 2, 88),
    (4, 5, 1, 120),
    (5, 5, 2, 208),
    (1, 3, 1, 352),
)
HEAD_CHANNELS = 1280

Tensors = Mapping[str, npt.NDArray[Any]]


@dataclass(frozen=True, slots=True)
class FeatureMap:
    """A value of the graph, (n, channels, side, side)."""

    value: str
    channels: int
    side: int


@dataclass(frozen=True, slots=True)
class Backbone:
    """Where the network's features can be read.

    stages: the output of each of the seven stages, linear (no activation).
    head: the last convolution after relu6, 1280 channels.
    """

    stages: tuple[FeatureMap, ...]
    head: FeatureMap


def same_padding(side: int, kernel: int, stride: int) -> tuple[int, int]:
    """TensorFlow's padding before and after one axis: the odd pixel goes after."""
    total = max((-(-side // stride) - 1) * stride + kernel - side, 0)
    return total // 2, total - total // 2


def fold_batch_norm(
    tensors: Tensors, conv: str, norm: str
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    """The weight and bias of one convolution that does both steps' work."""
    variance = tensors[f"{norm}.running_var"].astype(np.float64)
    scale = tensors[f"{norm}.weight"] / np.sqrt(variance + BATCH_NORM_EPSILON)
    weight = tensors[f"{conv}.weight"] * scale[:, None, None, None]
    bias = tensors[f"{norm}.bias"] - tensors[f"{norm}.running_mean"] * scale
    return weight.astype(np.float32), bias.astype(np.float32)


def add_efficientnet_lite2(graph: GraphWriter, tensors: Tensors, pixels_nchw: str) -> Backbone:
    """Adds the network.

    Args:
      pixels_nchw: float32 (n, 3, 260, 260), RGB, (value - 127) / 128.
    """
    zero, six = graph.constant(0.0), graph.constant(6.0)

    def conv(x: FeatureMap, name: str, norm: str, stride: int, activate: bool) -> FeatureMap:
        weight, bias = fold_batch_norm(tensors, name, norm)
        before, after = same_padding(x.side, weight.shape[2], stride)
        value = graph.op(
            "Conv",
            x.value,
            graph.constant(weight),
            graph.constant(bias),
            strides=[stride, stride],
            pads=[before, before, after, after],
            group=x.channels if weight.shape[1] == 1 else 1,
        )
        if activate:
            value = graph.op("Clip", value, zero, six)
        return FeatureMap(value, weight.shape[0], -(-x.side // stride))

    x = conv(FeatureMap(pixels_nchw, 3, IMAGE_SIDE_PX), "_conv_stem", "_bn0", 2, True)
    stages: list[FeatureMap] = []
    block = 0
    for blocks, _kernel, first_stride, _channels in STAGES:
        for index in range(blocks):
            prefix = f"_blocks.{block}"
            stride = first_stride if index == 0 else 1
            y = x
            if f"{prefix}._expand_conv.weight" in tensors:
                y = conv(y, f"{prefix}._expand_conv", f"{prefix}._bn0", 1, True)
            y = conv(y, f"{prefix}._depthwise_conv", f"{prefix}._bn1", stride, True)
            y = conv(y, f"{prefix}._project_conv", f"{prefix}._bn2", 1, False)
            if stride == 1 and x.channels == y.channels:
                y = FeatureMap(graph.op("Add", x.value, y.value), y.channels, y.side)
            x = y
            block += 1
        stages.append(x)
    head = conv(x, "_conv_head", "_bn1", 1, True)
    return Backbone(tuple(stages), head)
