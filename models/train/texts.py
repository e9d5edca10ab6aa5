"""MiniLM's frozen vectors of texts, in int8 as served, for training and measuring."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import onnxruntime as ort
from tokenizers import Tokenizer

from models.lookalike_mini import (
    MINILM_FILE,
    RANGES_FILE,
    TOKENIZER_FILE,
    build_text_tower,
)
from models.minilm import Int8Linear
from models.registry import PACKAGE_DIR, cache_dir, installed
from models.safetensors_file import read_safetensors

_BATCH = 64
_MAX_TOKENS = 128


def text_features(texts: Sequence[str], threads: int) -> npt.NDArray[np.float32]:
    """(n, 384), rows of length 1, in the texts' order."""
    folder = installed("minilm-l6")
    tower = cache_dir() / "train" / "text-features.onnx"
    ranges = read_safetensors(PACKAGE_DIR / RANGES_FILE)
    build_text_tower(folder / MINILM_FILE, Int8Linear(ranges), None, tower, "training")
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    session = ort.InferenceSession(tower, options, providers=["CPUExecutionProvider"])
    tokenizer = Tokenizer.from_file(str(folder / TOKENIZER_FILE))
    tokenizer.enable_truncation(_MAX_TOKENS)
    tokenizer.no_padding()
    encoded = [encoding.ids for encoding in tokenizer.encode_batch(list(texts))]
    order = sorted(range(len(texts)), key=lambda i: len(encoded[i]))
    result = np.empty((len(texts), 384), np.float32)
    for start in range(0, len(order), _BATCH):
        rows = order[start : start + _BATCH]
        ids = np.zeros((len(rows), max(len(encoded[i]) for i in rows)), np.int32)
        mask = np.zeros_like(ids)
        for row, i in enumerate(rows):
            ids[row, : len(encoded[i])] = encoded[i]
            mask[row, : len(encoded[i])] = 1
        result[rows] = session.run(None, {"token_ids": ids, "attention_mask": mask})[0]
    return result
