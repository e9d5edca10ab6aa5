"""Build step of ``u2net-cloth-int8``: fp32 graph and committed ranges to a static int8 graph.

Quantise-dequantise form: uint8 activations with one scale per tensor, int8 weights with one
scale per output channel, int32 biases. ONNX Runtime fuses the pairs into integer kernels, which
on CPUs with VNNI or AMX run several times faster than floats. Scales are constants of the graph:
nothing is measured at run time, so an image's result cannot depend on its batch.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import numpy_helper

from models.fetch import BuildContext

Array = npt.NDArray[Any]
CALIBRATION_FILE = "calibration/u2net-cloth-int8.json"
"""Relative to ``models/``; written by ``models.calibrate_u2net``."""
_SAME_SCALE = ("MaxPool", "Resize", "Concat")
"""Their values are those of their inputs or between them: with one scale for all they work on the
integers as they are."""
LEAST_SHARE_OF_SPAN = 0.6
"""A tensor takes the wider scale of the concatenation it goes into only if its own span is at least
this part of it; a narrower one is rescaled there, which costs time but keeps its other readers'
precision."""
INPUT_CHANNEL_MULTIPLE = 4
LEAST_OUTPUT_CHANNELS = 16
"""Narrower convolutions are padded with zeros: the integer kernels fall off a cliff below these.
Measured at 768 px: 3 input channels 67 ms, 4: 15 ms; 4 output channels 144 ms, 16: 40 ms."""


@dataclass(frozen=True, slots=True)
class Scale:
    """real = (quantised - zero_point) * step, quantised in 0..255."""

    step: float
    zero_point: int


def scale_of(low: float, high: float) -> Scale:
    """The uint8 scale over [low, high], widened so that 0 is exact (convolutions pad with it)."""
    low, high = min(low, 0.0), max(high, 0.0)
    step = float(np.float32((high - low) / 255.0)) or 1.0
    return Scale(step, int(np.clip(round(-low / step), 0, 255)))


def ranged_tensors(model: onnx.ModelProto) -> list[str]:
    """The activations whose ranges the quantisation needs, in graph order."""
    graph = model.graph
    consumers = _consumers(graph.node)
    ranged = [graph.input[0].name]
    for node in graph.node:
        if node.op_type in _SAME_SCALE or _is_fused(node, consumers):
            continue
        if node.output[0] != graph.output[0].name:
            ranged.append(node.output[0])
    return ranged


def quantise(model: onnx.ModelProto, ranges: Mapping[str, tuple[float, float]]) -> onnx.ModelProto:
    """The graph with every Conv, Concat, Add, MaxPool and Resize in int8; its input and its scores
    stay float32.

    Raises:
      KeyError: a tensor without a range.
    """
    return _Quantiser(model, ranges).run()


def build(context: BuildContext) -> None:
    """Writes ``model.onnx``.

    Raises:
      ValueError: the ranges were measured on another graph.
    """
    calibration = json.loads((context.package_dir / CALIBRATION_FILE).read_bytes())
    model = onnx.load(context.required["u2net-cloth"] / "model.onnx")
    ranges = {name: (low, high) for name, (low, high) in calibration["ranges"].items()}
    if list(ranges) != ranged_tensors(model):
        raise ValueError("the calibration file belongs to another graph; calibrate again")
    onnx.save(quantise(model, ranges), context.folder / "model.onnx")


class _Quantiser:
    def __init__(self, model: onnx.ModelProto, ranges: Mapping[str, tuple[float, float]]) -> None:
        self._model = model
        self._weights = {t.name: numpy_helper.to_array(t) for t in model.graph.initializer}
        self._consumers = _consumers(model.graph.node)
        self._scales = _scales(model, ranges)
        self._nodes: list[onnx.NodeProto] = []
        self._initializers: dict[str, onnx.TensorProto] = {}
        self._quantised: dict[str, str] = {}
        self._dequantised: set[str] = set()

    def run(self) -> onnx.ModelProto:
        graph = self._model.graph
        for node in graph.node:
            if node.op_type == "Conv":
                self._conv(node)
            elif node.op_type in _SAME_SCALE and self._is_same_scale(node):
                # Straight on the integers: as a float operation between a pair, ONNX Runtime
                # would not fuse it.
                constants = [self._constant_input(name) for name in node.input[1:]]
                pixels = [self._quantise(name) for name in node.input if name in self._scales]
                scale_inputs = constants if node.op_type == "Resize" else []
                result = f"{node.output[0]}:q"
                self._copy(node, [*pixels, *scale_inputs], result)
                self._quantised[node.output[0]] = result
            elif node.op_type == "Relu":
                self._copy(node, list(node.input), node.output[0])
            else:
                self._copy(node, [self._dequantise(name) for name in node.input], node.output[0])
        quantised = onnx.helper.make_model(
            onnx.helper.make_graph(
                self._nodes,
                graph.name,
                list(graph.input),
                list(graph.output),
                initializer=list(self._initializers.values()),
            ),
            opset_imports=list(self._model.opset_import),
            ir_version=self._model.ir_version,
            producer_name="lookalike",
        )
        onnx.checker.check_model(quantised)
        return quantised

    def _is_same_scale(self, node: onnx.NodeProto) -> bool:
        inputs = {self._scales[name] for name in node.input if name in self._scales}
        return inputs == {self._scales[node.output[0]]}

    def _conv(self, node: onnx.NodeProto) -> None:
        pixels, weight_name, bias_name = node.input
        weight, bias = self._weights[weight_name], self._weights[bias_name]
        quantised = self._quantise(pixels)
        channels_out, channels_in = weight.shape[:2]
        pad_in = -channels_in % INPUT_CHANNEL_MULTIPLE
        pad_out = max(0, LEAST_OUTPUT_CHANNELS - channels_out)
        if node.output[0] == self._model.graph.output[0].name:
            pad_out = 0
        if pad_in:
            self._constant("pad_channels", np.array([0, 0, 0, 0, 0, pad_in, 0, 0], np.int64))
            self._add("Pad", [quantised, "pad_channels"], f"{pixels}:padded:q")
            quantised = f"{pixels}:padded:q"
        widths = ((0, pad_out), (0, pad_in), (0, 0), (0, 0))
        weight, bias = np.pad(weight, widths), np.pad(bias, (0, pad_out))
        inputs = [self._dequantise_as(quantised, pixels)]
        inputs += self._conv_constants(node, weight, bias, self._scales[pixels])
        if not pad_out:
            self._copy(node, inputs, node.output[0])
            return
        wide, result = f"{node.output[0]}:wide", f"{node.output[0]}:q"
        self._copy(node, inputs, wide)
        self._scales[wide] = self._scales[node.output[0]]
        for name, value in (("first", 0), ("last", channels_out), ("channels", 1)):
            self._constant(f"{result}:{name}", np.array([value], np.int64))
        bounds = [f"{result}:{name}" for name in ("first", "last", "channels")]
        self._add("Slice", [self._quantise(wide), *bounds], result)
        self._quantised[node.output[0]] = result

    def _conv_constants(
        self, node: onnx.NodeProto, weight: Array, bias: Array, source: Scale
    ) -> list[str]:
        """Names of the dequantised weight and bias."""
        weight_name, bias_name = node.input[1], node.input[2]
        steps = np.abs(weight).max(axis=(1, 2, 3)).astype(np.float32) / np.float32(127)
        steps[steps == 0] = 1
        bias_steps = (steps * np.float32(source.step)).astype(np.float32)
        integers = np.rint(weight / steps.reshape(-1, 1, 1, 1)).clip(-127, 127).astype(np.int8)
        biases = np.rint(bias.astype(np.float64) / bias_steps).clip(-(2**31), 2**31 - 1)
        names = []
        for name, values, scales in (
            (weight_name, integers, steps),
            (bias_name, biases.astype(np.int32), bias_steps),
        ):
            parts = [f"{name}:q", f"{name}:step", f"{name}:zero"]
            self._constant(parts[0], values)
            self._constant(parts[1], scales)
            self._constant(parts[2], np.zeros(len(scales), values.dtype))
            self._add("DequantizeLinear", parts, f"{name}:dq", axis=0)
            names.append(f"{name}:dq")
        return names

    def _quantise(self, name: str) -> str:
        """The name of the tensor as integers."""
        if name not in self._quantised:
            self._add("QuantizeLinear", [name, *self._scale_constants(name)], f"{name}:q")
            self._quantised[name] = f"{name}:q"
        return self._quantised[name]

    def _dequantise(self, name: str) -> str:
        """The name of the tensor as floats that the integers can say."""
        return self._dequantise_as(self._quantise(name), name)

    def _dequantise_as(self, integers: str, scaled_like: str) -> str:
        result = f"{integers.removesuffix(':q')}:dq"
        if result not in self._dequantised:
            self._dequantised.add(result)
            parts = [integers, *self._scale_constants(scaled_like)]
            self._add("DequantizeLinear", parts, result)
        return result

    def _scale_constants(self, name: str) -> list[str]:
        self._constant(f"{name}:step", np.float32(self._scales[name].step))
        self._constant(f"{name}:zero", np.uint8(self._scales[name].zero_point))
        return [f"{name}:step", f"{name}:zero"]

    def _constant_input(self, name: str) -> str:
        if name in self._weights:
            self._constant(name, self._weights[name])
        return name

    def _copy(self, node: onnx.NodeProto, inputs: list[str], output: str) -> None:
        copied = onnx.NodeProto()
        copied.CopyFrom(node)
        del copied.input[:], copied.output[:]
        copied.input.extend(inputs)
        copied.output.append(output)
        self._nodes.append(copied)

    def _add(self, op: str, inputs: list[str], output: str, **attributes: Any) -> None:
        self._nodes.append(onnx.helper.make_node(op, inputs, [output], name=output, **attributes))

    def _constant(self, name: str, values: Array | np.generic) -> None:
        self._initializers[name] = numpy_helper.from_array(np.asarray(values), name)


def _scales(model: onnx.ModelProto, ranges: Mapping[str, tuple[float, float]]) -> dict[str, Scale]:
    """The scale of every activation. Pooled and upsampled tensors keep their input's; the inputs of
    a concatenation take its own unless that would cost them too much precision."""
    leader: dict[str, str] = {}

    def find(name: str) -> str:
        while leader.setdefault(name, name) != name:
            name = leader[name]
        return name

    pixels = {model.graph.input[0].name}
    for node in model.graph.node:
        pixels.update(node.output)
        if node.op_type in ("MaxPool", "Resize"):
            leader[find(node.input[0])] = find(node.output[0])
    widest: dict[str, tuple[float, float]] = {}

    def widen(name: str, low: float, high: float) -> None:
        known = widest.get(name, (low, high))
        widest[name] = (min(low, known[0]), max(high, known[1]))

    for name, (low, high) in ranges.items():
        widen(find(name), low, high)
    for node in model.graph.node:
        if node.op_type != "Concat":
            continue
        groups = {find(name) for name in node.input}
        own = find(node.output[0])
        for group in groups:
            widen(own, *widest[group])
        span = widest[own][1] - widest[own][0]
        for group in groups:
            if (widest[group][1] - widest[group][0]) >= LEAST_SHARE_OF_SPAN * span:
                leader[find(group)] = find(own)
                widen(find(own), *widest[group])
    return {name: scale_of(*widest[find(name)]) for name in pixels if find(name) in widest}


def _consumers(nodes: Iterable[onnx.NodeProto]) -> dict[str, list[onnx.NodeProto]]:
    consumers: dict[str, list[onnx.NodeProto]] = {}
    for node in nodes:
        for name in node.input:
            consumers.setdefault(name, []).append(node)
    return consumers


def _is_fused(node: onnx.NodeProto, consumers: Mapping[str, list[onnx.NodeProto]]) -> bool:
    """Whether the node is a Conv whose only reader is a Relu: the pair is one kernel, and the
    value between them is never stored."""
    readers = consumers.get(node.output[0], [])
    return node.op_type == "Conv" and [reader.op_type for reader in readers] == ["Relu"]
