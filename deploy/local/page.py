"""The page's files as routes of Envoy, and the policy that a browser holds the page to.

The edge answers for the files that were there when it was rendered and for nothing else: there is
no folder to climb out of, and a page built meanwhile never mixes with the one that is served.
"""

import base64
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

ROOT: Final = Path(__file__).resolve().parent.parent.parent
MAX_FILE_BYTES: Final = 4 * 1024 * 1024

Route = Mapping[str, Any]

# The page's views: one document, which looks at the address itself.
_VIEWS: Final = "/|/map|/ingest|/status|/product/.+"
_INDEX: Final = "index.html"
_NOT_BUILT: Final = b"""Lookalike's edge: gRPC-Web, gRPC and photographs.
The page is not built here. On a checkout `make web` builds it; then start the edge again.
"""

_MEDIA_TYPES: Final = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".ico": "image/vnd.microsoft.icon",
    ".jpg": "image/jpeg",
    ".js": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".png": "image/png",
    ".svg": "image/svg+xml",
    ".txt": "text/plain; charset=utf-8",
    ".webmanifest": "application/manifest+json",
    ".webp": "image/webp",
    ".woff2": "font/woff2",
}
_FOREVER: Final = "public, max-age=31536000, immutable"
_FOR_AN_HOUR: Final = "public, max-age=3600"
_ASK_ALWAYS: Final = "no-cache"

_ORIGIN: Final = re.compile(r"https?://(\*\.)?[a-z0-9-]+(\.[a-z0-9-]+)*(:[0-9]{1,5})?")


class PageError(ValueError):
    """The built page cannot be served."""


def is_built(folder: Path) -> bool:
    """Whether there is a page; a relative folder is the checkout's."""
    return (ROOT / folder / _INDEX).is_file()


def routes(folder: Path) -> list[Route]:
    """Routes for every file of a built page, or for a word on how to build one.

    Raises:
        PageError: a file that is too large or of a kind that is not known.
    """
    if not is_built(folder):
        return [_answer({"path": "/"}, _NOT_BUILT, "text/plain; charset=utf-8", _ASK_ALWAYS)]
    return [*_files(ROOT / folder)]


def _files(folder: Path) -> Iterator[Route]:
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        # Maps are for debuggers, which read them where the page was built.
        if not path.is_file() or path.suffix == ".map" or path.name.startswith("."):
            continue
        if (media_type := _MEDIA_TYPES.get(path.suffix)) is None:
            raise PageError(f"the page's file {name} is of no kind that the edge knows")
        if path.stat().st_size > MAX_FILE_BYTES:
            raise PageError(f"the page's file {name} has more than {MAX_FILE_BYTES} bytes")
        match: Route = {"path": f"/{name}"}
        kept = _FOREVER if name.startswith("assets/") else _FOR_AN_HOUR
        if name == _INDEX:
            match, kept = {"safe_regex": {"regex": _VIEWS}}, _ASK_ALWAYS
        yield _answer(match, path.read_bytes(), media_type, kept)


def _answer(match: Route, body: bytes, media_type: str, kept: str) -> Route:
    headers = {"content-type": media_type, "cache-control": kept}
    return {
        "match": match,
        "direct_response": {
            "status": 200,
            "body": {"inline_bytes": base64.b64encode(body).decode()},
        },
        "response_headers_to_add": [
            {
                "header": {"key": key, "value": value},
                "append_action": "OVERWRITE_IF_EXISTS_OR_ADD",
            }
            for key, value in headers.items()
        ],
    }


def as_yaml(found: Sequence[Route], indent: int) -> str:
    """Routes as items of a YAML list whose first line is indented already."""
    return ("\n" + " " * indent).join(f"- {json.dumps(route)}" for route in found)


def content_security_policy(image_origins: Sequence[str]) -> str:
    """What the page may load: its own files, its own photographs, and pictures of these origins."""
    pictures = " ".join(("'self'", "blob:", "data:", *image_origins))
    return "; ".join(
        (
            "default-src 'none'",
            "script-src 'self'",
            "style-src 'self'",
            f"img-src {pictures}",
            "connect-src 'self'",
            "manifest-src 'self'",
            "base-uri 'none'",
            "form-action 'none'",
            "frame-ancestors 'none'",
        )
    )


# A photograph is chosen in a file dialogue, which on a phone offers the camera without this.
PERMISSIONS_POLICY: Final = ", ".join(
    f"{feature}=()"
    for feature in (
        "accelerometer",
        "camera",
        "display-capture",
        "geolocation",
        "gyroscope",
        "microphone",
        "midi",
        "payment",
        "usb",
    )
)


def is_origin(text: str) -> bool:
    """Whether it is `https://host`, `https://host:port` or `https://*.host`, and no more."""
    return _ORIGIN.fullmatch(text) is not None
