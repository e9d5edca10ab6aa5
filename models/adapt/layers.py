"""What is trained, in torch: a tower's tail and the projection behind it."""

from collections.abc import Callable, Mapping
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional

from models.adapt.tail import Step, Tail

_EPSILON: Final = 1e-12


class TailModule(nn.Module):
    """Runs a tail's steps; its trained constants are parameters.

    Input: the features at the cut, side by side, (n, sum of widths). Output: (n, dimension).
    """

    def __init__(self, tail: Tail) -> None:
        super().__init__()
        self._tail = tail
        self._widths = [width for _, width in tail.features]
        self.trained = nn.ParameterList(
            nn.Parameter(torch.tensor(tail.constants[name])) for name in tail.trained
        )
        self._fixed = {
            name: torch.tensor(values)
            for name, values in tail.constants.items()
            if name not in tail.trained
        }
        self.began = [parameter.detach().clone() for parameter in self.trained]

    def forward(self, features: Tensor) -> Tensor:
        values = dict(self._fixed)
        values |= dict(zip(self._tail.trained, self.trained, strict=True))
        parts = torch.split(features, self._widths, dim=1)
        values |= {name: part for (name, _), part in zip(self._tail.features, parts, strict=True)}
        for step in self._tail.steps:
            _run(step, values)
        return values[self._tail.output]

    def constants(self) -> dict[str, npt.NDArray[np.float32]]:
        """The trained constants by their names in the graph."""
        return {
            name: parameter.detach().numpy().copy()
            for name, parameter in zip(self._tail.trained, self.trained, strict=True)
        }


class Projection(nn.Module):
    """A linear map that begins as `start`, and length 1 behind it.

    Input: (n, base dimension). Output: (n, dimension).
    """

    start: Tensor

    def __init__(self, start: npt.NDArray[np.float32]) -> None:
        super().__init__()
        self.register_buffer("start", torch.tensor(start))
        self.change = nn.Parameter(torch.zeros(*start.shape))
        self.bias = nn.Parameter(torch.zeros(start.shape[0]))

    def forward(self, vectors: Tensor) -> Tensor:
        projected = functional.linear(vectors, self.start + self.change, self.bias)
        return functional.normalize(projected, dim=-1)

    def matrix(self) -> npt.NDArray[np.float32]:
        """(dimension, base dimension)."""
        return np.asarray((self.start + self.change).detach().numpy().copy(), np.float32)


class Tower(nn.Module):
    """One tower behind its body: tail, projection.

    Input: (n, base dimension + features): the base's own vector, then the features at the cut.
    """

    def __init__(self, start: npt.NDArray[np.float32], tail: Tail | None) -> None:
        super().__init__()
        self.projection = Projection(start)
        self.tail = TailModule(tail) if tail else None
        self.base_dimension = start.shape[1]
        self.uses_tail = False
        """False: the base's vector is taken as it was computed; the tail is as it came."""

    def forward(self, rows: Tensor) -> Tensor:
        if self.tail is not None and self.uses_tail:
            return self.projection(self.tail(rows[:, self.base_dimension :]))  # type: ignore[no-any-return]
        return self.projection(rows[:, : self.base_dimension])  # type: ignore[no-any-return]

    def embed(self, rows: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """Without gradients, in pieces."""
        with torch.no_grad():
            pieces = [self(piece) for piece in torch.split(torch.from_numpy(rows), 4096)]
            return np.asarray(torch.cat(pieces).numpy(), np.float32)

    def distance(self) -> Tensor:
        """Sum of squares of what was trained, from where it began."""
        total = self.projection.change.square().sum() + self.projection.bias.square().sum()
        if self.tail is not None and self.uses_tail:
            for parameter, began in zip(self.tail.trained, self.tail.began, strict=True):
                total = total + (parameter - began).square().sum()
        return total


def _run(step: Step, values: dict[str, Tensor]) -> None:
    inputs = [values.get(name) for name in step.inputs]
    given = [value for value in inputs if value is not None]
    kind, attributes = step.kind, step.attributes
    if kind in _SIMPLE:
        result = _SIMPLE[kind](*given)
    elif kind in ("Identity", "Expand", "Cast"):
        # Expand only spells out what arithmetic does by itself; floats are float32 here.
        result = given[0]
    elif kind in ("Max", "Min"):
        result = given[0]
        for other in given[1:]:
            result = (torch.maximum if kind == "Max" else torch.minimum)(result, other)
    elif kind == "Clip":
        low, high = ([*inputs, None, None])[1:3]
        result = torch.clamp(given[0], low, high)
    elif kind == "Gemm":
        result = _gemm(given, attributes)
    elif kind == "Gelu":
        result = functional.gelu(given[0], approximate=_text(attributes.get("approximate", "none")))
    elif kind in ("FastGelu", "BiasGelu"):
        whole = given[0] if len(given) == 1 else given[0] + given[1]
        result = functional.gelu(whole, approximate="tanh" if kind == "FastGelu" else "none")
    elif kind == "QuickGelu":
        result = given[0] * torch.sigmoid(float(attributes.get("alpha", 1.702)) * given[0])
    elif kind == "Concat":
        result = torch.cat(given, dim=int(attributes["axis"]))
    elif kind == "Softmax":
        result = torch.softmax(given[0], dim=int(attributes.get("axis", -1)))
    elif kind == "LayerNormalization":
        shape = given[1].shape
        bias = given[2] if len(given) > 2 else None
        epsilon = float(attributes.get("epsilon", 1e-5))
        result = functional.layer_norm(given[0], shape, given[1], bias, epsilon)
    elif kind == "LpNormalization":
        order = float(attributes.get("p", 2))
        axis = int(attributes.get("axis", -1))
        result = functional.normalize(given[0], p=order, dim=axis, eps=_EPSILON)
    elif kind in ("ReduceL2", "ReduceSum", "ReduceMean"):
        result = _reduced(kind, given, attributes)
    elif kind == "Slice":
        result = _sliced(given, attributes)
    elif kind == "Gather":
        result = given[0].index_select(int(attributes.get("axis", 0)), given[1].long())
    else:
        result = _padded(given, attributes)
    values[step.outputs[0]] = result


_SIMPLE: Mapping[str, Callable[..., Tensor]] = {
    "Abs": torch.abs,
    "Add": torch.add,
    "Div": torch.div,
    "Erf": torch.erf,
    "Exp": torch.exp,
    "MatMul": torch.matmul,
    "Mul": torch.mul,
    "Neg": torch.neg,
    "Pow": torch.pow,
    "Reciprocal": torch.reciprocal,
    "Relu": torch.relu,
    "Sigmoid": torch.sigmoid,
    "Sqrt": torch.sqrt,
    "Sub": torch.sub,
    "Tanh": torch.tanh,
}


def _gemm(given: list[Tensor], attributes: Mapping[str, Any]) -> Tensor:
    left = given[0].T if attributes.get("transA") else given[0]
    right = given[1].T if attributes.get("transB") else given[1]
    result = float(attributes.get("alpha", 1.0)) * (left @ right)
    if len(given) > 2:
        result = result + float(attributes.get("beta", 1.0)) * given[2]
    return result


def _reduced(kind: str, given: list[Tensor], attributes: Mapping[str, Any]) -> Tensor:
    axes = given[1].tolist() if len(given) > 1 else list(attributes.get("axes", []))
    axes = axes or list(range(given[0].ndim))
    keep = bool(attributes.get("keepdims", 1))
    if kind == "ReduceL2":
        return torch.linalg.vector_norm(given[0], dim=axes, keepdim=keep)
    reduce = torch.sum if kind == "ReduceSum" else torch.mean
    return reduce(given[0], dim=axes, keepdim=keep)


def _sliced(given: list[Tensor], attributes: Mapping[str, Any]) -> Tensor:
    numbers = [one.flatten().tolist() for one in given[1:]]
    starts, ends = numbers[0], numbers[1]
    axes = numbers[2] if len(numbers) > 2 else list(range(len(starts)))
    steps = numbers[3] if len(numbers) > 3 else [1] * len(starts)
    index = [slice(None)] * given[0].ndim
    for axis, start, end, step in zip(axes, starts, ends, steps, strict=True):
        index[int(axis)] = slice(int(start), int(end), int(step))
    return given[0][tuple(index)]


def _padded(given: list[Tensor], attributes: Mapping[str, Any]) -> Tensor:
    pads = [int(one) for one in given[1].tolist()]
    rank = len(pads) // 2
    # ONNX: all that come before, then all behind; torch: pairs, the last axis first.
    pairs = [n for axis in reversed(range(rank)) for n in (pads[axis], pads[rank + axis])]
    value = float(given[2]) if len(given) > 2 else 0.0
    return functional.pad(given[0], pairs, value=value)


def _text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)
