"""The segmentation networks on ONNX Runtime: CUDA if it is there, else the CPU."""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np
import numpy.typing as npt
import onnxruntime as ort
from PIL import Image

from models.registry import Manifest, ModelMissing, installed, load_manifest, read_receipt
from servicekit.config import ConfigError
from servicekit.errors import FailedPrecondition
from services.segmenter.backends.cpu_features import has_int8_dot_products
from services.segmenter.domain import (
    CLASSES,
    Backend,
    BackendSpec,
    Garment,
    NetworkInput,
    PixelsHWC,
    Probabilities,
    Scores,
)

Variant = Literal["auto", "fp32", "int8", "u2netp"]
CUDA: Final = "CUDAExecutionProvider"
CPU: Final = "CPUExecutionProvider"
_MODELS: Final = {"fp32": "u2net-cloth", "int8": "u2net-cloth-int8", "u2netp": "u2netp"}
_CUDA_OPTIONS: Final = {
    # The exhaustive search would make the first request of every new shape seconds slow.
    "cudnn_conv_algo_search": "HEURISTIC",
    "arena_extend_strategy": "kSameAsRequested",
}


@dataclass(frozen=True, slots=True)
class OnnxOptions:
    """How the network runs.

    variant: auto takes int8 on a CPU with VNNI unless CUDA is used, else fp32.
    provider: cuda, cpu, or auto for the first of them that loads.
    strict: refuse to start if `provider` is cuda and CUDA did not load.
    threads: of one run; 0 takes all cores that this process may use.
    """

    variant: Variant = "auto"
    provider: Literal["auto", "cuda", "cpu"] = "auto"
    strict: bool = False
    threads: int = 0


def load_backend(options: OnnxOptions) -> Backend:
    """Loads the chosen network.

    Raises:
      FailedPrecondition: EXECUTION_PROVIDER_MISSING.
      ConfigError: the variant's model is not on this machine.
    """
    if options.variant != "auto":
        return _load(options.variant, options)
    on_cpu: Literal["fp32", "int8"] = "int8" if has_int8_dot_products() else "fp32"
    if options.provider == "cpu" or CUDA not in ort.get_available_providers():
        return _load(on_cpu, options)
    backend = _load("fp32", options)
    if on_cpu == "fp32" or backend.spec.execution_provider == CUDA:
        return backend
    # That CUDA is there says only that its wheel is installed; without a GPU it does not load.
    return _load(on_cpu, options)


def _load(variant: Literal["fp32", "int8", "u2netp"], options: OnnxOptions) -> Backend:
    try:
        folder = installed(_MODELS[variant])
    except ModelMissing as error:
        raise ConfigError([str(error)]) from error
    manifest = load_manifest(_MODELS[variant])
    session = _session(folder / "model.onnx", options)
    spec = _spec(variant, manifest, folder, session.get_providers()[0])
    if variant == "u2netp":
        return SalientBackend(session, spec)
    return ClothBackend(session, spec)


class ClothBackend:
    """U2NET, four classes: background, upper, lower, full."""

    def __init__(self, session: ort.InferenceSession, spec: BackendSpec) -> None:
        self._session = session
        self.spec = spec

    def preprocess(self, pixels_hwc: PixelsHWC) -> NetworkInput:
        """Source: infer.py of github.com/levindabhi/cloth-segmentation (bicubic, mean and std
        0.5)."""
        squeezed = _squeezed(pixels_hwc, self.spec.input_side_px, Image.Resampling.BICUBIC)
        return _channels_first(squeezed) * np.float32(1 / 127.5) - np.float32(1.0)

    def forward(self, batch: Sequence[NetworkInput]) -> list[Scores]:
        """Logits (4, side, side) for each."""
        return _forward(self._session, batch)

    def postprocess(self, scores: Scores) -> Probabilities:
        """Softmax over the classes."""
        exponentials = np.exp(scores - scores.max(axis=0))
        exponentials /= exponentials.sum(axis=0)
        return Probabilities(
            1.0 - exponentials[0],
            {garment: exponentials[garment.value] for garment in CLASSES},
        )

    def warm_up_steps(self, max_batch_size: int) -> list[Callable[[], object]]:
        return _warm_up_steps(self._session, self.spec.input_side_px, max_batch_size)


class SalientBackend:
    """U2NETP: the salient thing in the picture, taken as the union of all clothing."""

    _MEAN: Final = np.array([0.485, 0.456, 0.406], np.float32)[:, np.newaxis, np.newaxis]
    _STD: Final = np.array([0.229, 0.224, 0.225], np.float32)[:, np.newaxis, np.newaxis]

    def __init__(self, session: ort.InferenceSession, spec: BackendSpec) -> None:
        self._session = session
        self.spec = spec

    def preprocess(self, pixels_hwc: PixelsHWC) -> NetworkInput:
        """Source: ToTensorLab in data_loader.py of github.com/xuebinqin/U-2-Net, which divides by
        the picture's own maximum."""
        squeezed = _squeezed(pixels_hwc, self.spec.input_side_px, Image.Resampling.LANCZOS)
        channels = _channels_first(squeezed)
        channels /= max(float(channels.max()), 1e-6)
        channels -= self._MEAN
        channels /= self._STD
        return channels

    def forward(self, batch: Sequence[NetworkInput]) -> list[Scores]:
        """A probability map (1, side, side) for each."""
        return _forward(self._session, batch)

    def postprocess(self, scores: Scores) -> Probabilities:
        return Probabilities(scores[0], {})

    def warm_up_steps(self, max_batch_size: int) -> list[Callable[[], object]]:
        return _warm_up_steps(self._session, self.spec.input_side_px, max_batch_size)


def _squeezed(
    pixels_hwc: PixelsHWC, side_px: int, filter_: Image.Resampling
) -> npt.NDArray[np.uint8]:
    """The picture as a square: its aspect is lost, as in the networks' training."""
    return np.asarray(Image.fromarray(pixels_hwc).resize((side_px, side_px), filter_))


def _channels_first(pixels_hwc: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
    return np.ascontiguousarray(pixels_hwc.transpose(2, 0, 1)).astype(np.float32)


def _forward(session: ort.InferenceSession, batch: Sequence[NetworkInput]) -> list[Scores]:
    [name] = [tensor.name for tensor in session.get_inputs()]
    return list(session.run(None, {name: np.stack(batch)})[0])


def _warm_up_steps(
    session: ort.InferenceSession, side_px: int, max_batch_size: int
) -> list[Callable[[], object]]:
    blank = np.zeros((3, side_px, side_px), np.float32)
    return [partial(_forward, session, [blank] * size) for size in sorted({1, max_batch_size})]


def _session(path: Path, options: OnnxOptions) -> ort.InferenceSession:
    settings = ort.SessionOptions()
    settings.intra_op_num_threads = options.threads or _usable_cores()
    # Threads that spin for work starve the decoding beside them and the other services.
    settings.add_session_config_entry("session.intra_op.allow_spinning", "0")
    wanted: list[Any] = []
    if options.provider != "cpu" and CUDA in ort.get_available_providers():
        # CUDA's libraries come as wheels, where no loader looks.
        ort.preload_dlls()
        wanted.append((CUDA, _CUDA_OPTIONS))
    wanted.append(CPU)
    session = ort.InferenceSession(path, settings, providers=wanted)
    loaded = session.get_providers()[0]
    # Asked for CUDA where it cannot load, the runtime only logs and takes the CPU.
    if options.strict and options.provider == "cuda" and loaded != CUDA:
        raise FailedPrecondition(
            f"{CUDA} was asked for and {loaded} loaded.",
            reason="EXECUTION_PROVIDER_MISSING",
            metadata={"wanted": CUDA, "loaded": loaded},
        )
    return session


def _usable_cores() -> int:
    # The runtime's own default counts physical cores of the machine, not those of the container.
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _spec(variant: str, manifest: Manifest, folder: Path, provider: str) -> BackendSpec:
    classes = () if variant == "u2netp" else CLASSES
    return BackendSpec(
        model_version=manifest.version,
        variant=variant,
        execution_provider=provider,
        model_sha256=read_receipt(folder)["files"]["model.onnx"]["sha256"],
        input_side_px=int(manifest.properties["side_px"]),
        garments=(*classes, Garment.UNION),
        licence=f"{manifest.licence}; {manifest.origin}",
    )
