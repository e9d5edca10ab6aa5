"""Files of the Hugging Face hub: from the network, resumable and checked, or from a folder.

What is fetched must have the sha256 that the manifest pins. Where it pins none, the checksum that
the hub itself announces must hold, and what was seen is written into ``hub-lock.json`` in the
cache: from then on nothing else is taken under the same name (trust on first use).

``HF_ENDPOINT`` names a mirror, ``HTTPS_PROXY`` and the like a proxy, and ``MODEL_DIR`` a folder
that holds the repository's files and is read in place of the hub.
"""

import hashlib
import json
import os
import re
import shutil
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from models.packages import FetchError
from models.registry import ModelFile, Source, cache_dir, sha256_of

DEFAULT_ENDPOINT = "https://huggingface.co"
LOCK_NAME = "hub-lock.json"
_ATTEMPTS = 5
_LARGE_BYTES = 64 << 20
_TIMEOUT = httpx.Timeout(30.0)
_SHA256 = re.compile(r"[0-9a-f]{64}")
_GIT_BLOB = re.compile(r"[0-9a-f]{40}")
_WAYS_OUT = (
    "behind a proxy set HTTPS_PROXY, for a mirror HF_ENDPOINT, and without a network put the "
    "repository's files into a folder and give MODEL_DIR=that folder"
)


class _Absent(Exception):
    """The repository has no such file."""


@dataclass(frozen=True, slots=True)
class _Announced:
    """What the hub says of a file before it sends it; "" for what it does not say."""

    sha256: str
    git_blob: str
    commit: str


def take_from_hub(
    source: Source,
    staging: Path,
    env: Mapping[str, str] = os.environ,
    say: Callable[[str], None] = lambda _: None,
    pause: Callable[[float], None] = time.sleep,
) -> dict[str, str]:
    """Puts a source's files into ``staging``; returns the sha256 of each by its path.

    Raises:
        FetchError: a file cannot be had, or is not the one that is pinned or was seen before.
    """
    folder = env.get("MODEL_DIR", "")
    if folder:
        say(f"  folder {folder}")
        return _take_from_folder(source, Path(folder).expanduser(), staging)
    say(f"  hub {source.package} at {source.version}")
    sha256s: dict[str, str] = {}
    with _Hub(source, env, say, pause) as hub:
        for file in source.files:
            if file.instead_of in sha256s:
                continue
            sha256 = hub.take(file, staging / file.path)
            if sha256:
                sha256s[file.path] = sha256
    return sha256s


def _take_from_folder(source: Source, folder: Path, staging: Path) -> dict[str, str]:
    if not folder.is_dir():
        raise FetchError(f"MODEL_DIR={folder} is no folder")
    sha256s: dict[str, str] = {}
    for file in source.files:
        if file.instead_of in sha256s:
            continue
        found = folder / file.path
        if not found.is_file():
            if file.optional:
                continue
            raise FetchError(f"{folder} has no {_names(file)}")
        _place(found, staging / file.path)
        sha256s[file.path] = sha256_of(staging / file.path)
        _check_pin(source, file, sha256s[file.path])
    return sha256s


class _Hub:
    """One repository at one revision."""

    def __init__(
        self,
        source: Source,
        env: Mapping[str, str],
        say: Callable[[str], None],
        pause: Callable[[float], None],
    ) -> None:
        self._source = source
        self._say = say
        self._pause = pause
        self._endpoint = (env.get("HF_ENDPOINT") or DEFAULT_ENDPOINT).rstrip("/")
        self._lock_path = cache_dir(env) / LOCK_NAME
        self._lock: dict[str, Any] = _read_json(self._lock_path)
        self._seen: dict[str, Any] = self._lock.setdefault(
            f"{source.package}@{source.version}", {"commit": "", "files": {}}
        )
        flat = source.package.replace("/", "--")
        self._folder = cache_dir(env) / "downloads" / f"hub-{flat}-{source.version}"
        self._client = httpx.Client(follow_redirects=True, timeout=_TIMEOUT)

    def __enter__(self) -> "_Hub":
        self._folder.mkdir(parents=True, exist_ok=True)
        return self

    def __exit__(self, *_: object) -> None:
        self._client.close()

    def take(self, file: ModelFile, target: Path) -> str:
        """Its sha256; "" for an optional file that the repository has not."""
        finished = self._folder / file.path
        try:
            if not finished.is_file():
                self._download(file.path, finished)
        except _Absent:
            if file.optional:
                return ""
            raise FetchError(
                f"{self._source.package} has no {_names(file)} at {self._source.version} "
                f"({self._endpoint} says 404)"
            ) from None
        sha256 = sha256_of(finished)
        try:
            _check_pin(self._source, file, sha256)
            if not file.sha256:
                self._check_lock(file.path, sha256, finished.stat().st_size)
        except FetchError:
            # Wrong bytes must not be found again by the next run.
            finished.unlink()
            raise
        _place(finished, target)
        return sha256

    def _download(self, member: str, finished: Path) -> None:
        finished.parent.mkdir(parents=True, exist_ok=True)
        partial = finished.with_name(finished.name + ".partial")
        # What was seen first decides which commit a branch means.
        revision = self._seen["commit"] or self._source.version
        url = f"{self._endpoint}/{self._source.package}/resolve/{revision}/{member}"
        for attempt in range(1, _ATTEMPTS + 1):
            try:
                announced = self._receive(url, partial)
                break
            except (httpx.TransportError, _Broken) as error:
                if attempt == _ATTEMPTS:
                    raise FetchError(
                        f"{url}: {error or type(error).__name__}; {_WAYS_OUT}"
                    ) from error
                self._say(f"  {member}: {error or type(error).__name__}; going on")
                self._pause(2.0 ** (attempt - 1))
            except httpx.HTTPError as error:
                raise FetchError(f"{url}: {error}; {_WAYS_OUT}") from error
        _check_announced(url, partial, announced)
        self._seen["commit"] = self._seen["commit"] or announced.commit
        _etag_path(partial).unlink(missing_ok=True)
        partial.replace(finished)

    def _receive(self, url: str, partial: Path) -> _Announced:
        """Appends what is missing to ``partial``."""
        have = partial.stat().st_size if partial.exists() else 0
        etag = _etag_path(partial).read_text() if _etag_path(partial).exists() else ""
        headers = {"accept-encoding": "identity"}
        if have and etag:
            # A file that has changed since comes whole, not spliced.
            headers |= {"range": f"bytes={have}-", "if-range": etag}
        with self._client.stream("GET", url, headers=headers) as response:
            if response.status_code == 404:
                raise _Absent
            if response.status_code == 416:
                _forget(partial)
                raise _Broken("what was there of it is of no use")
            if response.status_code == 429 or response.status_code >= 500:
                raise _Broken(f"HTTP {response.status_code}")
            if response.status_code >= 400:
                raise FetchError(
                    f"{url}: HTTP {response.status_code} {response.reason_phrase}; the model may "
                    f"have moved or want a login: {_WAYS_OUT}"
                )
            announced = _announced(response)
            goes_on = response.status_code == 206
            if goes_on and not response.headers.get("content-range", "").startswith(
                f"bytes {have}-"
            ):
                _forget(partial)
                raise _Broken("the server sent another part than was asked for")
            _etag_path(partial).write_text(response.headers.get("etag", ""))
            length = int(response.headers.get("content-length", 0))
            if length > _LARGE_BYTES:
                self._say(f"  {partial.name.removesuffix('.partial')}: {length / 1e6:.0f} MB")
            received = 0
            with partial.open("ab" if goes_on else "wb") as out:
                # In pieces as they come: larger ones would be lost where the line breaks.
                for chunk in response.iter_raw():
                    out.write(chunk)
                    received += len(chunk)
            if length and received < length:
                raise _Broken(f"{received} of {length} bytes came")
            return announced

    def _check_lock(self, member: str, sha256: str, size_bytes: int) -> None:
        known = self._seen["files"].get(member)
        if known is None:
            self._seen["files"][member] = {"sha256": sha256, "size_bytes": size_bytes}
            self._write_lock()
        elif known["sha256"] != sha256:
            raise FetchError(
                f"{self._source.package}: {member} has sha256 {sha256}, but {known['sha256']} was "
                f"seen the first time; if the change is meant, remove the entry from "
                f"{self._lock_path}"
            )

    def _write_lock(self) -> None:
        partial = self._lock_path.with_suffix(".partial")
        partial.write_text(json.dumps(self._lock, indent=1, sort_keys=True) + "\n")
        partial.replace(self._lock_path)


class _Broken(Exception):
    """A download that may go on when it is tried again."""


def _names(file: ModelFile) -> str:
    return f"{file.instead_of} or {file.path}" if file.instead_of else file.path


def _check_pin(source: Source, file: ModelFile, sha256: str) -> None:
    if file.sha256 and sha256 != file.sha256:
        raise FetchError(
            f"{source.package} {source.version}: {file.path} has sha256 {sha256}, the manifest "
            f"pins {file.sha256}"
        )


def _announced(response: httpx.Response) -> _Announced:
    sha256 = git_blob = commit = ""
    # The hub's own answer carries these; the store that it sends us on to has others.
    for answer in (*response.history, response):
        commit = commit or answer.headers.get("x-repo-commit", "")
        for name in ("x-linked-etag", "etag"):
            value = answer.headers.get(name, "").removeprefix("W/").strip('"')
            if not sha256 and not git_blob and commit:
                sha256 = value if _SHA256.fullmatch(value) else ""
                git_blob = value if _GIT_BLOB.fullmatch(value) else ""
    return _Announced(sha256, git_blob, commit)


def _check_announced(url: str, partial: Path, announced: _Announced) -> None:
    found = wanted = ""
    if announced.sha256:
        wanted, found = announced.sha256, sha256_of(partial)
    elif announced.git_blob:
        wanted, found = announced.git_blob, _git_blob_of(partial)
    if found != wanted:
        _forget(partial)
        raise FetchError(f"{url}: has checksum {found}, the hub announced {wanted}; try again")


def _git_blob_of(path: Path) -> str:
    digest = hashlib.sha1(f"blob {path.stat().st_size}\0".encode(), usedforsecurity=False)
    digest.update(path.read_bytes())
    return digest.hexdigest()


def _etag_path(partial: Path) -> Path:
    return partial.with_name(partial.name + ".etag")


def _forget(partial: Path) -> None:
    partial.unlink(missing_ok=True)
    _etag_path(partial).unlink(missing_ok=True)


def _place(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source, target)


def _read_json(path: Path) -> dict[str, Any]:
    try:
        read: dict[str, Any] = json.loads(path.read_bytes())
    except FileNotFoundError:
        return {}
    except ValueError as error:
        raise FetchError(f"{path} is no JSON: {error}; repair or delete it") from error
    return read
