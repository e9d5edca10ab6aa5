"""Build step of the hub's models: a checkpoint becomes image.onnx, text.onnx and tokenizer.json.

What is written is compared with the checkpoint in torch before it is let through: pixels and token
ids must be the same to the byte, vectors as near as LEAST_COSINES says.

Reads from the environment: VARIANT (fp32, fp16, int8; unset: int8 on CPUs with integer dot
products if it is near enough, else fp32) and CALIBRATION (a folder of photographs for int8, in
place of the generated ones).
"""

import hashlib
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnxruntime as ort
from PIL import Image, ImageOps

from models.clip.golden import (
    CALIBRATION_TEXTS,
    GOLDEN_TEXTS,
    calibration_pictures,
    golden_pictures,
)
from models.clip.graph import (
    IMAGE_INPUT,
    TEXT_INPUT,
    Embedding,
    add_image_tower,
    add_text_tower,
)
from models.clip.reference import Pixels, Reference, Vectors, load_reference, normalisation_table
from models.clip.variants import LADDER, Tower, measure_ranges, write_fp16, write_fp32, write_int8
from models.cpu import has_integer_dot_products
from models.fetch import BuildContext, Built
from models.manifest import overlaid
from models.minilm import Linear
from models.onnx_graph import GraphWriter
from models.packages import FetchError
from services.embedder.preprocess_clip import clip_preprocessing
from services.embedder.tokenizer import ModelTokenizer, token_rule

LEAST_COSINES = {"fp32": 0.9999, "fp16": 0.999, "int8": 0.99}
_IMAGE_FILE, _TEXT_FILE, _TOKENIZER_FILE = "image.onnx", "text.onnx", "tokenizer.json"
_BATCH = 4


def build(context: BuildContext) -> Built:
    """Writes the three files.

    Raises:
      FetchError: the checkpoint cannot be read, or what was made of it is not near enough to it.
    """
    variant = context.env.get("VARIANT", "")
    if variant not in ("", *LEAST_COSINES):
        raise FetchError(f"VARIANT={variant} is none of {', '.join(LEAST_COSINES)}")
    try:
        reference = load_reference(context.manifest.properties["layout"], context.folder)
    except Exception as error:
        # Three libraries read it, and a damaged file makes each raise something of its own.
        raise FetchError(
            f"{context.manifest.name}: the checkpoint cannot be read: {error or repr(error)}"
        ) from error
    found = {
        "dimension": len(reference.text.projection.bias),
        "preprocessing": dict(reference.preprocessing),
        "tokenizer": dict(reference.tokenizer),
    }
    properties = overlaid(context.manifest.properties, found)
    for difference in _differences(context.manifest.properties, found):
        context.say(f"  the checkpoint's own files win: {difference}")
    export = _Export(context, reference, properties)
    export.check_inputs()
    chosen, report = export.write(variant)
    digest = hashlib.sha256(
        "".join(f"{path}:{sha}\n" for path, sha in sorted(context.sha256s.items())).encode()
    )
    version = f"{context.manifest.version}-{chosen}-{digest.hexdigest()[:8]}"
    return Built(version, found, chosen, {**report, "sources": dict(context.sha256s)})


class _Export:
    """One checkpoint on its way."""

    def __init__(
        self, context: BuildContext, reference: Reference, properties: Mapping[str, Any]
    ) -> None:
        self._context = context
        self._reference = reference
        self._rule = clip_preprocessing(properties["preprocessing"])
        table = properties["preprocessing"]
        self._table = normalisation_table(table["mean"], table["std"], table["arithmetic"])
        (context.folder / _TOKENIZER_FILE).write_text(reference.tokenizer_json())
        self._tokenizer = ModelTokenizer(context.folder / _TOKENIZER_FILE, token_rule(properties))
        self._image = Tower("image", partial(_add_image, reference, self._table))
        self._text = Tower("text", partial(_add_text, reference))
        self._pictures = [self._rule.prepare(picture) for picture in golden_pictures()]
        self._ids = reference.token_ids(GOLDEN_TEXTS)
        self._image_truth = _in_batches(reference.embed_images, self._values(self._pictures))
        self._text_truth = _in_batches(reference.embed_texts, self._ids)

    def check_inputs(self) -> None:
        """Pixels and token ids as the reference makes them, to the byte.

        Raises:
          FetchError: they are not.
        """
        name = self._context.manifest.name
        values = self._values(self._pictures)
        for picture, ours in zip(golden_pictures(), values, strict=True):
            if not np.array_equal(ours, self._reference.pixel_values(picture)):
                raise FetchError(f"{name}: a {picture.shape} picture is not prepared as it must be")
        for text, row in zip(GOLDEN_TEXTS, self._ids, strict=True):
            ids = self._tokenizer.encode(text).ids
            if not np.array_equal(ids, row[: len(ids)]) or not self._only_padding(row[len(ids) :]):
                raise FetchError(f"{name}: the text {text[:40]!r} has other token ids than it must")

    def write(self, variant: str) -> tuple[str, dict[str, Any]]:
        """Writes the towers; returns the variant that was written and what was measured.

        Raises:
          FetchError: they are not near enough to the reference.
        """
        if variant:
            return variant, self._write_checked(variant)
        if has_integer_dot_products():
            try:
                return "int8", self._write_checked("int8")
            except FetchError as error:
                self._context.say(f"  {error}; taking fp32")
        return "fp32", self._write_checked("fp32")

    def _write_checked(self, variant: str) -> dict[str, Any]:
        if variant == "int8":
            return self._write_int8()
        write = write_fp32 if variant == "fp32" else write_fp16
        for tower, path in self._files():
            write(tower, path, self._metadata(variant))
        return self._judged(variant, {})

    def _write_int8(self) -> dict[str, Any]:
        report: dict[str, Any] = {}
        with tempfile.TemporaryDirectory() as scratch:
            for tower, path in self._files():
                batches = self._image_batches() if tower is self._image else self._text_batches()
                ranges = measure_ranges(tower, batches, Path(scratch))
                for floats in LADDER:
                    write_int8(tower, ranges, floats, path, self._metadata("int8"))
                    report[f"{tower.name}_float_layers"] = list(floats)
                    if self._cosine(tower) >= LEAST_COSINES["int8"]:
                        break
        return self._judged("int8", report)

    def _judged(self, variant: str, report: dict[str, Any]) -> dict[str, Any]:
        for tower, _ in self._files():
            cosine = self._cosine(tower)
            report[f"{tower.name}_least_cosine"] = round(cosine, 7)
            self._context.say(f"  {tower.name} {variant}: cosine {cosine:.6f} at least")
            if not cosine >= LEAST_COSINES[variant]:
                raise FetchError(
                    f"{self._context.manifest.name}: the {tower.name} tower in {variant} is only "
                    f"{cosine:.5f} near its reference, {LEAST_COSINES[variant]} is wanted"
                )
        return report

    def _cosine(self, tower: Tower) -> float:
        path = self._context.folder / f"{tower.name}.onnx"
        session = ort.InferenceSession(path, providers=["CPUExecutionProvider"])
        if tower is self._image:
            feeds = [{IMAGE_INPUT: np.stack([picture])} for picture in self._pictures]
            truth = self._image_truth
        else:
            feeds = [{TEXT_INPUT: self._tokenizer.encode(text).ids[None]} for text in GOLDEN_TEXTS]
            truth = self._text_truth
        vectors = np.concatenate([session.run(None, feed)[0] for feed in feeds])
        return float((vectors.astype(np.float64) * truth).sum(axis=1).min())

    def _files(self) -> Sequence[tuple[Tower, Path]]:
        folder = self._context.folder
        return ((self._image, folder / _IMAGE_FILE), (self._text, folder / _TEXT_FILE))

    def _values(self, pictures: Sequence[Pixels]) -> Vectors:
        return np.stack([_looked_up(self._table, picture) for picture in pictures])

    def _only_padding(self, rest: npt.NDArray[np.int64]) -> bool:
        # Also where we do not pad: behind the end token of a causal model nothing else may stand.
        return bool((rest == self._reference.tokenizer["pad_id"]).all())

    def _image_batches(self) -> Iterator[dict[str, npt.NDArray[np.generic]]]:
        folder = self._context.env.get("CALIBRATION", "")
        for picture in _photographs(Path(folder)) if folder else calibration_pictures():
            yield {IMAGE_INPUT: self._rule.prepare(picture)[None]}

    def _text_batches(self) -> Iterator[dict[str, npt.NDArray[np.generic]]]:
        for text in CALIBRATION_TEXTS:
            yield {TEXT_INPUT: self._tokenizer.encode(text).ids[None]}

    def _metadata(self, variant: str) -> dict[str, str]:
        return {"model": self._context.manifest.version, "variant": variant}


def _add_image(
    reference: Reference, table: Vectors, graph: GraphWriter, linear: Linear, _: Embedding
) -> str:
    return add_image_tower(graph, reference.image, table, linear)


def _add_text(
    reference: Reference, graph: GraphWriter, linear: Linear, embedding: Embedding
) -> str:
    return add_text_tower(graph, reference.text, linear, embedding)


def _looked_up(table: Vectors, picture: Pixels) -> Vectors:
    """float32 (3, side, side), as the first nodes of the image tower make it."""
    return np.stack([table[channel][picture[:, :, channel]] for channel in range(3)])


def _in_batches(embed: Any, inputs: npt.NDArray[Any]) -> Vectors:
    parts = [embed(inputs[start : start + _BATCH]) for start in range(0, len(inputs), _BATCH)]
    return np.concatenate(parts)


def _photographs(folder: Path) -> Iterator[Pixels]:
    names = sorted(path for path in folder.rglob("*") if path.suffix.lower() in (".jpg", ".png"))
    if not names:
        raise FetchError(f"CALIBRATION={folder} holds no photographs (.jpg, .png)")
    for path in names[:200]:
        with Image.open(path) as picture:
            yield np.asarray(ImageOps.exif_transpose(picture).convert("RGB"))


def _differences(said: Mapping[str, Any], found: Mapping[str, Any]) -> list[str]:
    lines = []
    for key, value in found.items():
        if isinstance(value, Mapping):
            lines += [f"{key}.{line}" for line in _differences(said.get(key, {}), value)]
        elif key in said and said[key] != value:
            lines.append(f"{key} = {value!r}, not {said[key]!r}")
    return lines
