"""The two towers on ONNX Runtime: CUDA if it is there, else the CPU."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
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
    """Prepared pixels to vectors.

    Args:
      dimension: of the vectors; if the network gives more, its first so many, normalised again.
    """

    def __init__(self, path: Path, options: OnnxOptions, dimension: int) -> None:
        self._session = _session(path, options)
        self._dimension = _checked(dimension, self._session, path)
        self.provider: str = self._session.get_providers()[0]
        pixels = self._session.get_inputs()[0]
        self._input_name: str = pixels.name
        self._input_shape = (int(pixels.shape[1]), int(pixels.shape[2]), int(pixels.shape[3]))

    def embed(self, batch: Sequence[Pixels]) -> list[Vector]:
        """float32 (dimension,) of length 1 for each uint8 (height, width, channels)."""
        vectors = self._session.run(None, {self._input_name: np.stack(batch)})[0]
        return list(first_numbers(vectors, self._dimension))

    def warm_up_steps(self, max_batch_size: int) -> list[Callable[[], object]]:
        """Runs of the smallest and the largest batch, so that no request is the first."""
        blank = np.full(self._input_shape, 255, np.uint8)
        return [partial(self.embed, [blank] * size) for size in sorted({1, max_batch_size})]


class OnnxTextTower:
    """Tokens to vectors.

    A network with the input `attention_mask` is told what is padding; one without must not care
    (a causal one, whose end token stands before it) or gets texts that are padded already.

    Args:
      dimension: see OnnxImageTower.
      context_length: most tokens that the network takes.
    """

    def __init__(
        self, path: Path, options: OnnxOptions, dimension: int, context_length: int
    ) -> None:
        self._session = _session(path, options)
        self._dimension = _checked(dimension, self._session, path)
        self._context_length = context_length
        self._takes_mask = len(self._session.get_inputs()) > 1
        self.provider: str = self._session.get_providers()[0]

    def embed(self, batch: Sequence[Tokens]) -> list[Vector]:
        """float32 (dimension,) of length 1 for each; texts of like length run together."""
        vectors: list[Vector | None] = [None] * len(batch)
        for rows in length_groups([len(tokens.ids) for tokens in batch]):
            length = self._padded(max(len(batch[i].ids) for i in rows))
            ids = np.zeros((len(rows), length), np.int32)
            mask = np.zeros_like(ids)
            for row, i in enumerate(rows):
                ids[row, : len(batch[i].ids)] = batch[i].ids
                mask[row, : len(batch[i].ids)] = 1
            feeds = {"token_ids": ids}
            if self._takes_mask:
                feeds["attention_mask"] = mask
            outputs = first_numbers(self._session.run(None, feeds)[0], self._dimension)
            for row, i in enumerate(rows):
                vectors[i] = outputs[row]
        return [vector for vector in vectors if vector is not None]

    def warm_up_steps(self, least_length: int, max_batch_size: int) -> list[Callable[[], object]]:
        """Runs of every padded length from the least on, and of the least as a full batch."""

        def blank(length: int) -> Tokens:
            return Tokens(np.ones(length, np.int32), False)

        lengths = range(least_length, self._context_length + 1, _LENGTH_STEP)
        return [
            *(partial(self.embed, [blank(length)]) for length in lengths),
            partial(self.embed, [blank(least_length)] * max_batch_size),
        ]

    def _padded(self, length: int) -> int:
        return min(-(-length // _LENGTH_STEP) * _LENGTH_STEP, self._context_length)


def first_numbers(vectors: npt.NDArray[np.float32], dimension: int) -> npt.NDArray[np.float32]:
    """The first numbers of each row, of length 1 again.

    Shapes: (n, at least dimension) to (n, dimension).
    """
    if vectors.shape[1] == dimension:
        return vectors
    kept = vectors[:, :dimension]
    # Whatever has nothing there stays nothing.
    lengths = np.maximum(np.linalg.norm(kept, axis=1, keepdims=True), np.float32(1e-12))
    return np.asarray(kept / lengths, np.float32)


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


def _checked(dimension: int, session: ort.InferenceSession, path: Path) -> int:
    given = session.get_outputs()[0].shape[1]
    if not isinstance(given, int) or not 1 <= dimension <= given:
        raise ValueError(f"{path.name} gives {given} numbers, not {dimension}")
    return dimension


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
