"""From a model's folder and manifest to the spec and the two towers."""

from dataclasses import dataclass, replace
from pathlib import Path

from models.registry import Manifest, ModelMissing, installed, load_manifest
from servicekit.errors import FailedPrecondition
from services.embedder import preprocess
from services.embedder.backends.onnx import OnnxImageTower, OnnxOptions, OnnxTextTower
from services.embedder.domain import ModelSpec, WeakThresholds
from services.embedder.tokenizer import WordPieceTokenizer


@dataclass(frozen=True, slots=True)
class Model:
    """Everything of one embedding space, loaded."""

    spec: ModelSpec
    images: OnnxImageTower
    texts: OnnxTextTower
    tokenizer: WordPieceTokenizer

    def warm_up(self, image_max_batch: int, text_max_batch: int) -> None:
        """Blocking; runs every shape once."""
        self.images.warm_up(image_max_batch)
        self.texts.warm_up(self.spec.context_length_tokens, text_max_batch)


def load_model(name: str, options: OnnxOptions) -> Model:
    """Loads a model that `make models` has built.

    Raises:
      FailedPrecondition: it is not on this machine, or needs another execution provider.
    """
    try:
        folder: Path = installed(name)
    except ModelMissing as error:
        raise FailedPrecondition(str(error), reason="EXECUTION_PROVIDER_MISSING") from error
    spec = spec_of(load_manifest(name))
    # The text tower is int8 with kernels for the CPU; it answers in a millisecond, and a graph torn
    # between two devices would not. On one thread a batch of 8 takes a quarter less of the
    # processor and one text no longer: the layers are too small to be worth a second thread.
    text_options = replace(options, provider="cpu", threads=1)
    return Model(
        spec,
        OnnxImageTower(folder / "image.onnx", options),
        OnnxTextTower(folder / "text.onnx", text_options),
        WordPieceTokenizer(folder / "tokenizer.json", spec.context_length_tokens),
    )


def spec_of(manifest: Manifest) -> ModelSpec:
    """What the manifest says about the space."""
    properties = manifest.properties
    weak = properties["weak_below"]
    return ModelSpec(
        embedding_version=manifest.version,
        model=manifest.name,
        dimension=int(properties["dimension"]),
        image_preprocessing=preprocess.DESCRIPTION,
        image_side_px=preprocess.SIDE_PX,
        context_length_tokens=int(properties["context_length_tokens"]),
        weak_below=WeakThresholds(
            text=float(weak["text"]), image=float(weak["image"]), product=float(weak["product"])
        ),
        licence=f"{manifest.licence}; {manifest.origin}",
    )
