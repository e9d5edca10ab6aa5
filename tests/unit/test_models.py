"""models: manifests, fetching into place, and the arithmetic of the int8 graph."""

import dataclasses
import json
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import helper, numpy_helper

from models import fetch as fetching
from models import registry
from models.packages import FetchError, open_archive
from models.quantise_u2net import quantise, ranged_tensors, scale_of
from models.registry import (
    ManifestError,
    ModelMissing,
    installed,
    load_manifest,
    model_names,
    repository_names,
)


# Of this repository: what its user made on this machine is the user's.
@pytest.mark.parametrize("name", repository_names())
def test_every_manifest_reads_and_pins_what_it_fetches(name: str) -> None:
    manifest = load_manifest(name)
    assert manifest.version
    assert manifest.licence
    assert manifest.origin
    # From somewhere: packages, another model, or files of this repository.
    inputs = manifest.build.inputs if manifest.build else ()
    assert manifest.sources or manifest.requires or manifest.files_of or inputs
    for source in manifest.sources:
        for file in source.files:
            # Of the hub not every checksum is known to us: then what is seen first counts.
            assert len(file.sha256) == 64 or (source.kind == "hub" and not file.sha256)
            assert file.size_bytes > 0 or source.kind == "hub"


def test_no_two_models_share_a_version() -> None:
    versions = [load_manifest(name).version for name in model_names()]
    assert len(set(versions)) == len(versions)


def test_an_unknown_model_is_named_with_the_known_ones() -> None:
    with pytest.raises(ManifestError, match="u2netp"):
        load_manifest("no-such-model")


def test_a_model_that_is_not_here_says_what_to_run(tmp_path: Path) -> None:
    with pytest.raises(ModelMissing, match="make models"):
        installed("u2netp", {"LOOKALIKE_CACHE": str(tmp_path)})


@pytest.fixture
def own_manifests(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of manifests that a test fills itself."""
    folder = tmp_path / "repository"
    folder.mkdir()
    monkeypatch.setattr(registry, "MANIFEST_DIR", folder)
    return folder


def write_manifest(folder: Path, name: str, sha256: str, members: str = '["w/a", "w/b"]') -> None:
    (folder / f"{name}.toml").write_text(f"""
name = "{name}"
version = "1"
licence = "MIT"
description = "for a test"
origin = "https://example.org"
[[sources]]
kind = "pypi"
package = "pack"
version = "1.0"
[[sources.files]]
path = "joined.bin"
members = {members}
sha256 = "{sha256}"
size_bytes = 6
""")


SHA_OF_ABCDEF = "bef57ec7f53a6d40beb640a780a639c83bc29ac8a9816f1fc6c5c6dcd93c4721"


def put_archive(cache: Path) -> Path:
    """The archive as a finished download leaves it, so that no registry is asked."""
    downloads = cache / "downloads"
    downloads.mkdir(parents=True, exist_ok=True)
    path = downloads / "pypi-pack-1.0.whl"
    with zipfile.ZipFile(path, "w") as wheel:
        wheel.writestr("w/a", b"abc")
        wheel.writestr("w/b", b"def")
    return path


def test_members_are_joined_checked_and_moved_into_place(
    own_manifests: Path, tmp_path: Path
) -> None:
    write_manifest(own_manifests, "joined", SHA_OF_ABCDEF)
    archive = put_archive(tmp_path)
    env = {"LOOKALIKE_CACHE": str(tmp_path)}
    folder = fetching.fetch("joined", env)
    assert (folder / "joined.bin").read_bytes() == b"abcdef"
    assert not archive.exists()
    assert installed("joined", env) == folder
    # The archive is gone, so a second fetch that did anything would fail.
    assert fetching.fetch("joined", env) == folder


def test_wrong_bytes_are_refused_and_not_found_again(own_manifests: Path, tmp_path: Path) -> None:
    write_manifest(own_manifests, "joined", "0" * 64)
    archive = put_archive(tmp_path)
    with pytest.raises(FetchError, match="sha256"):
        fetching.fetch("joined", {"LOOKALIKE_CACHE": str(tmp_path)})
    assert not archive.exists()
    assert not (tmp_path / "models" / "joined").exists()


def test_a_damaged_model_is_made_again(own_manifests: Path, tmp_path: Path) -> None:
    write_manifest(own_manifests, "joined", SHA_OF_ABCDEF)
    env = {"LOOKALIKE_CACHE": str(tmp_path)}
    put_archive(tmp_path)
    folder = fetching.fetch("joined", env)
    (folder / "joined.bin").write_bytes(b"abcdeX")
    put_archive(tmp_path)
    fetching.fetch("joined", env)
    assert (folder / "joined.bin").read_bytes() == b"abcdef"


def test_a_changed_manifest_makes_the_installed_model_stale(
    own_manifests: Path, tmp_path: Path
) -> None:
    write_manifest(own_manifests, "joined", SHA_OF_ABCDEF)
    env = {"LOOKALIKE_CACHE": str(tmp_path)}
    put_archive(tmp_path)
    fetching.fetch("joined", env)
    manifest = own_manifests / "joined.toml"
    manifest.write_text(manifest.read_text().replace('version = "1"', 'version = "2"', 1))
    with pytest.raises(ModelMissing, match="another version"):
        installed("joined", env)


def test_a_member_that_is_not_there_is_named(tmp_path: Path) -> None:
    path = tmp_path / "package.tgz"
    with tarfile.open(path, "w:gz") as tarball:
        tarball.add(__file__, "package/here")
    with (
        open_archive(path) as archive,
        (tmp_path / "out").open("wb") as out,
        pytest.raises(FetchError, match="not-here"),
    ):
        archive.write_members(["package/not-here"], out)


def test_a_receipt_that_is_no_json_counts_as_not_fetched(
    own_manifests: Path, tmp_path: Path
) -> None:
    write_manifest(own_manifests, "joined", SHA_OF_ABCDEF)
    env = {"LOOKALIKE_CACHE": str(tmp_path)}
    put_archive(tmp_path)
    folder = fetching.fetch("joined", env)
    (folder / registry.RECEIPT_NAME).write_text("{")
    with pytest.raises(ModelMissing, match="not fetched"):
        installed("joined", env)


def test_zero_is_exact_in_every_scale() -> None:
    for low, high in ((0.0, 6.0), (-3.0, 5.0), (-1.0, 1.0), (2.0, 4.0), (0.0, 0.0)):
        scale = scale_of(low, high)
        assert 0 <= scale.zero_point <= 255
        assert (255 - scale.zero_point) * scale.step >= high - scale.step / 2


def small_network() -> onnx.ModelProto:
    """Conv-Relu, pool, Conv-Relu, upsample, concat, narrow Conv: every shape of a U-Net."""
    dice = np.random.default_rng(3)

    def weights(name: str, *shape: int) -> list[onnx.TensorProto]:
        scale = 1.0 / np.sqrt(np.prod(shape[1:]))
        return [
            numpy_helper.from_array((dice.standard_normal(shape) * scale).astype("f"), f"{name}.w"),
            numpy_helper.from_array(
                (dice.standard_normal(shape[0]) * 0.1).astype("f"), f"{name}.b"
            ),
        ]

    def conv(source: str, name: str) -> onnx.NodeProto:
        inputs = [source, f"{name}.w", f"{name}.b"]
        return helper.make_node("Conv", inputs, [name], kernel_shape=[3, 3], pads=[1, 1, 1, 1])

    nodes = [
        conv("pixels_nchw", "a"),
        helper.make_node("Relu", ["a"], ["a.relu"]),
        helper.make_node("MaxPool", ["a.relu"], ["pooled"], kernel_shape=[2, 2], strides=[2, 2]),
        conv("pooled", "b"),
        helper.make_node("Relu", ["b"], ["b.relu"]),
        helper.make_node(
            "Resize",
            ["b.relu", "", "scale_2"],
            ["up"],
            mode="linear",
            coordinate_transformation_mode="pytorch_half_pixel",
        ),
        helper.make_node("Concat", ["up", "a.relu"], ["both"], axis=1),
        conv("both", "narrow"),
        conv("narrow", "scores_nchw"),
    ]
    initializers = [
        *weights("a", 16, 3, 3, 3),
        *weights("b", 16, 16, 3, 3),
        *weights("narrow", 4, 32, 3, 3),
        *weights("scores_nchw", 4, 4, 3, 3),
        helper.make_tensor("scale_2", 1, [4], [1.0, 1.0, 2.0, 2.0]),
    ]
    shape = ["n", 3, "h", "w"]
    graph = helper.make_graph(
        nodes,
        "small",
        [helper.make_tensor_value_info("pixels_nchw", 1, shape)],
        [helper.make_tensor_value_info("scores_nchw", 1, ["n", 4, "h", "w"])],
        initializers,
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def run(model: onnx.ModelProto, pixels: np.ndarray) -> np.ndarray:
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    return np.asarray(session.run(None, {"pixels_nchw": pixels})[0])


def ranges_of(model: onnx.ModelProto, pixels: np.ndarray) -> dict[str, tuple[float, float]]:
    probed = onnx.ModelProto()
    probed.CopyFrom(model)
    names = ranged_tensors(model)
    for name in names:
        if name != "pixels_nchw":
            probed.graph.output.append(helper.make_tensor_value_info(name, 1, None))
    session = onnxruntime.InferenceSession(
        probed.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    seen = dict(
        zip(
            [output.name for output in session.get_outputs()],
            session.run(None, {"pixels_nchw": pixels}),
            strict=True,
        )
    )
    seen["pixels_nchw"] = pixels
    return {name: (float(seen[name].min()), float(seen[name].max())) for name in names}


def test_the_int8_graph_says_nearly_what_the_float_graph_says() -> None:
    model = small_network()
    pixels = np.random.default_rng(0).uniform(-1, 1, (1, 3, 32, 32)).astype("f")
    exact, close = run(model, pixels), run(quantise(model, ranges_of(model, pixels)), pixels)
    assert np.abs(exact - close).max() < 0.05 * np.ptp(exact)


def test_the_int8_result_of_an_image_does_not_depend_on_its_batch() -> None:
    model = small_network()
    pixels = np.random.default_rng(0).uniform(-1, 1, (3, 3, 32, 32)).astype("f")
    quantised = quantise(model, ranges_of(model, pixels))
    together = run(quantised, pixels)
    for number in range(3):
        np.testing.assert_array_equal(
            together[number], run(quantised, pixels[number, np.newaxis])[0]
        )


def test_quantising_twice_gives_the_same_bytes() -> None:
    model = small_network()
    ranges = ranges_of(model, np.ones((1, 3, 32, 32), "f"))
    first, second = quantise(model, ranges), quantise(model, ranges)
    assert first.SerializeToString() == second.SerializeToString()


def test_a_tensor_without_a_range_is_an_error() -> None:
    model = small_network()
    ranges = ranges_of(model, np.ones((1, 3, 32, 32), "f"))
    del ranges["b.relu"]
    with pytest.raises(KeyError):
        quantise(model, ranges)


def test_the_committed_ranges_belong_to_the_graph_that_is_built() -> None:
    path = registry.PACKAGE_DIR / "calibration" / "u2net-cloth-int8.json"
    ranges = json.loads(path.read_text())["ranges"]
    model = onnx.load(installed("u2net-cloth") / "model.onnx", load_external_data=False)
    assert list(ranges) == ranged_tensors(model)


def test_manifests_are_values() -> None:
    manifest = load_manifest("u2netp")
    with pytest.raises(dataclasses.FrozenInstanceError):
        manifest.version = "x"  # type: ignore[misc]
