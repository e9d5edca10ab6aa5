"""A model of a few thousand random numbers in a registry of its own: a hard start, and a fast one.

Image tower: 32 x 32 pixels, averaged over 4 x 4, through a random matrix. Text tower: the mean of
random word vectors, through a random matrix. Nothing ties one to the other.
"""

from pathlib import Path

import numpy as np
import tokenizers
from onnx import TensorProto

from models.local import install_local
from models.onnx_graph import GraphWriter

NAME, VERSION = "random-base", "random-base-1"
DIMENSION = 48
_SIDE_PX, _CELLS = 32, 8
_WORDS = (
    "[UNK]", "a", "photo", "of", "for", "in", "clothes", "plain", "striped", "women", "men",
    "shirt", "skirt", "trousers", "dress", "red", "blue", "green", "black", "yellow", "purple",
    "t", "-", "light", "dark", "jeans", "hat", "shoes", "coat", "jacket",
)  # fmt: skip
_MANIFEST = f"""
name = "{NAME}"
version = "{VERSION}"
licence = "Apache-2.0"
description = "Random numbers"
origin = "tests"
files = ["image.onnx", "text.onnx", "tokenizer.json"]

[properties]
dimension = {DIMENSION}
context_length_tokens = 16

[properties.preprocessing]
kind = "garment-rgba"
side_px = {_SIDE_PX}
"""


def install_random_base(scratch: Path) -> None:
    """Into the registry of $LOOKALIKE_CACHE."""
    rng = np.random.default_rng(3)
    scratch.mkdir(parents=True, exist_ok=True)
    _image_tower(scratch / "image.onnx", rng)
    _text_tower(scratch / "text.onnx", rng)
    vocabulary = {word: number for number, word in enumerate(_WORDS)}
    tokenizer = tokenizers.Tokenizer(tokenizers.models.WordLevel(vocabulary, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = tokenizers.pre_tokenizers.Whitespace()
    tokenizer.save(str(scratch / "tokenizer.json"))
    files = ("image.onnx", "text.onnx", "tokenizer.json")
    install_local(_MANIFEST, {file: scratch / file for file in files})


def _image_tower(path: Path, rng: np.random.Generator) -> None:
    graph = GraphWriter("image")
    pixels = graph.input("pixels_rgba", TensorProto.UINT8, ["n", _SIDE_PX, _SIDE_PX, 4])
    values = graph.op(
        "Transpose", graph.op("Cast", pixels, to=TensorProto.FLOAT), perm=[0, 3, 1, 2]
    )
    cell = _SIDE_PX // _CELLS
    pooled = graph.op("AveragePool", values, kernel_shape=[cell, cell], strides=[cell, cell])
    flat = graph.op("Reshape", pooled, graph.constant([0, 4 * _CELLS**2], np.int64))
    centred = graph.op("Sub", flat, graph.constant(200.0))
    weight = rng.normal(0, 1, (DIMENSION, 4 * _CELLS**2))
    mixed = graph.op("Gemm", centred, graph.constant(weight), transB=1)
    graph.output(graph.l2_normalise(mixed), "embedding", ["n", DIMENSION])
    graph.save(path, {"embedding_version": VERSION})


def _text_tower(path: Path, rng: np.random.Generator) -> None:
    graph = GraphWriter("text")
    ids = graph.input("token_ids", TensorProto.INT32, ["n", "tokens"])
    mask = graph.input("attention_mask", TensorProto.INT32, ["n", "tokens"])
    vectors = graph.op("Gather", graph.constant(rng.normal(0, 1, (len(_WORDS), 32))), ids)
    shares = graph.op("Cast", mask, to=TensorProto.FLOAT)
    weighted = graph.op(
        "Mul", vectors, graph.op("Unsqueeze", shares, graph.constant([2], np.int64))
    )
    total = graph.op("ReduceSum", weighted, graph.constant([1], np.int64), keepdims=0)
    weight = graph.constant(rng.normal(0, 1, (32, DIMENSION)))
    graph.output(
        graph.l2_normalise(graph.op("MatMul", total, weight)), "embedding", ["n", DIMENSION]
    )
    graph.save(path, {"embedding_version": VERSION})
