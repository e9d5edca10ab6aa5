"""From a model's manifest and files to the spec, the preparation and the two towers."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from models.registry import InstalledModel, ManifestError, ModelMissing, installed_model
from servicekit.errors import FailedPrecondition
from services.embedder import preprocess
from services.embedder.backends.onnx import OnnxImageTower, OnnxOptions, OnnxTextTower
from services.embedder.calibration import calibration_of
from services.embedder.domain import ModelSpec, Pixels, Rgb
from services.embedder.preprocess_clip import clip_preprocessing
from services.embedder.tokenizer import ModelTokenizer, TokenRule, token_rule

Prepare = Callable[[Pixels, Rgb | None], Pixels]

# A text tower smaller than this answers in a millisecond on one thread of the CPU, where a batch of
# 8 takes a quarter less of the processor than on two and one text no longer; a graph torn between
# two devices would not. Those of the CLIP family are larger and run as the images do.
_SMALL_TOWER_BYTES = 40_000_000


@dataclass(frozen=True, slots=True)
class Model:
    """Everything of one embedding space, loaded."""

    spec: ModelSpec
    images: OnnxImageTower
    texts: OnnxTextTower
    tokenizer: ModelTokenizer
    prepare: Prepare
    """Pixels and the colour behind the garment to the image tower's input."""
    least_tokens: int
    """What the shortest text has, padded."""

    def warm_up_steps(
        self, image_max_batch: int, text_max_batch: int
    ) -> list[Callable[[], object]]:
        """Runs of every shape, each blocking."""
        return [
            *self.images.warm_up_steps(image_max_batch),
            *self.texts.warm_up_steps(self.least_tokens, text_max_batch),
        ]


@dataclass(frozen=True, slots=True)
class ImageRule:
    """How pictures are prepared: the manifest's `[properties.preprocessing]`, made callable."""

    prepare: Prepare
    side_px: int
    description: str


def load_model(name: str, options: OnnxOptions) -> Model:
    """Loads a model that `make models` has built.

    Raises:
      FailedPrecondition: it is not on this machine, its manifest cannot be served, or it needs
        another execution provider.
    """
    try:
        found = installed_model(name)
        rule, tokens = image_rule(found.properties), token_rule(found.properties)
        spec = spec_of(found)
        tokenizer = ModelTokenizer(found.files["tokenizer.json"], tokens)
        texts = found.files["text.onnx"]
        return Model(
            spec,
            OnnxImageTower(found.files["image.onnx"], options, spec.dimension),
            OnnxTextTower(
                texts, _text_options(texts, options), spec.dimension, tokens.context_length
            ),
            tokenizer,
            rule.prepare,
            _least_tokens(tokens),
        )
    except ModelMissing as error:
        raise FailedPrecondition(str(error), reason="EXECUTION_PROVIDER_MISSING") from error
    except (ManifestError, KeyError, TypeError, ValueError) as error:
        raise FailedPrecondition(
            f"model {name} cannot be served: {error}", reason="EXECUTION_PROVIDER_MISSING"
        ) from error


def spec_of(found: InstalledModel) -> ModelSpec:
    """What the manifest and the build say about the space."""
    rule = image_rule(found.properties)
    dimension = int(found.properties["dimension"])
    return ModelSpec(
        embedding_version=found.version,
        model=found.manifest.name,
        dimension=dimension,
        image_preprocessing=rule.description,
        image_side_px=rule.side_px,
        context_length_tokens=token_rule(found.properties).context_length,
        calibration=calibration_of(found.properties, dimension),
        licence=f"{found.manifest.licence}; {found.manifest.origin}",
        photograph_weight=float(found.properties.get("photograph_weight", 0.0)),
    )


def image_rule(properties: Mapping[str, Any]) -> ImageRule:
    """How pictures are prepared for a model with these properties.

    Raises:
      KeyError, TypeError, ValueError: they do not say it.
    """
    table = properties.get("preprocessing", {"kind": "garment-rgba"})
    if table["kind"] == "garment-rgba":
        side_px = int(table.get("side_px", preprocess.SIDE_PX))
        return ImageRule(
            partial(preprocess.prepare_image, side_px=side_px),
            side_px,
            preprocess.description(side_px),
        )
    rule = clip_preprocessing(table)
    return ImageRule(rule.prepare, rule.side_px, rule.description)


def _text_options(text_tower: Path, options: OnnxOptions) -> OnnxOptions:
    if text_tower.stat().st_size < _SMALL_TOWER_BYTES:
        return replace(options, provider="cpu", threads=1)
    return options


def _least_tokens(rule: TokenRule) -> int:
    return rule.context_length if rule.pad_to_context else 4
