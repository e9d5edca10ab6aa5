"""Reads and writes safetensors files with numpy alone.

Source: https://github.com/huggingface/safetensors#format: eight bytes of header length, a JSON
header (name -> dtype, shape, offsets), then the tensors' bytes.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

_DTYPES = {
    "F32": np.dtype("<f4"),
    "F16": np.dtype("<f2"),
    "I64": np.dtype("<i8"),
    "I32": np.dtype("<i4"),
    "U8": np.dtype("u1"),
}
_NAMES = {dtype: name for name, dtype in _DTYPES.items()}
_MAX_HEADER_BYTES = 16 << 20


def read_safetensors(path: Path) -> Mapping[str, npt.NDArray[Any]]:
    """The tensors of a file, by name.

    Raises:
      ValueError: the file is damaged or holds a type that is not known here.
    """
    with path.open("rb") as file:
        header_bytes = int.from_bytes(file.read(8), "little")
        if not 2 <= header_bytes <= _MAX_HEADER_BYTES:
            raise ValueError(f"{path.name} is no safetensors file")
        try:
            header: dict[str, dict[str, Any]] = json.loads(file.read(header_bytes))
        except ValueError as error:
            raise ValueError(f"{path.name} is no safetensors file: {error}") from error
        data = file.read()
    tensors: dict[str, npt.NDArray[Any]] = {}
    for name, entry in header.items():
        if name == "__metadata__":
            continue
        start, end = entry["data_offsets"]
        if entry["dtype"] not in _DTYPES or not 0 <= start <= end <= len(data):
            raise ValueError(f"tensor {name} of {path.name} cannot be read")
        values = np.frombuffer(data[start:end], _DTYPES[entry["dtype"]])
        tensors[name] = values.reshape(entry["shape"])
    return tensors


def write_safetensors(
    path: Path, tensors: Mapping[str, npt.NDArray[Any]], metadata: Mapping[str, str]
) -> None:
    """Writes tensors in name order, so that equal tensors make equal bytes."""
    header: dict[str, object] = {"__metadata__": dict(sorted(metadata.items()))}
    parts: list[bytes] = []
    offset = 0
    for name, tensor in sorted(tensors.items()):
        part = np.ascontiguousarray(tensor).tobytes()
        header[name] = {
            "dtype": _NAMES[tensor.dtype],
            "shape": list(tensor.shape),
            "data_offsets": [offset, offset + len(part)],
        }
        parts.append(part)
        offset += len(part)
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    path.write_bytes(len(text).to_bytes(8, "little") + text + b"".join(parts))
