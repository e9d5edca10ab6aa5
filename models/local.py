"""Puts a model that was made on this machine beside those of the repository.

Its manifest goes to ``$LOOKALIKE_CACHE/manifests/NAME.toml``, its files to the same folder as
every other model's; from then on it is served and listed by its name like any other.
"""

import os
import re
import shutil
import tempfile
import tomllib
from collections.abc import Mapping
from pathlib import Path

from models.fetch import write_receipt
from models.registry import (
    ManifestError,
    installed_model,
    load_manifest,
    local_manifest_dir,
    model_dir,
    model_names,
    repository_names,
)

_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,79}")


def install_local(
    manifest_toml: str, files: Mapping[str, Path], env: Mapping[str, str] = os.environ
) -> Path:
    """Installs a model, or a new version of one that was installed so; returns its folder.

    Args:
      manifest_toml: the manifest's text: name, version, licence, description, origin (the last
        three may come from ``files_of``), ``files`` naming exactly the keys of the next argument,
        and ``[properties]``.
      files: where each file lies now, by the name that it is to have; they are copied.

    Raises:
      ManifestError: the manifest is not complete, its files are not those given, or its name or
        version belongs to another model.
    """
    try:
        doc = tomllib.loads(manifest_toml)
    except ValueError as error:
        raise ManifestError(f"the manifest is no TOML: {error}") from error
    name, version = str(doc.get("name", "")), str(doc.get("version", ""))
    if not _NAME.fullmatch(name):
        raise ManifestError(f"a model's name is like my-shop-v1, not {name!r}")
    if name in repository_names():
        raise ManifestError(f"{name} is a model of this repository; choose another name")
    if set(doc.get("files", ())) != set(files):
        raise ManifestError(f"{name}: its manifest names other files than {sorted(files)}")
    for other in model_names(env):
        if other != name and load_manifest(other, env).version == version:
            raise ManifestError(f"{name}: its version {version!r} is that of {other}")
    folder, manifests = model_dir(name, env), local_manifest_dir(env)
    folder.parent.mkdir(parents=True, exist_ok=True)
    manifests.mkdir(parents=True, exist_ok=True)
    path = manifests / f"{name}.toml"
    before = path.read_bytes() if path.exists() else None
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f".{name}-") as scratch:
        staging = Path(scratch) / "new"
        staging.mkdir()
        for file, source in files.items():
            shutil.copyfile(source, staging / file)
        _replace_text(path, manifest_toml.encode())
        try:
            manifest = load_manifest(name, env)
            if files:
                write_receipt(manifest, staging)
                if folder.exists():
                    os.replace(folder, Path(scratch) / "old")
                os.replace(staging, folder)
            installed_model(name, env)
        except BaseException:
            # A manifest that does not read would be in the way of everything that lists models.
            if before is None:
                path.unlink()
            else:
                _replace_text(path, before)
            raise
    return folder


def remove_local(name: str, env: Mapping[str, str] = os.environ) -> None:
    """Forgets a model that ``install_local`` put here: its manifest, then its files.

    Raises:
      ManifestError: it is none of those.
    """
    path = local_manifest_dir(env) / f"{name}.toml"
    if name not in model_names(env) or not path.is_file():
        raise ManifestError(f"{name!r} was not made on this machine")
    path.unlink()
    if name not in repository_names():
        shutil.rmtree(model_dir(name, env), ignore_errors=True)


def _replace_text(path: Path, text: bytes) -> None:
    partial = path.with_suffix(".partial")
    partial.write_bytes(text)
    partial.replace(path)
