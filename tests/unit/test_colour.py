"""Colour: known values, and the graph's arithmetic against numpy's."""

from pathlib import Path

import numpy as np
import onnxruntime as ort
import pytest
from onnx import TensorProto

from models.colour import (
    COLOUR_FEATURES,
    HISTOGRAM_POWER,
    HISTOGRAM_SIZE,
    PALETTE_SIZE,
    add_colour_features,
    add_hsv_histogram,
    colour_features,
    hsv_histogram,
    lab_to_srgb,
    palette,
    srgb_to_lab,
)
from models.onnx_graph import GraphWriter


@pytest.mark.parametrize(
    ("rgb", "lab"),
    [
        ((255, 255, 255), (100.0, 0.0, 0.0)),
        ((0, 0, 0), (0.0, 0.0, 0.0)),
        ((255, 0, 0), (53.24, 80.09, 67.20)),
        ((0, 255, 0), (87.73, -86.18, 83.18)),
        ((0, 0, 255), (32.30, 79.19, -107.86)),
        ((119, 119, 119), (50.03, 0.0, 0.0)),
    ],
)
def test_lab_of_known_colours(rgb: tuple[int, int, int], lab: tuple[float, float, float]) -> None:
    np.testing.assert_allclose(srgb_to_lab(rgb), lab, atol=0.02)


def test_lab_and_back_is_the_same_colour() -> None:
    rgb = np.random.default_rng(0).integers(0, 256, (1000, 3))
    np.testing.assert_allclose(lab_to_srgb(srgb_to_lab(rgb)), rgb, atol=1e-6)


def test_the_palette_is_spread_and_always_the_same() -> None:
    colours = palette()
    assert colours.shape == (PALETTE_SIZE, 3)
    distances = np.linalg.norm(colours[:, None] - colours[None], axis=-1)
    assert distances[~np.eye(PALETTE_SIZE, dtype=bool)].min() > 15
    np.testing.assert_array_equal(colours, palette())


def test_the_graph_computes_what_numpy_computes(tmp_path: Path) -> None:
    graph = GraphWriter("colour")
    rgb = graph.input("rgb", TensorProto.FLOAT, ["n", 50, 3])
    share = graph.input("share", TensorProto.FLOAT, ["n", 50])
    graph.output(add_colour_features(graph, rgb, share), "out", ["n", COLOUR_FEATURES])
    graph.save(tmp_path / "colour.onnx", {})
    session = ort.InferenceSession(tmp_path / "colour.onnx", providers=["CPUExecutionProvider"])
    rng = np.random.default_rng(1)
    pixels = rng.integers(0, 256, (3, 50, 3)).astype(np.float32)
    pixels[1] = pixels[1, :1]
    weights = rng.random((3, 50)).astype(np.float32)
    weights /= weights.sum(axis=1, keepdims=True)
    found = session.run(None, {"rgb": pixels, "share": weights})[0]
    for row in range(3):
        np.testing.assert_allclose(
            found[row], colour_features(pixels[row], weights[row]), atol=2e-3
        )


def test_the_fine_histogram_tells_hues_apart_and_counts_only_what_is_inside() -> None:
    pixels = [(250, 20, 20), (250, 20, 20), (20, 250, 20), (20, 20, 250)]
    found = hsv_histogram(pixels, [True, True, True, False])
    assert np.count_nonzero(found) == 2
    np.testing.assert_allclose(np.sort(found)[-2:] ** (1 / HISTOGRAM_POWER), [1 / 3, 2 / 3])
    assert not hsv_histogram(pixels, [False] * 4).any()


def test_the_graph_of_the_fine_histogram_computes_what_numpy_computes(tmp_path: Path) -> None:
    graph = GraphWriter("histogram")
    rgb = graph.input("rgb", TensorProto.FLOAT, ["n", "p", 3])
    inside = graph.input("inside", TensorProto.FLOAT, ["n", "p"])
    graph.output(add_hsv_histogram(graph, rgb, inside), "out", ["n", HISTOGRAM_SIZE])
    graph.save(tmp_path / "x.onnx", {})
    rng = np.random.default_rng(3)
    pixels = rng.integers(0, 256, (3, 4000, 3)).astype(np.float32)
    pixels[0, :50], pixels[0, 50:100], pixels[1, :50] = 0, 255, 128
    counts = (rng.random((3, 4000)) < 0.7).astype(np.float32)
    counts[2] = 0
    session = ort.InferenceSession(tmp_path / "x.onnx", providers=["CPUExecutionProvider"])
    [found] = session.run(None, {"rgb": pixels, "inside": counts})
    expected = [hsv_histogram(one, some > 0) for one, some in zip(pixels, counts, strict=True)]
    np.testing.assert_allclose(found, np.stack(expected), atol=1e-6)
