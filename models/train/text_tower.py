"""MiniLM in int8 with a small vocabulary, as it is served: ranges, and vectors of texts."""

import itertools
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnxruntime as ort
from onnx import TensorProto
from tokenizers import Tokenizer

from models.lookalike_mini import build_text_features
from models.minilm import Int8Linear, RecordingLinear, add_minilm
from models.onnx_graph import GraphWriter
from models.train.captions import SPOKEN_COLOURS
from models.train.vocabulary import WORDS

_BATCH = 64
MAX_TOKENS = 128
_SENTENCES = (
    "The jacket keeps you warm and dry on the coldest days, with sealed seams and a roomy hood.",
    "Stay cool during hot yoga in this breathable racerback tank top made of organic cotton.",
    "With plenty of pockets, this backpack holds a whole day's worth of books and gym clothes.",
    "Machine wash cold, tumble dry low. 95% cotton, 5% elastane. Imported.",
    "You don't need bells and whistles when performance speaks for itself!",
    "elegant evening gown, floor length, sequins, open back, size 38-44",
    "What is the capital of France?",
    "How do I change the oil of a diesel engine, and how often should I?",
    "12345 !! ??? -- 50% OFF",
    "LUXURY leather handbag - limited edition",
    "something warm for winter, not too expensive, that my father could wear to work",
    "def main(): return [x ** 2 for x in range(10)]",
    "https://example.com/products/4711?colour=blue&size=m",
    "un vestito rosso da sera con le maniche lunghe",
    "базова вільна футболка",
    "赤いスカート",
    "blue",
    "x",
    "the and of to",
    "a man and a woman walk their dog along the beach at sunset while children play football",
    "striped, checked, dotted, floral, plain, printed, embroidered, quilted, knitted, pleated",
    "watch with a stainless steel bracelet and a dial that glows in the dark",
)

Tensors = dict[str, npt.NDArray[Any]]


def measure_ranges(tensors: Tensors, tokenizer: Tokenizer, folder: Path) -> Tensors:
    """The extremes of every linear layer's input channels, over made-up texts: the words and
    colours of training captions, and ordinary sentences."""
    graph = GraphWriter("ranges")
    ids = graph.input("token_ids", TensorProto.INT32, ["n", "tokens"])
    mask = graph.input("attention_mask", TensorProto.INT32, ["n", "tokens"])
    recording = RecordingLinear()
    add_minilm(graph, tensors, ids, mask, recording)
    names = list(recording.inputs)
    for name in names:
        graph.output(recording.inputs[name], name, ["n", "tokens", recording.widths[name]])
    path = folder / "ranges.onnx"
    graph.save(path, {})
    session = ort.InferenceSession(path, providers=["CPUExecutionProvider"])
    ranges: Tensors = {}
    for text in _texts():
        token_ids = np.array([tokenizer.encode(text).ids], np.int32)
        feeds = {"token_ids": token_ids, "attention_mask": np.ones_like(token_ids)}
        for name, values in zip(names, session.run(names, feeds), strict=True):
            low, high = values[0].min(axis=0), values[0].max(axis=0)
            ranges[f"{name}.low"] = np.minimum(ranges.get(f"{name}.low", low), low)
            ranges[f"{name}.high"] = np.maximum(ranges.get(f"{name}.high", high), high)
    return ranges


class TextFeatures:
    """Frozen vectors of texts, as the served tower's head will see them."""

    def __init__(
        self, tensors: Tensors, ranges: Tensors, tokenizer: Tokenizer, folder: Path, threads: int
    ) -> None:
        path = folder / "text-features.onnx"
        build_text_features(tensors, Int8Linear(ranges), path)
        options = ort.SessionOptions()
        options.intra_op_num_threads = threads
        self._session = ort.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        self._tokenizer = tokenizer

    def __call__(self, texts: Sequence[str]) -> npt.NDArray[np.float32]:
        """(n, 384), rows of length 1, in the texts' order."""
        encoded = [encoding.ids for encoding in self._tokenizer.encode_batch(list(texts))]
        order = sorted(range(len(texts)), key=lambda i: len(encoded[i]))
        result = np.empty((len(texts), 384), np.float32)
        for start in range(0, len(order), _BATCH):
            rows = order[start : start + _BATCH]
            ids = np.zeros((len(rows), max(len(encoded[i]) for i in rows)), np.int32)
            mask = np.zeros_like(ids)
            for row, i in enumerate(rows):
                ids[row, : len(encoded[i])] = encoded[i]
                mask[row, : len(encoded[i])] = 1
            feeds = {"token_ids": ids, "attention_mask": mask}
            result[rows] = self._session.run(None, feeds)[0]
        return result


def _texts() -> list[str]:
    words = [text for word in WORDS for text in word.texts]
    pairs = zip(words, itertools.cycle(SPOKEN_COLOURS), strict=False)
    return [*_SENTENCES, *(f"{colour} {word} for women" for word, colour in pairs), *words]
