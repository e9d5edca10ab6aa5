"""Reading weights without the libraries that wrote them."""

import io
import pickle
import struct
from pathlib import Path

import numpy as np
import pytest

from models.safetensors_file import read_safetensors, write_safetensors
from models.torch_checkpoint import CheckpointError, read_state_dict


def checkpoint(payload: bytes, storages: dict[str, bytes], keys: list[str]) -> bytes:
    """A file in the format before torch 1.6, around a pickled object."""
    out = io.BytesIO()
    pickle.dump(0x1950A86A20F9469CFC6C, out, 2)
    pickle.dump(1001, out, 2)
    pickle.dump({"protocol_version": 1001, "little_endian": True, "type_sizes": {}}, out, 2)
    out.write(payload)
    pickle.dump(keys, out, 2)
    for key in keys:
        out.write(struct.pack("<q", len(storages[key]) // 4) + storages[key])
    return out.getvalue()


# {"weight": a (2, 3) float tensor of storage "7" with strides (1, 2), from element 1}, written
# with the names that torch writes, as pickle opcodes: torch itself is not needed for it.
STRIDED = (
    b"\x80\x02}X\x06\x00\x00\x00weightctorch._utils\n_rebuild_tensor_v2\n("
    b"(X\x07\x00\x00\x00storagectorch\nFloatStorage\nX\x01\x00\x00\x007X\x03\x00\x00\x00cpu"
    b"K\x08NtQK\x01K\x02K\x03\x86K\x01K\x02\x86\x89ccollections\nOrderedDict\n)RtRs."
)


def write(tmp_path: Path, data: bytes) -> Path:
    path = tmp_path / "weights.pth"
    path.write_bytes(data)
    return path


def test_a_strided_tensor_comes_out_in_order(tmp_path: Path) -> None:
    storage = np.arange(8, dtype="<f4").tobytes()
    tensors = read_state_dict(write(tmp_path, checkpoint(STRIDED, {"7": storage}, ["7"])))
    assert list(tensors) == ["weight"]
    np.testing.assert_array_equal(tensors["weight"], [[1, 3, 5], [2, 4, 6]])
    assert tensors["weight"].flags.c_contiguous


def test_a_tensor_beyond_its_storage_is_refused(tmp_path: Path) -> None:
    storage = np.arange(6, dtype="<f4").tobytes()
    with pytest.raises(CheckpointError, match="beyond its storage"):
        read_state_dict(write(tmp_path, checkpoint(STRIDED, {"7": storage}, ["7"])))


def test_a_checkpoint_that_ends_early_is_refused(tmp_path: Path) -> None:
    whole = checkpoint(STRIDED, {"7": np.arange(8, dtype="<f4").tobytes()}, ["7"])
    for length in (0, 1, 20, len(whole) - 9, len(whole) - 1):
        with pytest.raises(CheckpointError):
            read_state_dict(write(tmp_path, whole[:length]))


def test_a_pickle_that_would_run_code_is_refused(tmp_path: Path) -> None:
    marker = tmp_path / "ran"
    attack = b"\x80\x02cos\nsystem\nX" + struct.pack("<I", len(f"touch {marker}"))
    attack += f"touch {marker}".encode() + b"\x85R."
    with pytest.raises(CheckpointError, match=r"does not need os\.system"):
        read_state_dict(write(tmp_path, checkpoint(attack, {}, [])))
    assert not marker.exists()


def test_safetensors_come_back_as_they_were_written(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    tensors = {
        "b": rng.normal(size=(3, 5)).astype(np.float16),
        "a": rng.normal(size=7).astype(np.float32),
        "none": np.zeros((0, 4), np.float32),
        "scalar": np.array(3, np.int64),
    }
    path, again = tmp_path / "x.safetensors", tmp_path / "y.safetensors"
    write_safetensors(path, tensors, {"seed": "7"})
    write_safetensors(again, dict(reversed(tensors.items())), {"seed": "7"})
    assert path.read_bytes() == again.read_bytes()
    found = read_safetensors(path)
    assert set(found) == set(tensors)
    for name, values in tensors.items():
        np.testing.assert_array_equal(found[name], values)
        assert found[name].dtype == values.dtype


def test_a_damaged_safetensors_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.safetensors"
    write_safetensors(path, {"a": np.zeros(100, np.float32)}, {})
    data = path.read_bytes()
    for broken in (b"", data[:4], data[:-1], b"\xff" * 8 + data[8:]):
        path.write_bytes(broken)
        with pytest.raises(ValueError, match=r"safetensors|cannot be read"):
            read_safetensors(path)
