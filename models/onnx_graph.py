"""A small writer of ONNX graphs: names are made here, constants become initializers."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper, numpy_helper

_OPSET = 17
_CONTRIB = "com.microsoft"
_LARGE = 1024


class GraphWriter:
    """Collects nodes; a value is known by its name, a string."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._nodes: list[Any] = []
        self._constants: dict[str, Any] = {}
        self._inputs: list[Any] = []
        self._outputs: list[Any] = []
        self._counter = 0

    def input(self, name: str, dtype: int, shape: Sequence[int | str]) -> str:
        """Declares an input; strings in `shape` are dynamic dimensions."""
        self._inputs.append(helper.make_tensor_value_info(name, dtype, list(shape)))
        return name

    def output(self, value: str, name: str, shape: Sequence[int | str]) -> None:
        """Declares the float32 value as an output called `name`."""
        self._nodes.append(helper.make_node("Identity", [value], [name]))
        self._outputs.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, list(shape)))

    def constant(self, values: npt.ArrayLike, dtype: npt.DTypeLike = np.float32) -> str:
        """An initializer."""
        array = np.asarray(values, dtype)
        name = f"c{len(self._constants)}"
        self._constants[name] = numpy_helper.from_array(np.ascontiguousarray(array), name)
        return name

    def op(self, kind: str, *inputs: str, **attributes: Any) -> str:
        """A node with one output, of the standard set."""
        return self.ops(kind, inputs, 1, **attributes)[0]

    def contrib(self, kind: str, *inputs: str, outputs: int = 1, **attributes: Any) -> list[str]:
        """A node of ONNX Runtime's own set (fused transformer layers)."""
        return self.ops(kind, inputs, outputs, domain=_CONTRIB, **attributes)

    def ops(self, kind: str, inputs: Sequence[str], outputs: int, **attributes: Any) -> list[str]:
        """A node with several outputs."""
        self._counter += 1
        names = [f"{kind}_{self._counter}_{i}" for i in range(outputs)]
        self._nodes.append(helper.make_node(kind, list(inputs), names, **attributes))
        return names

    def l2_normalise(self, value: str) -> str:
        """Rows of length 1."""
        return self.op("LpNormalization", value, axis=-1, p=2)

    def save(self, path: Path, metadata: dict[str, str], *, half: bool = False) -> None:
        """Checks the model and writes it atomically.

        Args:
          half: large constants are kept in float16, half the file; the runtime makes them float32
            again when it loads the model, and computes in float32.
        """
        constants, casts = list(self._constants.values()), []
        if half:
            constants, casts = _halved(constants)
        graph = helper.make_graph(
            [*casts, *self._nodes], self._name, self._inputs, self._outputs, constants
        )
        model = helper.make_model(
            graph,
            opset_imports=[helper.make_opsetid("", _OPSET), helper.make_opsetid(_CONTRIB, 1)],
            ir_version=8,
            producer_name="lookalike",
        )
        helper.set_model_props(model, metadata)
        onnx.checker.check_model(model)
        partial = path.with_suffix(".partial")
        partial.write_bytes(model.SerializeToString(deterministic=True))
        partial.replace(path)


def _halved(constants: Sequence[Any]) -> tuple[list[Any], list[Any]]:
    """The constants, large ones in float16, and the nodes that give these their names again."""
    kept, casts = [], []
    for tensor in constants:
        values = numpy_helper.to_array(tensor)
        if values.dtype != np.float32 or values.size < _LARGE:
            kept.append(tensor)
            continue
        kept.append(numpy_helper.from_array(values.astype(np.float16), f"{tensor.name}_half"))
        casts.append(
            helper.make_node("Cast", [f"{tensor.name}_half"], [tensor.name], to=TensorProto.FLOAT)
        )
    return kept, casts
