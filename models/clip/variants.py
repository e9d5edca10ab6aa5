"""The same two towers in float32, float16 and int8.

int8 keeps the promise that a vector never depends on its neighbours: activations are quantised
with scales that are constants of the graph, fitted beforehand (docs/decisions/0034). Layers whose
inputs quantise badly stay in float, as few as the parity allows: a ladder is tried from the
fastest step to the most careful.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnx
import onnxruntime as ort
from onnxruntime.transformers.float16 import convert_float_to_float16

from models.clip.graph import Embedding, float_embedding, int8_embedding
from models.minilm import Int8Linear, Linear, RecordingLinear, float_linear
from models.onnx_graph import GraphWriter

LADDER: tuple[tuple[str, ...], ...] = ((), ("down",), ("down", "out", "patch", "projection"))
"""Which linear layers stay in float, by the end of their names."""

AddTower = Callable[[GraphWriter, Linear, Embedding], str]
Batch = dict[str, npt.NDArray[np.generic]]
Ranges = dict[str, npt.NDArray[np.float32]]


@dataclass(frozen=True, slots=True)
class Tower:
    """A tower that can be written in any variant.

    add: writes its graph with the given linear layers and table of embeddings.
    """

    name: str
    add: AddTower


def write_fp32(tower: Tower, path: Path, metadata: dict[str, str]) -> None:
    """Writes the tower in float32."""
    graph = GraphWriter(tower.name)
    tower.add(graph, float_linear, float_embedding)
    graph.save(path, metadata)


def write_fp16(tower: Tower, path: Path, metadata: dict[str, str]) -> None:
    """Writes the tower in float16; what goes in and what comes out is as in float32."""
    write_fp32(tower, path, metadata)
    # Normalising sums squares: in float16 they would leave its range.
    kept = ["LpNormalization", "LayerNormalization", "ArgMax", "Equal"]
    model = onnx.load(path)
    known = {value.name for value in (*model.graph.value_info, *model.graph.output)}
    for number, node in enumerate(model.graph.node):
        # The converter names its casts after their nodes, and of ONNX Runtime's own nodes it does
        # not know what they give: that is told, or their readers would miss a cast.
        node.name = f"{node.op_type}_{number}"
        for output in node.output if node.domain else ():
            if output not in known:
                told = onnx.helper.make_tensor_value_info(output, onnx.TensorProto.FLOAT, None)
                model.graph.value_info.append(told)
    model = convert_float_to_float16(model, keep_io_types=True, op_block_list=kept)
    path.write_bytes(model.SerializeToString(deterministic=True))


def write_int8(
    tower: Tower, ranges: Ranges, floats: Sequence[str], path: Path, metadata: dict[str, str]
) -> None:
    """Writes the tower in int8; layers whose names end as one of `floats` stay in float."""
    quantised = Int8Linear(ranges)

    def linear(
        graph: GraphWriter,
        x: str,
        name: str,
        weight: npt.NDArray[np.float32],
        bias: npt.NDArray[np.float32],
    ) -> str:
        kept = name.split(".")[-1] in floats
        return (float_linear if kept else quantised)(graph, x, name, weight, bias)

    graph = GraphWriter(tower.name)
    tower.add(graph, linear, int8_embedding)
    graph.save(path, metadata)


def measure_ranges(tower: Tower, batches: Iterable[Batch], scratch: Path) -> Ranges:
    """The extremes of every channel that goes into a linear layer, over the batches.

    Returns:
      `<layer>.low` and `<layer>.high`, float32 (in,).
    """
    graph, recorder = GraphWriter(tower.name), RecordingLinear()
    tower.add(graph, recorder, float_embedding)
    for name, x in recorder.inputs.items():
        width = recorder.widths[name]
        flat = graph.op("Reshape", x, graph.constant([-1, width], np.int64))
        for end, kind in (("low", "ReduceMin"), ("high", "ReduceMax")):
            graph.output(graph.op(kind, flat, axes=[0], keepdims=0), f"{name}.{end}", [width])
    path = scratch / f"{tower.name}-ranges.onnx"
    graph.save(path, {})
    session = ort.InferenceSession(path, providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()][1:]
    ranges: Ranges = {}
    for batch in batches:
        for name, found in zip(names, session.run(names, batch), strict=True):
            wider = np.minimum if name.endswith(".low") else np.maximum
            ranges[name] = wider(ranges[name], found) if name in ranges else found
    path.unlink()
    return ranges
