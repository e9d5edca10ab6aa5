"""A tower's tail: the last layers of its ONNX graph, cut where features have been pooled.

Nobody keeps a torch checkpoint for every model, but every served model is an ONNX graph, and its
last layers (the projection of a CLIP tower, the head of lookalike-mini) are few operators on
matrices (n, features). They are cut off here: the body runs on ONNX Runtime as it is served, int8
or not, and its features are kept; the tail is trained and its constants are written back.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import onnx
import onnxruntime as ort
from onnx import TensorProto, helper, numpy_helper

Array = npt.NDArray[Any]
Feeds = Mapping[str, Array]

# Operators that `models.adapt.layers` can run and differentiate.
_ELEMENTWISE: Final = (
    "Abs", "Add", "BiasGelu", "Cast", "Clip", "Concat", "Div", "Erf", "Exp", "FastGelu", "Gelu",
    "Identity", "Max", "Min", "Mul", "Neg", "Pow", "QuickGelu", "Reciprocal", "Relu", "Sigmoid",
    "Softmax", "Sqrt", "Sub", "Tanh",
)  # fmt: skip
_OTHERS: Final = (
    "Expand", "Gather", "Gemm", "LayerNormalization", "LpNormalization", "MatMul", "Pad",
    "ReduceL2", "ReduceMean", "ReduceSum", "Slice",
)  # fmt: skip
SUPPORTED: Final = frozenset(_ELEMENTWISE + _OTHERS)
_TRAINED_IN: Final = frozenset({"Gemm", "MatMul"})
# The second input only repeats the first one's shape.
_SHAPE_ONLY: Final = {"Expand": 1}
_MAX_NODES: Final = 80
_FLOATS: Final = (TensorProto.FLOAT, TensorProto.FLOAT16)


@dataclass(frozen=True, slots=True)
class Step:
    """One operator of the tail; inputs and outputs are names, "" for an input left out."""

    kind: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attributes: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Tail:
    """The last layers.

    features: names of the values at which the graph is cut, with their widths.
    steps: in the order in which they run; the last one makes `output`.
    constants: everything constant that the steps read, float16 widened to float32.
    trained: names of the constants that may be trained: matrices and their biases.
    """

    features: tuple[tuple[str, int], ...]
    steps: tuple[Step, ...]
    constants: Mapping[str, Array]
    trained: tuple[str, ...]
    output: str

    @property
    def trained_numbers(self) -> int:
        """How many numbers may be trained."""
        return sum(self.constants[name].size for name in self.trained)


def find_tail(path: Path, feeds: Feeds) -> Tail | None:
    """The tail of a tower with one output; None where its last layers cannot be trained.

    Args:
      feeds: an input of two rows, to see which values are matrices.
    """
    model = _loaded(path)
    graph = model.graph
    makers = {name: node for node in graph.node for name in node.output if name}
    constants = _constants(graph)
    output = graph.output[0].name
    reached = _reachable(output, makers, constants)
    widths = _widths(model, reached, feeds)
    inside = _inside(output, makers, constants, widths)
    trainable = [n for n in inside if _trained_constants(n, constants)]
    if not trainable:
        return None
    return _cut(output, inside, trainable, constants, widths)


def write_body(path: Path, tail: Tail | None, dimension: int, out: Path) -> None:
    """Writes the tower with its features behind its vector: one output (n, dimension + features).

    So the serving code runs it as it runs any tower.
    """
    model = _loaded(path)
    graph = model.graph
    [old] = graph.output
    features = tail.features if tail else ()
    wide = sum(width for _, width in features)
    inner = _renamed(graph, old.name, "adapt_vector")
    parts = []
    for number, name in enumerate([inner, *(name for name, _ in features)]):
        # Features of an fp16 body are widened; of float32 this is a copy.
        graph.node.append(
            helper.make_node("Cast", [name], [f"adapt_part_{number}"], to=TensorProto.FLOAT)
        )
        parts.append(f"adapt_part_{number}")
    graph.node.append(helper.make_node("Concat", parts, [old.name], axis=1))
    del graph.output[:]
    graph.output.append(
        helper.make_tensor_value_info(old.name, TensorProto.FLOAT, ["n", dimension + wide])
    )
    _save(model, out)


def write_adapted(
    path: Path,
    out: Path,
    matrix: npt.NDArray[np.float32],
    bias: npt.NDArray[np.float32],
    constants: Mapping[str, npt.NDArray[np.float32]],
    tail: Tail | None,
    version: str,
) -> None:
    """Writes the adapted tower: other constants in its tail, then a linear map and length 1.

    Args:
      matrix: (dimension, the tower's dimension); bias: (dimension,).
      constants: the trained ones of the tail, by name.
    """
    model = _loaded(path)
    graph = model.graph
    for name, values in constants.items():
        _replace_constant(graph, name, values, tail)
    [old] = graph.output
    inner = _renamed(graph, old.name, "adapt_vector")
    graph.initializer.append(
        numpy_helper.from_array(np.ascontiguousarray(matrix.T, np.float32), "adapt_matrix")
    )
    graph.initializer.append(numpy_helper.from_array(bias.astype(np.float32), "adapt_bias"))
    graph.node.extend(
        [
            helper.make_node("Cast", [inner], ["adapt_float"], to=TensorProto.FLOAT),
            helper.make_node("Gemm", ["adapt_float", "adapt_matrix", "adapt_bias"], ["adapt_sum"]),
            helper.make_node("LpNormalization", ["adapt_sum"], [old.name], axis=-1, p=2),
        ]
    )
    batch = old.type.tensor_type.shape.dim[0].dim_param or "n"
    del graph.output[:]
    graph.output.append(
        helper.make_tensor_value_info(old.name, TensorProto.FLOAT, [batch, len(bias)])
    )
    properties = {one.key: one.value for one in model.metadata_props}
    helper.set_model_props(model, properties | {"embedding_version": version})
    _save(model, out)


def _loaded(path: Path) -> Any:
    """A tower; what its file keeps in float16 is the float32 here that it works as."""
    model = onnx.load(path)
    graph = model.graph
    halves = {
        one.name: one for one in graph.initializer if one.data_type == onnx.TensorProto.FLOAT16
    }
    for node in list(graph.node):
        if node.op_type == "Cast" and node.input[0] in halves:
            values = numpy_helper.to_array(halves[node.input[0]]).astype(np.float32)
            graph.initializer.append(numpy_helper.from_array(values, node.output[0]))
            graph.node.remove(node)
    still_read = {name for node in graph.node for name in node.input}
    for name, tensor in halves.items():
        if name not in still_read:
            graph.initializer.remove(tensor)
    return model


def _constants(graph: Any) -> dict[str, Array]:
    found = {one.name: numpy_helper.to_array(one) for one in graph.initializer}
    for node in graph.node:
        if node.op_type == "Constant" and node.attribute[0].name == "value":
            found[node.output[0]] = numpy_helper.to_array(node.attribute[0].t)
    return found


def _data_inputs(node: Any, constants: Mapping[str, Array]) -> list[str]:
    shape_only = _SHAPE_ONLY.get(node.op_type)
    return [
        name
        for place, name in enumerate(node.input)
        if name and name not in constants and place != shape_only
    ]


def _reachable(output: str, makers: Mapping[str, Any], constants: Feeds) -> list[str]:
    """Values behind the output through supported operators, the output first."""
    found, waiting, nodes = [output], [output], 0
    while waiting and nodes < _MAX_NODES:
        node = makers.get(waiting.pop(0))
        if node is None or node.op_type not in SUPPORTED:
            continue
        nodes += 1
        for name in _data_inputs(node, constants):
            if name not in found:
                found.append(name)
                waiting.append(name)
    return found


def _widths(model: Any, names: Sequence[str], feeds: Feeds) -> dict[str, int]:
    """The width of each value that is a float matrix (n, width), seen by running the graph."""
    rows = len(next(iter(feeds.values())))
    whole = onnx.ModelProto()
    whole.CopyFrom(model)
    shown = {one.name for one in whole.graph.output} | {one.name for one in whole.graph.input}
    for name in names:
        if name not in shown:
            whole.graph.output.append(onnx.ValueInfoProto(name=name))
    session = ort.InferenceSession(whole.SerializeToString(), providers=["CPUExecutionProvider"])
    wanted = [name for name in names if name in {one.name for one in session.get_outputs()}]
    values = zip(wanted, session.run(wanted, dict(feeds)), strict=True)
    return {
        name: int(value.shape[1])
        for name, value in values
        if value.ndim == 2 and len(value) == rows and value.dtype in (np.float32, np.float16)
    }


def _inside(
    output: str, makers: Mapping[str, Any], constants: Feeds, widths: Mapping[str, int]
) -> list[Any]:
    """The nodes of the tail, in the order in which they run.

    A node is inside if it is supported and everything behind it up to the cut is a matrix, or a
    value of one column made of matrices (lengths, sums).
    """
    ordered: list[Any] = []
    state: dict[str, bool] = {}

    def can(name: str) -> bool:
        """Whether a value is a matrix: computed inside, or cut at."""
        if name not in state:
            state[name] = name in widths
            node = makers.get(name)
            if state[name] and node is not None and node.op_type in SUPPORTED:
                behind = [can(one) for one in _data_inputs(node, constants)]
                if all(behind) and not any(node is one for one in ordered):
                    ordered.append(node)
        return state[name]

    can(output)
    return ordered


def _trained_constants(node: Any, constants: Feeds) -> list[str]:
    if node.op_type not in _TRAINED_IN:
        return []
    found = [
        name
        for name in node.input
        if name in constants and constants[name].dtype in (np.float32, np.float16)
    ]
    return found if any(constants[name].ndim == 2 for name in found) else []


def _cut(
    output: str,
    inside: Sequence[Any],
    trainable: Sequence[Any],
    constants: Feeds,
    widths: Mapping[str, int],
) -> Tail | None:
    """Keeps of the nodes what lies behind the first trained layer, and names the cut."""
    moved = {name for node in trainable for name in node.output}
    tail = []
    for node in inside:
        if any(node is one for one in trainable) or moved & set(_data_inputs(node, constants)):
            moved |= set(node.output)
            tail.append(node)
    made = {name for node in tail for name in node.output}
    if output not in made:
        return None
    cut = dict.fromkeys(
        name for node in tail for name in _data_inputs(node, constants) if name not in made
    )
    # What can be made of other values at the cut (a slice of the features) is made, not kept.
    makers = {name: node for node in inside for name in node.output}
    for name in list(cut):
        node = makers.get(name)
        if node is not None and set(_data_inputs(node, constants)) <= set(cut) - {name}:
            del cut[name]
            tail.insert(0, node)
    if any(name not in widths for name in cut):
        return None
    steps = tuple(
        Step(
            node.op_type,
            # An input that only repeats a shape is left out.
            tuple(
                "" if place == _SHAPE_ONLY.get(node.op_type) else n
                for place, n in enumerate(node.input)
            ),
            tuple(node.output),
            {a.name: helper.get_attribute_value(a) for a in node.attribute},
        )
        for node in tail
    )
    read = {name for step in steps for name in step.inputs if name in constants}
    trained = dict.fromkeys(name for node in tail for name in _trained_constants(node, constants))
    return Tail(
        tuple((name, widths[name]) for name in cut),
        steps,
        {name: _widened(constants[name]) for name in sorted(read)},
        tuple(trained),
        output,
    )


def _widened(values: Array) -> Array:
    return values.astype(np.float32) if values.dtype == np.float16 else values


def _renamed(graph: Any, name: str, new: str) -> str:
    """Gives the value `name` another name, so that an output may take it."""
    for node in graph.node:
        for place, one in enumerate(node.output):
            if one == name:
                node.output[place] = new
        for place, one in enumerate(node.input):
            if one == name:
                node.input[place] = new
    return new


def _replace_constant(
    graph: Any, name: str, values: npt.NDArray[np.float32], tail: Tail | None
) -> None:
    """A constant of the tail's own: others may read the old one."""
    assert tail is not None
    old = next((one for one in graph.initializer if one.name == name), None)
    dtype = numpy_helper.to_array(old).dtype if old is not None else np.float32
    new = f"adapt_{name}"
    graph.initializer.append(numpy_helper.from_array(values.astype(dtype), new))
    outputs = {step.outputs for step in tail.steps}
    for node in graph.node:
        if tuple(node.output) in outputs:
            for place, one in enumerate(node.input):
                if one == name:
                    node.input[place] = new
    if old is not None and not any(name in node.input for node in graph.node):
        graph.initializer.remove(old)


def _save(model: Any, out: Path) -> None:
    onnx.checker.check_model(model)
    partial = out.with_suffix(".partial")
    partial.write_bytes(model.SerializeToString(deterministic=True))
    partial.replace(out)
