"""The page's files as routes of the edge, and what the edge's settings let into its policy."""

import base64
from pathlib import Path
from typing import Any

import pytest
from google.protobuf.descriptor_pb2 import FileDescriptorSet
from google.protobuf.descriptor_pool import DescriptorPool

from deploy.local import page
from deploy.local.descriptors import descriptor_set
from deploy.local.settings import load_edge, load_local
from deploy.local.supervisor import closing_lines
from servicekit.config import ConfigError


def write(folder: Path, *names: str) -> Path:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    return folder


def headers(route: Any) -> dict[str, str]:
    added = [one["header"] for one in route["response_headers_to_add"]]
    return {header["key"]: header["value"] for header in added}


def by_match(folder: Path) -> dict[str, Any]:
    return {str(route["match"]): route for route in page.routes(folder)}


def test_one_document_is_every_view(tmp_path: Path) -> None:
    [route] = page.routes(write(tmp_path, "index.html"))
    assert route["match"] == {"safe_regex": {"regex": "/|/map|/ingest|/status|/product/.+"}}
    assert base64.b64decode(route["direct_response"]["body"]["inline_bytes"]) == b"index.html"
    assert headers(route)["cache-control"] == "no-cache"


def test_what_is_named_by_its_content_is_kept_forever_and_the_rest_is_not(tmp_path: Path) -> None:
    found = by_match(write(tmp_path, "index.html", "assets/index-B2x.js", "favicon.svg"))
    script = headers(found["{'path': '/assets/index-B2x.js'}"])
    assert script["cache-control"] == "public, max-age=31536000, immutable"
    assert script["content-type"] == "text/javascript; charset=utf-8"
    icon = headers(found["{'path': '/favicon.svg'}"])
    assert icon == {"content-type": "image/svg+xml", "cache-control": "public, max-age=3600"}


def test_source_maps_and_hidden_files_stay_where_they_are(tmp_path: Path) -> None:
    write(tmp_path, "index.html", "assets/index-B2x.js.map", ".vite", "assets/.DS_Store")
    assert len(page.routes(tmp_path)) == 1


def test_a_file_of_an_unknown_kind_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(page.PageError, match=r"assets/tool\.exe"):
        page.routes(write(tmp_path, "index.html", "assets/tool.exe"))


def test_a_file_that_the_edge_would_have_to_hold_is_refused_by_name(tmp_path: Path) -> None:
    write(tmp_path, "index.html", "film.webp")
    (tmp_path / "film.webp").write_bytes(bytes(page.MAX_FILE_BYTES + 1))
    with pytest.raises(page.PageError, match=r"film\.webp"):
        page.routes(tmp_path)


def test_a_page_that_is_not_built_says_how_to_build_it(tmp_path: Path) -> None:
    [route] = page.routes(tmp_path)
    assert b"make web" in base64.b64decode(route["direct_response"]["body"]["inline_bytes"])


@pytest.mark.parametrize(
    ("names", "writes", "said"),
    [
        ([], "false", "make web"),
        (["index.html"], "false", "LOOKALIKE_EDGE_ALLOW_WRITES=true"),
        (["index.html"], "true", "page     http://127.0.0.1:8080\n"),
    ],
)
def test_the_closing_lines_say_what_the_page_can_do(
    tmp_path: Path, names: list[str], writes: str, said: str
) -> None:
    env = {
        "LOOKALIKE_EDGE_PAGE_DIR": str(write(tmp_path, *names)),
        "LOOKALIKE_EDGE_ALLOW_WRITES": writes,
    }
    assert said in "\n".join(closing_lines(load_local(env), [], 1.0))


def test_the_policy_lets_in_pictures_of_named_servers_and_no_script_but_its_own() -> None:
    policy = page.content_security_policy(("https://*.cdn.example",)).split("; ")
    assert policy[0] == "default-src 'none'"
    assert "script-src 'self'" in policy
    assert "style-src 'self'" in policy
    assert "img-src 'self' blob: data: https://*.cdn.example" in policy
    assert not any("unsafe" in directive for directive in policy)


@pytest.mark.parametrize("name", ["LOOKALIKE_EDGE_IMAGE_ORIGINS", "LOOKALIKE_EDGE_ALLOWED_ORIGINS"])
@pytest.mark.parametrize(
    "value",
    [
        "cdn.example",
        "https://cdn.example/",
        "https://cdn.example/pictures",
        "https://cdn.example; script-src *",
        "https://user@cdn.example",
        "ftp://cdn.example",
        "*",
        "https://*",
        'https://cdn.example"',
    ],
)
def test_what_is_no_origin_is_refused_by_the_settings_name(name: str, value: str) -> None:
    with pytest.raises(ConfigError, match=name):
        load_edge({name: value})


def test_every_site_of_a_domain_may_send_pictures_but_not_call() -> None:
    assert load_edge({"LOOKALIKE_EDGE_IMAGE_ORIGINS": "https://*.cdn.example"}).image_origins
    with pytest.raises(ConfigError, match="ALLOWED_ORIGINS"):
        load_edge({"LOOKALIKE_EDGE_ALLOWED_ORIGINS": "https://*.shop.example"})


def test_the_transcoder_is_given_every_file_that_its_service_needs() -> None:
    descriptors = FileDescriptorSet.FromString(descriptor_set())
    pool = DescriptorPool()
    for file in descriptors.file:
        pool.Add(file)
    service = pool.FindServiceByName("lookalike.gateway.v1.SearchService")
    assert "ReadImage" in service.methods_by_name
    assert pool.FindMessageTypeByName("google.rpc.ErrorInfo")
