"""The two towers on ONNX Runtime: CUDA if it is there, else the CPU."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import onnxruntime as ort

from servicekit.errors import FailedPrecondition
from services.embedder.domain import Pixels, Tokens, Vector

_PROVIDERS = {"cuda": "CUDAExecutionProvider", "cpu": "CPUExecutionProvider"}
_CUDA_OPTIONS = {
    # The exhaustive search would make the first request of every new shape seconds slow.
    "cudnn_conv_algo_search": "HEURISTIC",
    "arena_extend_strategy": "kSameAsRequested",
}
# Texts are padded to a multiple of this: few shapes, little waste.
_LENGTH_STEP = 4
# Padded tokens in one run of the network; longer texts run in smaller groups.
_MAX_TOKENS_PER_RUN = 1024


@dataclass(frozen=True, slots=True)
class OnnxOptions:
    """How the networks run.

    provider: cuda, cpu, or auto for the first of them that loads.
    strict: refuse to start if `provider` is cuda and CUDA did not load.
    threads: of the tower; 0 takes all cores.
    """

    provider: Literal["auto", "cuda", "cpu"]
    strict: bool
    threads: int


class OnnxImageTower:
    """Prepared pixels to vectors."""

    def __init__(self, path: Path, options: OnnxOptions) -> None:
        self._session = _session(path, options)
        self.provider: str = self._session.get_providers()[0]
        shape = self._session.get_inputs()[0].shape
        self._input_shape = (int(shape[1]), int(shape[2]), int(shape[3]))

    def embed(self, batch: Sequence[Pixels]) -> list[Vector]:
        """float32 (dimension,) of length 1 for each uint8 (260, 260, 4)."""
        vectors = self._session.run(None, {"pixels_rgba": np.stack(batch)})[0]
        return list(vectors)

    def warm_up(self, max_batch_size: int) -> None:
        """Runs the smallest and the largest batch, so that no request is the first."""
        blank = np.full(self._input_shape, 255, np.uint8)
        for size in sorted({1, max_batch_size}):
            self.embed([blank] * size)


class OnnxTextTower:
    """Tokens to vectors."""

    def __init__(self, path: Path, options: OnnxOptions) -> None:
        self._session = _session(path, options)
        self.provider: str = self._session.get_providers()[0]

    def embed(self, batch: Sequence[Tokens]) -> list[Vector]:
        """float32 (dimension,) of length 1 for each; texts of like length run together."""
        vectors: list[Vector | None] = [None] * len(batch)
        for rows in length_groups([len(tokens.ids) for tokens in batch]):
            length = -(-max(len(batch[i].ids) for i in rows) // _LENGTH_STEP) * _LENGTH_STEP
            ids = np.zeros((len(rows), length), np.int32)
            mask = np.zeros_like(ids)
            for row, i in enumerate(rows):
                ids[row, : len(batch[i].ids)] = batch[i].ids
                mask[row, : len(batch[i].ids)] = 1
            outputs = self._session.run(None, {"token_ids": ids, "attention_mask": mask})[0]
            for row, i in enumerate(rows):
                vectors[i] = outputs[row]
        return [vector for vector in vectors if vector is not None]

    def warm_up(self, context_length: int, max_batch_size: int) -> None:
        """Runs every padded length once, and the usual length as a full batch."""
        for length in range(_LENGTH_STEP, context_length + 1, _LENGTH_STEP):
            self.embed([Tokens(np.ones(length, np.int32), False)])
        self.embed([Tokens(np.ones(_LENGTH_STEP, np.int32), False)] * max_batch_size)


def length_groups(lengths: Sequence[int]) -> list[list[int]]:
    """Indices of texts that run together: equal padded lengths, at most 1024 padded tokens."""
    groups: list[list[int]] = []
    current: tuple[int, list[int]] = (0, [])
    for i in sorted(range(len(lengths)), key=lambda i: lengths[i]):
        padded = -(-lengths[i] // _LENGTH_STEP) * _LENGTH_STEP
        length, group = current
        if padded != length or (len(group) + 1) * padded > _MAX_TOKENS_PER_RUN:
            current = (padded, [])
            groups.append(current[1])
        current[1].append(i)
    return groups


def _session(path: Path, options: OnnxOptions) -> ort.InferenceSession:
    settings = ort.SessionOptions()
    settings.intra_op_num_threads = options.threads
    # Threads that spin for work starve the other services of the same machine.
    settings.add_session_config_entry("session.intra_op.allow_spinning", "0")
    available = ort.get_available_providers()
    wanted: list[Any] = []
    if options.provider != "cpu" and _PROVIDERS["cuda"] in available:
        # CUDA's libraries come as wheels, where no loader looks.
        ort.preload_dlls()
        wanted.append((_PROVIDERS["cuda"], _CUDA_OPTIONS))
    wanted.append(_PROVIDERS["cpu"])
    session = ort.InferenceSession(path, settings, providers=wanted)
    # Asked for CUDA where it cannot load, the runtime only logs and takes the CPU.
    if options.strict and options.provider == "cuda":
        provider = session.get_providers()[0]
        if provider != _PROVIDERS["cuda"]:
            raise FailedPrecondition(
                f"{_PROVIDERS['cuda']} was asked for and {provider} loaded.",
                reason="EXECUTION_PROVIDER_MISSING",
                metadata={"wanted": _PROVIDERS["cuda"], "loaded": provider},
            )
    return session
