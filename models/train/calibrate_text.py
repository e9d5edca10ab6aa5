"""Measures the ranges of MiniLM's activations, once: `python -m models.train.calibrate_text`.

Writes models/lookalike_mini_v0/minilm_ranges.safetensors, which the int8 text tower is built from.
The texts are made up: the words and colours of training captions, and ordinary sentences.
"""

import itertools

import numpy as np
import onnxruntime as ort
from onnx import TensorProto
from tokenizers import Tokenizer

from models.lookalike_mini import MINILM_FILE, RANGES_FILE, TOKENIZER_FILE
from models.minilm import RecordingLinear, add_minilm
from models.onnx_graph import GraphWriter
from models.registry import PACKAGE_DIR, cache_dir, installed
from models.safetensors_file import read_safetensors, write_safetensors
from models.train.captions import SPOKEN_COLOURS
from models.train.vocabulary import WORDS

SENTENCES = (
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


def main() -> None:
    folder = installed("minilm-l6")
    graph = GraphWriter("ranges")
    ids = graph.input("token_ids", TensorProto.INT32, ["n", "tokens"])
    mask = graph.input("attention_mask", TensorProto.INT32, ["n", "tokens"])
    recording = RecordingLinear()
    add_minilm(graph, read_safetensors(folder / MINILM_FILE), ids, mask, recording)
    names = list(recording.inputs)
    for name in names:
        graph.output(recording.inputs[name], name, ["n", "tokens", recording.widths[name]])
    path = cache_dir() / "train" / "ranges.onnx"
    path.parent.mkdir(parents=True, exist_ok=True)
    graph.save(path, {})
    session = ort.InferenceSession(path, providers=["CPUExecutionProvider"])
    tokenizer = Tokenizer.from_file(str(folder / TOKENIZER_FILE))
    tokenizer.no_padding()
    ranges: dict[str, np.ndarray] = {}
    for text in _texts():
        token_ids = np.array([tokenizer.encode(text).ids], np.int32)
        feeds = {"token_ids": token_ids, "attention_mask": np.ones_like(token_ids)}
        for name, values in zip(names, session.run(names, feeds), strict=True):
            low, high = values[0].min(axis=0), values[0].max(axis=0)
            ranges[f"{name}.low"] = np.minimum(ranges.get(f"{name}.low", low), low)
            ranges[f"{name}.high"] = np.maximum(ranges.get(f"{name}.high", high), high)
    small = {name: values.astype(np.float16) for name, values in ranges.items()}
    write_safetensors(PACKAGE_DIR / RANGES_FILE, small, {"texts": str(len(_texts()))})


def _texts() -> list[str]:
    words = [text for word in WORDS for text in word.texts]
    pairs = zip(words, itertools.cycle(SPOKEN_COLOURS), strict=False)
    return [*SENTENCES, *(f"{colour} {word} for women" for word, colour in pairs), *words]


if __name__ == "__main__":
    main()
