"""Models of the hub, from a checkpoint in their file layout to what the embedder serves.

Every architecture goes the way of `make models MODEL=... MODEL_DIR=...` and is then loaded by the
embedder's own code; what comes out is compared with the libraries that the checkpoints are made
for. The weights are random: the real ones are not on any package registry.
"""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import onnxruntime as ort
import pytest
import torch
from PIL import Image

from models import fetch as fetching
from models.clip.build import LEAST_COSINES
from models.clip.golden import GOLDEN_TEXTS, golden_pictures
from models.clip.torch_library import torch_library
from models.registry import MANIFEST_DIR, read_receipt
from services.embedder.backends.onnx import OnnxOptions
from services.embedder.model import Model, load_model
from tests.models.checkpoints import ARCHITECTURES

OPTIONS = OnnxOptions(provider="cpu", strict=False, threads=2)
# Torch complains about itself, and the hub's libraries about torch.
pytestmark = pytest.mark.filterwarnings("default")


@dataclass(frozen=True, slots=True)
class Truth:
    """What the reference library makes of the golden pictures and texts."""

    pixel_values: npt.NDArray[np.float32]
    token_ids: npt.NDArray[np.int64]
    images: npt.NDArray[np.float32]
    texts: npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Case:
    """An architecture's checkpoint and the cache that its models are built in."""

    name: str
    folder: Path
    cache: Path
    truth: Truth


def by_transformers(folder: Path) -> Truth:
    library = torch_library("transformers")
    model = library.AutoModel.from_pretrained(folder).eval()
    pictures = [Image.fromarray(picture) for picture in golden_pictures()]
    is_clip = type(model).__name__ == "CLIPModel"
    kind = library.CLIPImageProcessorPil if is_clip else library.SiglipImageProcessorPil
    values = kind.from_pretrained(folder)(images=pictures, return_tensors="pt").pixel_values
    if is_clip:
        tokenizer = library.CLIPTokenizer.from_pretrained(folder)
    elif (folder / "spiece.model").exists():
        tokenizer = library.SiglipTokenizer.from_pretrained(folder)
    else:
        tokenizer = library.Siglip2Tokenizer.from_pretrained(folder, padding_side="right")
    length = model.config.text_config.max_position_embeddings
    ids = tokenizer(
        list(GOLDEN_TEXTS),
        padding="max_length",
        max_length=length,
        truncation=True,
        return_tensors="pt",
    ).input_ids
    with torch.no_grad():
        images = model.get_image_features(pixel_values=values).pooler_output
        texts = model.get_text_features(input_ids=ids).pooler_output
    return truth(values, ids, images, texts)


def by_open_clip(folder: Path) -> Truth:
    library = torch_library("open_clip")
    model, _, transform = library.create_model_and_transforms(f"local-dir:{folder}")
    values = torch.stack([transform(Image.fromarray(picture)) for picture in golden_pictures()])
    ids = library.get_tokenizer(f"local-dir:{folder}")(list(GOLDEN_TEXTS))
    with torch.no_grad():
        images, texts = model.eval().encode_image(values), model.encode_text(ids)
    return truth(values, ids, images, texts)


def truth(values: Any, ids: Any, images: Any, texts: Any) -> Truth:
    units = [torch.nn.functional.normalize(vectors, dim=-1).numpy() for vectors in (images, texts)]
    return Truth(values.numpy(), ids.numpy(), *units)


@pytest.fixture(scope="module", params=list(ARCHITECTURES))
def case(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Case:
    name = request.param
    folder, cache = tmp_path_factory.mktemp("checkpoint"), tmp_path_factory.mktemp("cache")
    ARCHITECTURES[name].make(folder)
    manifest = (MANIFEST_DIR / f"{name}.toml").read_text()
    reference = by_open_clip if 'layout = "open_clip"' in manifest else by_transformers
    # The same manifest under another name: other weights than those that it pins.
    manifest = re.sub(r"^(sha256|size_bytes) = .*\n", "", manifest, flags=re.MULTILINE)
    manifest = manifest.replace(f'name = "{name}"', 'name = "mine"')
    (cache / "manifests").mkdir()
    (cache / "manifests" / "mine.toml").write_text(manifest.replace(f'"{name}-1"', '"mine-1"'))
    return Case(name, folder, cache, reference(folder))


def served(case: Case, variant: str, monkeypatch: pytest.MonkeyPatch) -> Model:
    monkeypatch.setenv("LOOKALIKE_CACHE", str(case.cache))
    monkeypatch.setenv("MODEL_DIR", str(case.folder))
    monkeypatch.setenv("VARIANT", variant)
    assert fetching.main(["mine"]) == 0
    return load_model("mine", OPTIONS)


def least_cosine(found: Any, expected: npt.NDArray[np.float32]) -> float:
    return float((np.stack(found).astype(np.float64) * expected).sum(axis=1).min())


def test_fp32_is_the_reference_to_the_pixel_and_to_the_token(
    case: Case, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = served(case, "fp32", monkeypatch)
    spec = model.spec
    assert spec.dimension == ARCHITECTURES[case.name].dimension
    assert spec.image_side_px == 224
    assert spec.embedding_version.startswith("mine-1-fp32-")

    pictures = [model.prepare(picture, None) for picture in golden_pictures()]
    values = normalised(case, pictures)
    assert values.tobytes() == case.truth.pixel_values.tobytes()

    tokens = [model.tokenizer.encode(text) for text in GOLDEN_TEXTS]
    for text, ours, theirs in zip(GOLDEN_TEXTS, tokens, case.truth.token_ids, strict=True):
        count = len(ours.ids)
        assert ours.ids.tobytes() == theirs[:count].astype(np.int32).tobytes(), text
        assert len(set(theirs[count:])) <= 1, text
    # No vocabulary was learnt from this one, so it is too long for every case.
    long = model.tokenizer.encode(
        "".join(chr(97 + (number * number * 13 + number // 3) % 26) for number in range(3000))
    )
    assert long.truncated
    assert len(long.ids) == spec.context_length_tokens
    assert long.ids[-1] == model_end(case)

    images, texts = model.images.embed(pictures), model.texts.embed(tokens)
    assert least_cosine(images, case.truth.images) >= LEAST_COSINES["fp32"]
    assert least_cosine(texts, case.truth.texts) >= LEAST_COSINES["fp32"]
    # Vectors that were all one would pass anything.
    for vectors in (images, texts):
        similar = np.stack(vectors) @ np.stack(vectors).T
        assert np.median(similar) < 0.995


@pytest.mark.parametrize("variant", ["fp16", "int8"])
def test_smaller_variants_are_near_the_reference_and_keep_to_themselves(
    case: Case, variant: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = served(case, variant, monkeypatch)
    pictures = [model.prepare(picture, None) for picture in golden_pictures()]
    tokens = [model.tokenizer.encode(text) for text in GOLDEN_TEXTS]
    images, texts = model.images.embed(pictures), model.texts.embed(tokens)
    assert least_cosine(images, case.truth.images) >= LEAST_COSINES[variant]
    assert least_cosine(texts, case.truth.texts) >= LEAST_COSINES[variant]
    alone = [model.images.embed([picture])[0] for picture in pictures[:3]]
    np.testing.assert_allclose(np.stack(images[:3]), np.stack(alone), atol=1e-4)
    alone = [model.texts.embed([token])[0] for token in tokens[:5]]
    np.testing.assert_allclose(np.stack(texts[:5]), np.stack(alone), atol=1e-4)
    receipt = read_receipt(case.cache / "models" / "mine")
    assert receipt["variant"] == variant
    assert receipt["report"]["image_least_cosine"] >= LEAST_COSINES[variant]


def test_an_export_that_is_not_near_enough_is_refused(
    case: Case, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    if case.name != "clip-vit-b-32":
        pytest.skip("one architecture shows it")
    served(case, "fp32", monkeypatch)
    before = read_receipt(case.cache / "models" / "mine")
    monkeypatch.setitem(LEAST_COSINES, "int8", 1.1)
    monkeypatch.setenv("VARIANT", "int8")
    assert fetching.main(["mine"]) == 1
    assert "1.1 is wanted" in capsys.readouterr().err
    # What was there is still there.
    assert read_receipt(case.cache / "models" / "mine") == before


def normalised(case: Case, pictures: list[npt.NDArray[np.uint8]]) -> npt.NDArray[np.float32]:
    """float32 (n, 3, 224, 224): what the network's first nodes make of prepared pictures."""
    model = onnx.load(case.cache / "models" / "mine" / "image.onnx")
    lookup = next(node for node in model.graph.node if node.op_type == "Gather")
    model.graph.output.append(onnx.helper.make_tensor_value_info(lookup.output[0], 1, None))
    session = ort.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    patches = session.run([lookup.output[0]], {"pixels_rgb": np.stack(pictures)})[0]
    side = int(np.sqrt(patches.shape[2] // 3))
    grid = 224 // side
    cut = patches.reshape(len(pictures), grid, grid, side, side, 3)
    whole = cut.transpose(0, 5, 1, 3, 2, 4).reshape(len(pictures), 3, 224, 224)
    return np.ascontiguousarray(whole)


def model_end(case: Case) -> int:
    properties = read_receipt(case.cache / "models" / "mine")["properties"]
    return int(properties["tokenizer"]["end_id"])
