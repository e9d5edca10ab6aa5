"""Which models exist, what they are made of, and where they lie on this machine.

One TOML file per model: this repository's under ``models/manifests/``, the user's own under
``$LOOKALIKE_CACHE/manifests/`` (written by ``models.local``). A manifest pins what comes from
outside, names the registry or the hub it comes from, and says which step of ours, if any, turns
those bytes into the files that are served. Reading it needs only the standard library, so the
services use this module to find and check their model, and ``models.fetch`` to get it.
"""

import hashlib
import json
import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from models.manifest import (
    Build,
    Manifest,
    ModelFile,
    Source,
    inherited_properties,
    overlaid,
    parse_manifest,
)

__all__ = [
    "Build",
    "InstalledModel",
    "Manifest",
    "ManifestError",
    "ModelFile",
    "ModelMissing",
    "Source",
    "cache_dir",
    "installed",
    "installed_model",
    "load_manifest",
    "local_manifest_dir",
    "model_dir",
    "model_names",
    "read_receipt",
    "repository_names",
    "sha256_of",
]

PACKAGE_DIR = Path(__file__).resolve().parent
MANIFEST_DIR = PACKAGE_DIR / "manifests"
RECEIPT_NAME = "receipt.json"
CALIBRATION_MARK = b"\n# Calibration: "
"""In a manifest, all from here on says what scores mean: it changes no file that is served."""


class ManifestError(ValueError):
    """A manifest file is missing or does not say what it must."""


class ModelMissing(RuntimeError):
    """A model is not on this machine, or is not the one that the manifest describes."""


@dataclass(frozen=True, slots=True)
class InstalledModel:
    """A model that is complete on this machine, as it is served."""

    manifest: Manifest
    version: str
    """The space's name: the manifest's version, with what the build added to it."""
    properties: Mapping[str, Any]
    """The manifest's, with what the build found in the checkpoint's own files."""
    files: Mapping[str, Path]
    """Every file by name, those of ``files_of`` included."""


def cache_dir(env: Mapping[str, str] = os.environ) -> Path:
    """The per-user folder of downloads and models: $LOOKALIKE_CACHE or ~/.cache/lookalike."""
    configured = env.get("LOOKALIKE_CACHE", "")
    return Path(configured).expanduser() if configured else Path.home() / ".cache" / "lookalike"


def model_dir(name: str, env: Mapping[str, str] = os.environ) -> Path:
    """The folder of one model, whether or not it is there yet."""
    return cache_dir(env) / "models" / name


def local_manifest_dir(env: Mapping[str, str] = os.environ) -> Path:
    """The folder of the manifests of models that were made on this machine."""
    return cache_dir(env) / "manifests"


def repository_names() -> list[str]:
    """Every model of this repository, sorted."""
    return sorted(path.stem for path in MANIFEST_DIR.glob("*.toml"))


def model_names(env: Mapping[str, str] = os.environ) -> list[str]:
    """Every model with a manifest, this repository's and the user's own, sorted."""
    local = {path.stem for path in local_manifest_dir(env).glob("*.toml")}
    return sorted(local.union(repository_names()))


def load_manifest(name: str, env: Mapping[str, str] = os.environ) -> Manifest:
    """Reads ``<name>.toml`` of this repository or of the user's own models.

    Raises:
        ManifestError: unknown model, a manifest that lacks a field, or one of the user's that has
            the name of one of this repository's.
    """
    return _load(name, env, ())


def installed(name: str, env: Mapping[str, str] = os.environ) -> Path:
    """The folder of a model that is complete and is what its manifest describes.

    Looks at the receipt and the files' sizes, not at their contents: services call this at start.

    Raises:
        ModelMissing: with the command that puts it right.
    """
    manifest = load_manifest(name, env)
    if manifest.files_of and not manifest.served_files:
        return installed(manifest.files_of, env)
    folder = model_dir(name, env)
    problem = _problem(manifest, folder)
    if problem:
        raise ModelMissing(f"model {name}: {problem}; {_remedy(manifest)} (looked in {folder})")
    return folder


def installed_model(name: str, env: Mapping[str, str] = os.environ) -> InstalledModel:
    """A model as it is served; checks what ``installed`` checks, of the files it shares too.

    Raises:
        ModelMissing, ManifestError: see ``installed`` and ``load_manifest``.
    """
    manifest = load_manifest(name, env)
    folder = installed(name, env)
    own = read_receipt(folder) if manifest.served_files else {}
    version: str = own.get("version", manifest.version)
    properties = manifest.properties
    files: dict[str, Path] = {}
    if manifest.files_of:
        base = installed_model(manifest.files_of, env)
        files.update(base.files)
        # Another variant of the base's towers makes another space of this model too.
        version += base.version.removeprefix(base.manifest.version)
        properties = inherited_properties(base.properties, manifest.own_properties)
    properties = overlaid(properties, own.get("properties", {}))
    files.update({file: folder / file for file in manifest.served_files})
    return InstalledModel(manifest, version, properties, files)


def sha256_of(path: Path) -> str:
    """Lower-case hexadecimal sha256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def read_receipt(folder: Path) -> dict[str, Any]:
    """What ``models.fetch`` wrote beside the files, or {} when there is nothing readable."""
    try:
        return cast(dict[str, Any], json.loads((folder / RECEIPT_NAME).read_bytes()))
    except (OSError, ValueError):
        return {}


def _load(name: str, env: Mapping[str, str], path_here: tuple[str, ...]) -> Manifest:
    ours, local = MANIFEST_DIR / f"{name}.toml", local_manifest_dir(env) / f"{name}.toml"
    # Only names of a listing: nobody's `../..` reaches another folder.
    known = model_names(env)
    if name not in known:
        raise ManifestError(f"unknown model {name!r}; known: {', '.join(known)}")
    if name in path_here:
        raise ManifestError(f"models need each other: {' -> '.join((*path_here, name))}")
    if ours.is_file() and local.is_file():
        raise ManifestError(
            f"{name} is a model of this repository; give your own model in {local} another name"
        )
    path = ours if ours.is_file() else local
    try:
        raw = path.read_bytes()
        doc = tomllib.loads(raw.decode())
        digest = hashlib.sha256(raw.partition(CALIBRATION_MARK)[0])
        for file in doc.get("build", {}).get("inputs", ()):
            digest.update((PACKAGE_DIR / file).read_bytes())
        for required in doc.get("requires", ()):
            digest.update(_load(required, env, (*path_here, name)).fingerprint.encode())
        base = _load(doc["files_of"], env, (*path_here, name)) if "files_of" in doc else None
        if base:
            digest.update(base.fingerprint.encode())
        return parse_manifest(name, doc, base, digest.hexdigest())
    except ManifestError:
        raise
    except (OSError, KeyError, TypeError, ValueError, AttributeError) as error:
        raise ManifestError(f"{path.name}: {error!r}") from error


def _remedy(manifest: Manifest) -> str:
    if manifest.files:
        return "make it again, or delete its manifest"
    if any(source.kind == "hub" for source in manifest.sources):
        return f"run `make models MODEL={manifest.name}`"
    return "run `make models`"


def _problem(manifest: Manifest, folder: Path) -> str | None:
    receipt = read_receipt(folder)
    if not receipt:
        return "not fetched"
    if receipt.get("fingerprint") != manifest.fingerprint:
        return "made from another version of its manifest"
    for file in manifest.served_files:
        recorded = receipt["files"].get(file)
        path = folder / file
        if recorded is None or not path.is_file():
            return f"{file} is missing"
        if path.stat().st_size != recorded["size_bytes"]:
            return f"{file} has the wrong size"
    return None
