"""The towers of the CLIP family as graphs, on small random weights; torch is not needed here."""

from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import onnxruntime as ort
import pytest

from models.clip.graph import IMAGE_INPUT, TEXT_INPUT, add_image_tower, add_text_tower
from models.clip.reference import normalisation_table
from models.clip.variants import Tower, measure_ranges, write_fp16, write_fp32, write_int8
from models.clip.weights import AttentionPool, Block, Dense, ImageWeights, Norm, TextWeights
from models.onnx_graph import GraphWriter

WIDTH, HEADS, SIDE, PATCH = 64, 4, 32, 8
TABLE = normalisation_table([0.5] * 3, [0.5] * 3, "torchvision")
DICE = np.random.default_rng(7)
PICTURES = DICE.integers(0, 255, (5, SIDE, SIDE, 3), np.uint8)
IDS = DICE.integers(1, 90, (5, 12)).astype(np.int32)
IDS[:, 7] = 99


def dense(out: int, width: int) -> Dense:
    weight = DICE.standard_normal((out, width)) * width**-0.5
    return Dense(weight.astype(np.float32), DICE.normal(0, 0.1, out).astype(np.float32))


def norm() -> Norm:
    weight, bias = DICE.normal(1, 0.2, WIDTH), DICE.normal(0, 0.1, WIDTH)
    return Norm(weight.astype(np.float32), bias.astype(np.float32), 1e-5)


def block() -> Block:
    parts = dense(3 * WIDTH, WIDTH), dense(WIDTH, WIDTH)
    return Block(norm(), *parts, norm(), dense(128, WIDTH), dense(WIDTH, 128))


def image_weights(pooled: bool) -> ImageWeights:
    tokens = (SIDE // PATCH) ** 2 + (0 if pooled else 1)
    query = DICE.standard_normal(WIDTH).astype(np.float32)
    halves = dense(2 * WIDTH, WIDTH), dense(WIDTH, WIDTH)
    pool = AttentionPool(query, *halves, norm(), dense(128, WIDTH), dense(WIDTH, 128))
    return ImageWeights(
        side_px=SIDE,
        patch_px=PATCH,
        heads=HEADS,
        activation="gelu_tanh" if pooled else "quick_gelu",
        patch=dense(WIDTH, PATCH * PATCH * 3),
        has_class_token=not pooled,
        positions=DICE.standard_normal((tokens, WIDTH)).astype(np.float32),
        pre_norm=None if pooled else norm(),
        blocks=(block(), block()),
        post_norm=norm(),
        pool=pool if pooled else None,
        projection=None if pooled else dense(16, WIDTH),
    )


def text_weights(pool: Literal["highest", "end", "last"]) -> TextWeights:
    return TextWeights(
        heads=HEADS,
        activation="gelu",
        tokens=DICE.standard_normal((100, WIDTH)).astype(np.float32),
        positions=DICE.standard_normal((16, WIDTH)).astype(np.float32),
        causal=pool != "last",
        blocks=(block(), block()),
        final_norm=norm(),
        pool=pool,
        end_id=99,
        projection=dense(16, WIDTH),
    )


def _image(weights: ImageWeights, graph: GraphWriter, linear: Any, _: Any) -> str:
    return add_image_tower(graph, weights, TABLE, linear)


def _text(weights: TextWeights, graph: GraphWriter, linear: Any, embedding: Any) -> str:
    return add_text_tower(graph, weights, linear, embedding)


TOWERS = {
    "class token": (Tower("image", partial(_image, image_weights(False))), IMAGE_INPUT, PICTURES),
    "attention pool": (Tower("image", partial(_image, image_weights(True))), IMAGE_INPUT, PICTURES),
    "causal": (Tower("text", partial(_text, text_weights("highest"))), TEXT_INPUT, IDS),
    "padded": (Tower("text", partial(_text, text_weights("last"))), TEXT_INPUT, IDS),
}


def run(path: Path, **feeds: npt.NDArray[Any]) -> npt.NDArray[np.float32]:
    session = ort.InferenceSession(path, providers=["CPUExecutionProvider"])
    return np.asarray(session.run(None, feeds)[0])


@pytest.mark.parametrize("name", list(TOWERS))
def test_smaller_variants_are_near_and_a_vector_never_depends_on_its_neighbours(
    name: str, tmp_path: Path
) -> None:
    tower, given, inputs = TOWERS[name]
    exact, half, small = (tmp_path / f"{kind}.onnx" for kind in ("fp32", "fp16", "int8"))
    write_fp32(tower, exact, {})
    write_fp16(tower, half, {})
    ranges = measure_ranges(tower, [{given: inputs}], tmp_path)
    write_int8(tower, ranges, ("down",), small, {})
    expected = run(exact, **{given: inputs})
    np.testing.assert_allclose(np.linalg.norm(expected, axis=1), 1, atol=1e-5)
    for path, least in ((half, 0.999), (small, 0.99)):
        found = run(path, **{given: inputs})
        assert (found * expected).sum(axis=1).min() >= least
        alone = np.concatenate([run(path, **{given: inputs[i : i + 1]}) for i in range(3)])
        np.testing.assert_allclose(found[:3], alone, atol=2e-4)


@pytest.mark.parametrize("pool", ["highest", "end"])
def test_what_stands_behind_the_end_of_a_causal_text_does_not_matter(
    pool: Literal["highest", "end"], tmp_path: Path
) -> None:
    tower = Tower("text", partial(_text, text_weights(pool)))
    write_fp32(tower, tmp_path / "text.onnx", {})
    padded = IDS.copy()
    padded[:, 8:] = 0
    whole = run(tmp_path / "text.onnx", token_ids=IDS)
    np.testing.assert_allclose(run(tmp_path / "text.onnx", token_ids=padded), whole, atol=1e-5)
    short = run(tmp_path / "text.onnx", token_ids=IDS[:, :8])
    np.testing.assert_allclose(short, whole, atol=1e-5)


def test_the_table_is_the_references_arithmetic_to_the_byte() -> None:
    mean, std = [0.48145466, 0.4578275, 0.40821073], [0.26862954, 0.26130258, 0.27577711]
    values = np.arange(256, dtype=np.uint8)
    by_transformers = (values.astype(np.float64) * (1 / 255)).astype(np.float32)
    by_torchvision = values.astype(np.float32) / np.float32(255)
    for arithmetic, scaled in (("transformers", by_transformers), ("torchvision", by_torchvision)):
        table = normalisation_table(mean, std, arithmetic)  # type: ignore[arg-type]
        for channel in range(3):
            expected = (scaled - np.float32(mean[channel])) / np.float32(std[channel])
            assert table[channel].tobytes() == expected.astype(np.float32).tobytes()
