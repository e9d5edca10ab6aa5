"""Puts an adapted model into the registry: towers, classifier, report, manifest."""

import hashlib
import json
import re
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from models.adapt.category import HEAD_FILE, CategoryHead
from models.adapt.layers import Tower
from models.adapt.manifest_text import toml_text
from models.adapt.settings import AdaptError
from models.adapt.tail import Tail, write_adapted
from models.adapt.towers import BaseModel
from models.adapt.training import SpaceModel
from models.local import install_local
from models.registry import MANIFEST_DIR, ManifestError
from models.safetensors_file import write_safetensors

_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,79}")
# What is true of the base's space only.
_OF_THE_BASE = ("calibration", "weak_below", "adapted", "category_head")


@dataclass(frozen=True, slots=True, eq=False)
class AdaptedTower:
    """What an adapted tower has that its base has not."""

    matrix: npt.NDArray[np.float32]
    bias: npt.NDArray[np.float32]
    constants: Mapping[str, npt.NDArray[np.float32]]
    tail: Tail | None

    @classmethod
    def of(cls, tower: Tower, tail: Tail | None) -> "AdaptedTower":
        """A trained tower's numbers."""
        uses = tower.uses_tail and tower.tail is not None
        return cls(
            tower.projection.matrix(),
            np.asarray(tower.projection.bias.detach().numpy().copy(), np.float32),
            tower.tail.constants() if uses and tower.tail is not None else {},
            tail if uses else None,
        )


def refuse_name(name: str) -> None:
    """Before hours of work, not after them.

    Raises:
      AdaptError: a model cannot be called so.
    """
    if not _NAME.fullmatch(name):
        raise AdaptError(f"A model's name is like my-shop-v1, not {name!r}.")
    if (MANIFEST_DIR / f"{name}.toml").exists():
        raise AdaptError(f"{name} is a model of this repository; choose another name.")


def version_of(base: BaseModel, name: str, image: AdaptedTower, text: AdaptedTower) -> str:
    """The new space's name: the base's, the model's, and a digest of what was trained."""
    digest = hashlib.sha256(base.version.encode())
    for tower in (image, text):
        for part in (tower.matrix, tower.bias, *(v for _, v in sorted(tower.constants.items()))):
            digest.update(np.ascontiguousarray(part).tobytes())
    return f"{base.version}+{name}-{digest.hexdigest()[:10]}"


def towers_of(base: BaseModel, model: SpaceModel) -> tuple[AdaptedTower, AdaptedTower]:
    """Image tower and text tower."""
    return (
        AdaptedTower.of(model.image, base.image_tail),
        AdaptedTower.of(model.text, base.text_tail),
    )


def install(
    base: BaseModel,
    name: str,
    version: str,
    towers: tuple[AdaptedTower, AdaptedTower],
    head: CategoryHead | None,
    report: Mapping[str, Any],
    report_html: str,
) -> Path:
    """Writes the model and installs it; returns its folder.

    Raises:
      AdaptError: the name is not free or not a name.
    """
    properties = {k: v for k, v in base.installed.properties.items() if k not in _OF_THE_BASE}
    properties["dimension"] = len(towers[0].bias)
    properties["adapted"] = {"base": base.name, "base_version": base.version}
    with tempfile.TemporaryDirectory(prefix="lookalike-adapt-") as scratch:
        folder = Path(scratch)
        files = dict(base.installed.files)
        for old in (HEAD_FILE, "report.json", "report.html"):
            files.pop(old, None)
        for file, tower in zip(("image.onnx", "text.onnx"), towers, strict=True):
            write_adapted(
                base.installed.files[file],
                folder / file,
                tower.matrix,
                tower.bias,
                tower.constants,
                tower.tail,
                version,
            )
            files[file] = folder / file
        if head is not None:
            tensors = {"weight": head.weight, "bias": head.bias}
            write_safetensors(folder / HEAD_FILE, tensors, {"embedding_version": version})
            files[HEAD_FILE] = folder / HEAD_FILE
            properties["category_head"] = {"file": HEAD_FILE, "labels": list(head.labels)}
        (folder / "report.json").write_text(json.dumps(report, indent=1) + "\n")
        (folder / "report.html").write_text(report_html)
        files |= {file: folder / file for file in ("report.json", "report.html")}
        manifest = base.installed.manifest
        document = {
            "name": name,
            "version": version,
            "licence": manifest.licence,
            "description": f"{base.name} adapted to one shop's products",
            "origin": f"lookalike-train adapt, from {base.version} ({manifest.origin})",
            "files": sorted(files),
            "properties": properties,
        }
        try:
            return install_local(toml_text(document), files)
        except ManifestError as error:
            raise AdaptError(str(error)) from error
