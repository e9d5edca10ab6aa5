"""Reads a PyTorch checkpoint of plain tensors without PyTorch, and without running its pickle.

Serving must not need torch, and a pickle may run any code: this reader knows exactly the four
names that a state dict of tensors is made of and refuses every other.

Source: `torch.serialization._legacy_load` (the format before torch 1.6, which is the one that the
EfficientNet-Lite2 weights come in): five pickles in a row (magic number, protocol, system facts,
the object, the storages' keys), then for each key its element count as int64 and its raw bytes.
"""

import pickle
from collections import OrderedDict
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any

import numpy as np
import numpy.typing as npt

_MAGIC = 0x1950A86A20F9469CFC6C
_PROTOCOL = 1001
_DTYPES = {"FloatStorage": np.dtype("<f4"), "LongStorage": np.dtype("<i8")}


class CheckpointError(Exception):
    """The file is no state dict of this format."""


class _Tensor:
    """A tensor before its storage was read: where it lies and how it is strided."""

    __slots__ = ("offset", "shape", "storage_key", "stride")

    def __init__(
        self, storage: tuple[str, str], offset: int, shape: tuple[int, ...], stride: tuple[int, ...]
    ) -> None:
        self.storage_key = storage[1]
        self.offset = offset
        self.shape = shape
        self.stride = stride


def _rebuild_tensor(
    storage: tuple[str, str],
    offset: int,
    shape: tuple[int, ...],
    stride: tuple[int, ...],
    _requires_grad: bool,
    _hooks: object,
) -> _Tensor:
    return _Tensor(storage, offset, shape, stride)


class _StateDictUnpickler(pickle.Unpickler):
    def __init__(self, file: IO[bytes]) -> None:
        super().__init__(file)
        self.storage_dtypes: dict[str, np.dtype[Any]] = {}

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) == ("collections", "OrderedDict"):
            return OrderedDict
        if (module, name) == ("torch._utils", "_rebuild_tensor_v2"):
            return _rebuild_tensor
        if module == "torch" and name in _DTYPES:
            return name
        raise CheckpointError(f"a state dict of tensors does not need {module}.{name}")

    def persistent_load(self, pid: Any) -> tuple[str, str]:
        kind, storage_type, key, _location, _count, view = pid
        if kind != "storage" or view is not None:
            raise CheckpointError(f"unknown reference {kind!r}")
        self.storage_dtypes[key] = _DTYPES[storage_type]
        return storage_type, key


def read_state_dict(path: Path) -> Mapping[str, npt.NDArray[Any]]:
    """The tensors of a checkpoint, by name.

    Raises:
      CheckpointError: another format, or objects other than tensors inside.
    """
    with path.open("rb") as file:
        unpickler = _StateDictUnpickler(file)
        try:
            if unpickler.load() != _MAGIC or _StateDictUnpickler(file).load() != _PROTOCOL:
                raise CheckpointError(f"{path.name} is no checkpoint in the format before 1.6")
            if not _StateDictUnpickler(file).load()["little_endian"]:
                raise CheckpointError(f"{path.name} was written on a big-endian machine")
            unpickler = _StateDictUnpickler(file)
            tensors = unpickler.load()
            keys = _StateDictUnpickler(file).load()
        except (pickle.UnpicklingError, EOFError, ValueError, TypeError, KeyError) as error:
            raise CheckpointError(f"{path.name} cannot be read: {error}") from error
        storages = {key: _read_storage(file, unpickler.storage_dtypes[key]) for key in keys}
    return {name: _materialise(tensor, storages) for name, tensor in tensors.items()}


def _read_storage(file: IO[bytes], dtype: np.dtype[Any]) -> npt.NDArray[Any]:
    count = int.from_bytes(file.read(8), "little", signed=True)
    data = file.read(count * dtype.itemsize)
    if count < 0 or len(data) != count * dtype.itemsize:
        raise CheckpointError("a storage ends before its last element")
    return np.frombuffer(data, dtype)


def _materialise(tensor: _Tensor, storages: Mapping[str, npt.NDArray[Any]]) -> npt.NDArray[Any]:
    storage = storages[tensor.storage_key][tensor.offset :]
    last = sum((n - 1) * step for n, step in zip(tensor.shape, tensor.stride, strict=True))
    if last >= storage.size:
        raise CheckpointError("a tensor reaches beyond its storage")
    strides = tuple(step * storage.itemsize for step in tensor.stride)
    # Channels-last tensors are strided: copy once into plain C order.
    return np.ascontiguousarray(
        np.lib.stride_tricks.as_strided(storage, tensor.shape, strides)
    ).reshape(tensor.shape)
