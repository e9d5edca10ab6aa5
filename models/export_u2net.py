"""Build steps that turn published U-2-Net graphs into the ones that are served.

Both published files (the cloth network and the light salient one) were traced by PyTorch at a
fixed size. They carry six side outputs that only training looks at, and some seven hundred nodes
of shape arithmetic that computes the target size of each upsampling. At sides that are multiples
of 32 every one of those targets is its input times a power of two, so constant scales say the
same: what remains is Conv, Relu, MaxPool, Resize, Concat, Add, at any such height and width.
"""

from collections.abc import Iterable
from pathlib import Path

import onnx
from onnx import numpy_helper

from models.fetch import BuildContext

SIDE_MULTIPLE_PX = 32
"""Heights and widths that the exported graphs take are multiples of this."""
OPSET = 17
INPUT_NAME = "pixels_nchw"


def export_cloth(context: BuildContext) -> None:
    """``published.onnx`` to ``model.onnx``: (n, 3, h, w) to class logits (n, 4, h, w)."""
    _export(context.folder / "published.onnx", context.folder / "model.onnx", "scores_nchw")


def export_salient(context: BuildContext) -> None:
    """``published.onnx`` to ``model.onnx``: (n, 3, h, w) to a probability map (n, 1, h, w)."""
    _export(context.folder / "published.onnx", context.folder / "model.onnx", "saliency_nchw")


def _export(published: Path, target: Path, output_name: str) -> None:
    model = onnx.load(published)
    graph = model.graph
    output, source = graph.output[0].name, graph.input[0].name
    needed = _ancestors(graph.node, output)
    heights = _heights(model)
    nodes = []
    scales: dict[int, str] = {}
    for node in graph.node:
        # Whatever has no height is arithmetic on shapes.
        if node.output[0] not in needed or node.output[0] not in heights:
            continue
        kept = onnx.NodeProto()
        kept.CopyFrom(node)
        if node.op_type == "Resize":
            factor = heights[node.output[0]] // heights[node.input[0]]
            scales.setdefault(factor, f"scale_{factor}")
            kept.ClearField("input")
            kept.input.extend([node.input[0], "", scales[factor]])
        if node.op_type == "MaxPool":
            # Even sides: rounding up never happens, and plain pooling has more kernels.
            for attribute in kept.attribute:
                if attribute.name == "ceil_mode":
                    attribute.i = 0
        for names in (kept.input, kept.output):
            for position, name in enumerate(names):
                names[position] = {source: INPUT_NAME, output: output_name}.get(name, name)
        nodes.append(kept)
    used = {name for node in nodes for name in node.input}
    weights = [tensor for tensor in graph.initializer if tensor.name in used]
    for factor, name in sorted(scales.items()):
        weights.append(onnx.helper.make_tensor(name, 1, [4], [1.0, 1.0, factor, factor]))
    _check_is_whole(nodes, [tensor.name for tensor in weights], output_name)
    channels = graph.output[0].type.tensor_type.shape.dim[1].dim_value
    exported = onnx.helper.make_model(
        onnx.helper.make_graph(
            nodes,
            graph.name,
            [_images(INPUT_NAME, 3)],
            [_images(output_name, channels)],
            initializer=weights,
        ),
        opset_imports=[onnx.helper.make_opsetid("", OPSET)],
        ir_version=8,
        producer_name="lookalike",
    )
    onnx.checker.check_model(exported)
    onnx.save(exported, target)


def _images(name: str, channels: int) -> onnx.ValueInfoProto:
    shape: list[str | int | None] = ["batch", channels, "height", "width"]
    return onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, shape)


def _ancestors(nodes: Iterable[onnx.NodeProto], output: str) -> set[str]:
    """Every tensor that the output depends on; the nodes come in topological order."""
    wanted = {output}
    for node in reversed(list(nodes)):
        if wanted.intersection(node.output):
            wanted.update(node.input)
    return wanted


def _heights(model: onnx.ModelProto) -> dict[str, int]:
    """Height of every (n, c, h, w) tensor at the side at which the graph was traced."""
    side = model.graph.input[0].type.tensor_type.shape.dim[2].dim_value
    heights = {model.graph.input[0].name: side}
    constants = {
        node.output[0]: numpy_helper.to_array(node.attribute[0].t)
        for node in model.graph.node
        if node.op_type == "Constant"
    }
    shape_of: dict[str, str] = {}
    for node in model.graph.node:
        first = node.input[0] if node.input else ""
        if node.op_type == "Shape":
            shape_of[node.output[0]] = first
        elif node.op_type == "MaxPool":
            heights[node.output[0]] = heights[first] // 2
        elif node.op_type in ("Conv", "Relu", "Add", "Sigmoid") and first in heights:
            heights[node.output[0]] = heights[first]
        elif node.op_type == "Gather" and first in shape_of:
            if int(constants[node.input[1]]) == 2:
                shape_of[node.output[0]] = shape_of[first]
        elif node.op_type in ("Unsqueeze", "Cast") and first in shape_of:
            shape_of[node.output[0]] = shape_of[first]
        elif node.op_type == "Resize":
            heights[node.output[0]] = heights[shape_of[node.input[3]]]
        elif node.op_type == "Concat":
            if first in heights:
                heights[node.output[0]] = heights[first]
            else:
                # [n, c] of one tensor beside [h, w] of another, or h beside w: the last part
                # that came from a height says whose size it is.
                sized = [shape_of[name] for name in node.input if name in shape_of]
                if sized:
                    shape_of[node.output[0]] = sized[-1]
    return heights


def _check_is_whole(nodes: list[onnx.NodeProto], weights: list[str], output: str) -> None:
    known = {INPUT_NAME, "", *weights}
    for node in nodes:
        unknown = set(node.input) - known
        if unknown:
            raise ValueError(f"{node.op_type} {node.name} reads {sorted(unknown)}: not exported")
        known.update(node.output)
    if output not in known:
        raise ValueError(f"nothing makes {output}")
