"""Our ONNX graphs against the same networks in torch (`make test-models`)."""

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnxruntime as ort
import pytest
import torch
from onnx import TensorProto

from models.efficientnet import add_efficientnet_lite2
from models.lookalike_mini import (
    EFFICIENTNET_FILE,
    HEADS_FILE,
    MINILM_FILE,
    RANGES_FILE,
    TOKENIZER_FILE,
    build_image_tower,
    build_text_tower,
)
from models.minilm import Int8Linear, add_minilm, float_linear
from models.onnx_graph import GraphWriter
from models.registry import PACKAGE_DIR, installed
from models.safetensors_file import read_safetensors
from models.torch_checkpoint import read_state_dict
from models.train.heads import apply_head
from models.train.texts import text_features
from tests.models.torch_reference import EfficientNetLite2, minilm_mean_pooled

EFFICIENTNET = installed("efficientnet-lite2") / EFFICIENTNET_FILE
MINILM = installed("minilm-l6") / MINILM_FILE
TEXTS = ["light blue skirt for women", "hoodie", "a warm winter coat with a hood and big pockets"]


def run(path: Path, **feeds: npt.NDArray[Any]) -> npt.NDArray[np.float32]:
    session = ort.InferenceSession(path, providers=["CPUExecutionProvider"])
    return np.asarray(session.run(None, feeds)[0])


def cosines(a: npt.NDArray[Any], b: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
    a, b = (x.reshape(len(x), -1).astype(np.float64) for x in (a, b))
    lengths = np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1)
    return np.asarray((a * b).sum(axis=1) / lengths)


def pictures(count: int) -> npt.NDArray[np.uint8]:
    """uint8 (n, 260, 260, 4) with soft blobs of colour, some cut out."""
    rng = np.random.default_rng(2)
    coarse = rng.integers(0, 255, (count, 13, 13, 3)).repeat(20, axis=1).repeat(20, axis=2)
    alpha = np.full((count, 260, 260, 1), 255)
    alpha[1::2, :60] = 0
    return np.concatenate([coarse, alpha], axis=3).astype(np.uint8)


def test_our_checkpoint_reader_reads_what_torch_reads() -> None:
    ours = read_state_dict(EFFICIENTNET)
    theirs = torch.load(EFFICIENTNET, weights_only=True)
    assert set(ours) == set(theirs)
    for name, tensor in theirs.items():
        np.testing.assert_array_equal(ours[name], tensor.numpy())


def test_efficientnet_is_the_network_in_torch(tmp_path: Path) -> None:
    tensors = read_state_dict(EFFICIENTNET)
    graph = GraphWriter("efficientnet")
    pixels = graph.input("pixels", TensorProto.FLOAT, ["n", 3, 260, 260])
    head = add_efficientnet_lite2(graph, tensors, pixels).head
    graph.output(head.value, "head", ["n", head.channels, head.side, head.side])
    graph.save(tmp_path / "x.onnx", {})
    batch = (pictures(3)[..., :3].astype(np.float32).transpose(0, 3, 1, 2) - 127) / 128
    with torch.no_grad():
        expected = EfficientNetLite2(tensors)(torch.from_numpy(batch)).numpy()
    assert cosines(run(tmp_path / "x.onnx", pixels=batch), expected).min() >= 0.99999


def test_minilm_in_float_is_the_network_in_torch(tmp_path: Path) -> None:
    tensors = read_safetensors(MINILM)
    graph = GraphWriter("minilm")
    ids = graph.input("ids", TensorProto.INT32, ["n", "tokens"])
    mask = graph.input("mask", TensorProto.INT32, ["n", "tokens"])
    graph.output(add_minilm(graph, tensors, ids, mask, float_linear), "out", ["n", 384])
    graph.save(tmp_path / "x.onnx", {})
    token_ids, padding = _padded()
    expected = minilm_mean_pooled(
        tensors, torch.from_numpy(token_ids.astype(np.int64)), torch.from_numpy(padding)
    ).numpy()
    found = run(tmp_path / "x.onnx", ids=token_ids, mask=padding)
    assert cosines(found, expected).min() >= 0.99999


def test_minilm_in_int8_is_nearly_the_network_in_torch() -> None:
    token_ids, padding = _padded()
    expected = minilm_mean_pooled(
        read_safetensors(MINILM),
        torch.from_numpy(token_ids.astype(np.int64)),
        torch.from_numpy(padding),
    ).numpy()
    assert cosines(text_features(TEXTS, threads=1), expected).min() >= 0.98


@pytest.mark.parametrize("tower", ["image", "text"])
def test_a_built_tower_is_its_frozen_features_under_the_head(tmp_path: Path, tower: str) -> None:
    heads = dict(read_safetensors(PACKAGE_DIR / HEADS_FILE))
    with_head, without = tmp_path / "with.onnx", tmp_path / "without.onnx"
    feeds: dict[str, npt.NDArray[Any]]
    for path, given in ((with_head, heads), (without, None)):
        if tower == "image":
            build_image_tower(EFFICIENTNET, given, path, "test")
            feeds = {"pixels_rgba": pictures(4)}
        else:
            linear = Int8Linear(read_safetensors(PACKAGE_DIR / RANGES_FILE))
            build_text_tower(MINILM, linear, given, path, "test")
            feeds = dict(zip(("token_ids", "attention_mask"), _padded(), strict=True))
    expected = apply_head(heads, tower, run(without, **feeds))
    np.testing.assert_allclose(run(with_head, **feeds), expected, atol=2e-5)


def test_building_twice_gives_the_same_bytes(tmp_path: Path) -> None:
    heads = read_safetensors(PACKAGE_DIR / HEADS_FILE)
    for name in ("a.onnx", "b.onnx"):
        build_image_tower(EFFICIENTNET, heads, tmp_path / name, "test")
    assert (tmp_path / "a.onnx").read_bytes() == (tmp_path / "b.onnx").read_bytes()


def _padded() -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int32]]:
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(installed("minilm-l6") / TOKENIZER_FILE))
    tokenizer.enable_padding()
    encodings = tokenizer.encode_batch(TEXTS)
    ids = np.array([encoding.ids for encoding in encodings], np.int32)
    return ids, np.array([encoding.attention_mask for encoding in encodings], np.int32)
