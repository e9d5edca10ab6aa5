"""Our ONNX graphs against the same networks in torch (`make test-models`)."""

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnxruntime as ort
import torch
from onnx import TensorProto
from tokenizers import Tokenizer

from models.colour import hsv_histogram
from models.efficientnet import add_efficientnet_lite2
from models.lookalike_mini import (
    EFFICIENTNET_FILE,
    HISTOGRAM_STRIDE,
    IMAGE_FEATURES,
    MINILM_FILE,
    build_front,
    build_image_tower,
    build_text_tower,
)
from models.minilm import add_minilm, float_linear
from models.onnx_graph import GraphWriter
from models.registry import installed
from models.safetensors_file import read_safetensors
from models.torch_checkpoint import read_state_dict
from models.train.finetune import ImageNetwork
from models.train.heads import Head
from models.train.look import LookConfig, look_arrays
from models.train.network import EfficientNetLite2, MiniLM
from models.train.text_tower import TextFeatures, measure_ranges
from models.train.wordpieces import shrink

EFFICIENTNET = installed("efficientnet-lite2") / EFFICIENTNET_FILE
MINILM = installed("minilm-l6") / MINILM_FILE
TOKENIZER = installed("minilm-l6") / "tokenizer.json"
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
        expected = EfficientNetLite2(tensors)(torch.from_numpy(batch))[-1].numpy()
    assert cosines(run(tmp_path / "x.onnx", pixels=batch), expected).min() >= 0.99999


def test_minilm_in_float_is_the_network_in_torch(tmp_path: Path) -> None:
    tensors = read_safetensors(MINILM)
    graph = GraphWriter("minilm")
    ids = graph.input("ids", TensorProto.INT32, ["n", "tokens"])
    mask = graph.input("mask", TensorProto.INT32, ["n", "tokens"])
    graph.output(add_minilm(graph, tensors, ids, mask, float_linear), "out", ["n", 384])
    graph.save(tmp_path / "x.onnx", {})
    token_ids, padding = _padded()
    found = run(tmp_path / "x.onnx", ids=token_ids, mask=padding)
    assert cosines(found, _in_torch(tensors, token_ids, padding)).min() >= 0.9999


def test_minilm_in_int8_is_nearly_the_network_in_torch(tmp_path: Path) -> None:
    tensors = dict(read_safetensors(MINILM))
    tokenizer = Tokenizer.from_file(str(TOKENIZER))
    tokenizer.no_padding()
    ranges = measure_ranges(tensors, tokenizer, tmp_path)
    found = TextFeatures(tensors, ranges, tokenizer, tmp_path, threads=1)(TEXTS)
    assert cosines(found, _in_torch(tensors, *_padded())).min() >= 0.98


def test_a_smaller_vocabulary_says_the_same_with_the_pieces_that_are_left(tmp_path: Path) -> None:
    tensors = dict(read_safetensors(MINILM))
    full = Tokenizer.from_file(str(TOKENIZER))
    full.no_padding()
    seen = [full.encode(text).ids for text in TEXTS]
    document, smaller = shrink(TOKENIZER, tensors, seen, 6000)
    few = Tokenizer.from_str(document)
    few.no_padding()
    assert len(smaller["embeddings.word_embeddings.weight"]) <= 6500
    for text in TEXTS:
        assert few.encode(text).tokens == full.encode(text).tokens
    rows = "embeddings.word_embeddings.weight"
    for before, after in zip(full.encode(TEXTS[0]).ids, few.encode(TEXTS[0]).ids, strict=True):
        np.testing.assert_array_equal(tensors[rows][before], smaller[rows][after])
    # Rare words are spelt, in any script, and nothing that was known becomes unknown.
    assert few.encode("antidisestablishmentarianism").ids
    for text in ("базова футболка", "xylophonist"):
        assert ("[UNK]" in few.encode(text).tokens) == ("[UNK]" in full.encode(text).tokens)


def heads_by_chance(rng: np.random.Generator) -> dict[str, npt.NDArray[Any]]:
    """Arrays of both heads as training writes them, with numbers of no meaning."""
    torch.manual_seed(0)
    image = Head(rng.standard_normal((50, IMAGE_FEATURES)).astype(np.float32), 32, 16, 0.0)
    text = Head(rng.standard_normal((50, 384)).astype(np.float32), 32, 16, 0.0)
    features = rng.standard_normal((60, IMAGE_FEATURES)).astype(np.float32)
    histograms = rng.random((60, 1024), dtype=np.float32)
    look = look_arrays(features, histograms, 16, LookConfig(8, 8, 0.5, 0.2, 0.3))
    return {**image.arrays("image"), **text.arrays("text"), **look}


def test_the_image_tower_is_the_network_in_torch_under_its_heads(tmp_path: Path) -> None:
    weights, heads = read_state_dict(EFFICIENTNET), heads_by_chance(np.random.default_rng(1))
    build_image_tower(weights, heads, tmp_path / "image.onnx", "test")
    build_front(weights, tmp_path / "front.onnx")
    batch = pictures(4)
    front = ort.InferenceSession(tmp_path / "front.onnx", providers=["CPUExecutionProvider"])
    outputs = ("maps", "fixed", "cells_17", "cells_9")
    with torch.no_grad():
        inputs = [torch.from_numpy(x) for x in front.run(list(outputs), {"pixels_rgba": batch})]
        features = ImageNetwork(weights)(*inputs).numpy()
    x = np.clip((features - heads["image.mean"]) * heads["image.inverse_deviation"], -5, 5)
    few = batch[:, 1::HISTOGRAM_STRIDE, 1::HISTOGRAM_STRIDE]
    histograms = np.stack(
        [hsv_histogram(one[..., :3].reshape(-1, 3), one[..., 3].ravel() >= 128) for one in few]
    )
    parts = {
        "words": _words(heads, "image", x),
        "network": _unit(x[:, :1280] @ heads["image.network.axes"].T),
        "colour": _unit((histograms - heads["image.colour.mean"]) @ heads["image.colour.axes"].T),
    }
    weighted = [np.sqrt(heads[f"image.{name}.share"]) * part for name, part in parts.items()]
    expected = np.concatenate(weighted, axis=1)[:, heads["image.order"]]
    found = run(tmp_path / "image.onnx", pixels_rgba=batch)
    # The reference computes its convolutions in bfloat16.
    assert cosines(found, expected).min() >= 0.999
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1, atol=1e-5)


def test_the_text_tower_says_nothing_of_the_look(tmp_path: Path) -> None:
    heads = heads_by_chance(np.random.default_rng(3))
    build_text_tower(read_safetensors(MINILM), float_linear, heads, tmp_path / "t.onnx", "test")
    token_ids, padding = _padded()
    found = run(tmp_path / "t.onnx", token_ids=token_ids, attention_mask=padding)
    assert found.shape == (len(TEXTS), 32)
    assert not found[:, 16:].any()
    pooled = _in_torch(read_safetensors(MINILM), token_ids, padding)
    x = np.clip((pooled - heads["text.mean"]) * heads["text.inverse_deviation"], -5, 5)
    np.testing.assert_allclose(found[:, :16], _words(heads, "text", x), atol=2e-3)


def test_building_twice_gives_the_same_bytes(tmp_path: Path) -> None:
    heads = heads_by_chance(np.random.default_rng(4))
    for name in ("a.onnx", "b.onnx"):
        build_image_tower(read_state_dict(EFFICIENTNET), heads, tmp_path / name, "test")
    assert (tmp_path / "a.onnx").read_bytes() == (tmp_path / "b.onnx").read_bytes()


def _words(
    heads: dict[str, npt.NDArray[Any]], tower: str, x: npt.NDArray[np.float32]
) -> npt.NDArray[np.float32]:
    h = {
        name.removeprefix(f"{tower}."): torch.from_numpy(v)
        for name, v in heads.items()
        if name.startswith(f"{tower}.") and v.ndim and name.endswith(("weight", "bias"))
    }
    read = torch.from_numpy(x.astype(np.float32))
    bent = torch.nn.functional.gelu(read @ h["hidden.weight"].T + h["hidden.bias"])
    return _unit((read @ h["skip.weight"].T + bent @ h["out.weight"].T + h["out.bias"]).numpy())


def _unit(x: npt.NDArray[Any]) -> npt.NDArray[np.float32]:
    return np.asarray(x / np.linalg.norm(x, axis=1, keepdims=True), np.float32)


def _in_torch(
    tensors: Any, token_ids: npt.NDArray[np.int32], padding: npt.NDArray[np.int32]
) -> npt.NDArray[np.float32]:
    with torch.no_grad():
        ids = torch.from_numpy(token_ids.astype(np.int64))
        return np.asarray(MiniLM(tensors)(ids, torch.from_numpy(padding)).numpy())


def _padded() -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int32]]:
    tokenizer = Tokenizer.from_file(str(TOKENIZER))
    tokenizer.enable_padding()
    encodings = tokenizer.encode_batch(TEXTS)
    ids = np.array([encoding.ids for encoding in encodings], np.int32)
    return ids, np.array([encoding.attention_mask for encoding in encodings], np.int32)
