"""Models made on this machine, and models that share another's files."""

from pathlib import Path

import pytest

from models import registry
from models.fetch import fetch
from models.local import install_local, remove_local
from models.registry import (
    ManifestError,
    ModelMissing,
    installed,
    installed_model,
    load_manifest,
    model_names,
)

OWN = """
name = "{name}"
version = "{version}"
licence = "MIT"
description = "for a test"
origin = "here"
files = ["image.onnx", "text.onnx"]
[properties]
dimension = 8
context_length_tokens = 16
[properties.weak_below]
text = 0.5
"""


@pytest.fixture
def env(tmp_path: Path) -> dict[str, str]:
    return {"LOOKALIKE_CACHE": str(tmp_path / "cache")}


def put(folder: Path, *names: str) -> dict[str, Path]:
    folder.mkdir(exist_ok=True)
    for name in names:
        (folder / name).write_bytes(name.encode())
    return {name: folder / name for name in names}


def install(env: dict[str, str], tmp_path: Path, name: str = "my-shop", version: str = "1") -> Path:
    files = put(tmp_path / "made", "image.onnx", "text.onnx")
    return install_local(OWN.format(name=name, version=version), files, env)


def test_a_model_made_here_is_listed_and_served_like_any(
    env: dict[str, str], tmp_path: Path
) -> None:
    folder = install(env, tmp_path)
    assert "my-shop" in model_names(env)
    assert installed("my-shop", env) == folder
    found = installed_model("my-shop", env)
    assert found.version == "1"
    assert found.files["text.onnx"].read_bytes() == b"text.onnx"
    assert fetch("my-shop", env) == folder


def test_a_model_made_here_can_be_made_anew_and_removed(
    env: dict[str, str], tmp_path: Path
) -> None:
    install(env, tmp_path)
    install(env, tmp_path, version="2")
    assert installed_model("my-shop", env).version == "2"
    remove_local("my-shop", env)
    assert "my-shop" not in model_names(env)
    with pytest.raises(ManifestError, match="was not made on this machine"):
        remove_local("u2netp", env)


def test_a_name_of_the_repository_is_refused(env: dict[str, str], tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match="a model of this repository"):
        install(env, tmp_path, name="u2netp")


def test_a_clash_of_names_is_told_and_no_model_silently_chosen(
    env: dict[str, str], tmp_path: Path
) -> None:
    install(env, tmp_path)
    local = registry.local_manifest_dir(env)
    (local / "my-shop.toml").rename(local / "u2netp.toml")
    with pytest.raises(ManifestError, match="another name"):
        load_manifest("u2netp", env)
    # The others are as they were.
    assert load_manifest("minilm-l6", env).name == "minilm-l6"


def test_a_version_of_another_model_is_refused(env: dict[str, str], tmp_path: Path) -> None:
    install(env, tmp_path)
    with pytest.raises(ManifestError, match="is that of my-shop"):
        install(env, tmp_path, name="my-other-shop")


def test_a_manifest_that_does_not_read_leaves_nothing_behind(
    env: dict[str, str], tmp_path: Path
) -> None:
    broken = OWN.format(name="broken", version="1").replace('licence = "MIT"\n', "")
    files = put(tmp_path / "made", "image.onnx", "text.onnx")
    with pytest.raises(ManifestError, match="licence"):
        install_local(broken, files, env)
    assert "broken" not in model_names(env)


def test_files_that_the_manifest_does_not_name_are_refused(
    env: dict[str, str], tmp_path: Path
) -> None:
    files = put(tmp_path / "made", "image.onnx")
    with pytest.raises(ManifestError, match="names other files"):
        install_local(OWN.format(name="my-shop", version="1"), files, env)


def test_four_lines_make_a_shorter_space_of_the_same_files(
    env: dict[str, str], tmp_path: Path
) -> None:
    install(env, tmp_path)
    short = (
        'name = "my-shop-4"\nversion = "1-4"\nfiles_of = "my-shop"\nproperties = { dimension = 4 }'
    )
    install_local(short, {}, env)
    found = installed_model("my-shop-4", env)
    assert found.version == "1-4"
    assert found.properties["dimension"] == 4
    assert found.properties["context_length_tokens"] == 16
    # Scores of fewer numbers mean something else.
    assert "weak_below" not in found.properties
    assert found.files == installed_model("my-shop", env).files
    assert found.manifest.licence == "MIT"
    assert fetch("my-shop-4", env) == installed("my-shop", env)


def test_a_model_may_replace_some_of_the_files_that_it_shares(
    env: dict[str, str], tmp_path: Path
) -> None:
    base = install(env, tmp_path)
    adapted = 'name = "adapted"\nversion = "a"\nfiles_of = "my-shop"\nfiles = ["image.onnx"]'
    files = put(tmp_path / "adapted", "image.onnx")
    folder = install_local(adapted, files, env)
    found = installed_model("adapted", env)
    assert found.files == {
        "image.onnx": folder / "image.onnx",
        "text.onnx": base / "text.onnx",
    }
    (base / "text.onnx").unlink()
    with pytest.raises(ModelMissing, match="my-shop"):
        installed_model("adapted", env)


def test_models_that_need_each_other_are_told(env: dict[str, str], tmp_path: Path) -> None:
    folder = registry.local_manifest_dir(env)
    folder.mkdir(parents=True)
    for one, other in (("a", "b"), ("b", "a")):
        text = f'name = "{one}"\nversion = "{one}"\nfiles_of = "{other}"'
        (folder / f"{one}.toml").write_text(text)
    with pytest.raises(ManifestError, match="a -> b -> a"):
        load_manifest("a", env)


def test_a_damaged_file_of_a_model_made_here_is_told(env: dict[str, str], tmp_path: Path) -> None:
    folder = install(env, tmp_path)
    (folder / "image.onnx").write_bytes(b"other")
    with pytest.raises(ModelMissing, match="wrong size; make it again"):
        installed("my-shop", env)
