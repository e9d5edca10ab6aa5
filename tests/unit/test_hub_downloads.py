"""Files of the hub, from a server of the tests that behaves as the hub does."""

import hashlib
import http.server
import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from models.hub import LOCK_NAME, take_from_hub
from models.manifest import ModelFile, Source
from models.packages import FetchError

COMMIT = "c0ffee" * 6 + "abcd"
WEIGHTS = bytes(range(256)) * 4000
CONFIG = b'{"model_type": "clip"}'


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


@dataclass
class Hub:
    """What the server does, and what it was asked."""

    url: str = ""
    weights: bytes = WEIGHTS
    announced: str = sha256(WEIGHTS)
    breaks_after: list[int] = field(default_factory=list)
    """Bytes after which each further download of the weights breaks off."""
    failures: list[int] = field(default_factory=list)
    """Statuses that the next requests get."""
    ranges: list[str] = field(default_factory=list)
    paths: list[str] = field(default_factory=list)


@pytest.fixture
def hub() -> Iterator[Hub]:
    state = Hub()

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            state.paths.append(self.path)
            if state.failures:
                return self._empty(state.failures.pop(0))
            name = self.path.split("/")[-1]
            if self.path.startswith("/store/"):
                return self._weights()
            if name == "model.safetensors":
                # Large files lie elsewhere: the hub says what they are and sends us on.
                return self._empty(
                    302,
                    {
                        "Location": f"{state.url}/store/weights",
                        "X-Repo-Commit": COMMIT,
                        "X-Linked-Etag": f'"{state.announced}"',
                        "X-Linked-Size": str(len(state.weights)),
                    },
                )
            if name == "config.json":
                blob = hashlib.sha1(f"blob {len(CONFIG)}\0".encode() + CONFIG).hexdigest()
                headers = {"X-Repo-Commit": COMMIT, "ETag": f'"{blob}"'}
                return self._body(200, CONFIG, headers)
            return self._empty(404)

        def _weights(self) -> None:
            data, wanted = state.weights, self.headers.get("Range", "")
            etag = f'"{sha256(data)[:16]}"'
            state.ranges.append(wanted)
            start = 0
            if wanted and self.headers.get("If-Range") == etag:
                start = int(wanted.removeprefix("bytes=").removesuffix("-"))
            headers = {"ETag": etag}
            if start:
                headers["Content-Range"] = f"bytes {start}-{len(data) - 1}/{len(data)}"
            cut = state.breaks_after.pop(0) if state.breaks_after else None
            self._body(206 if start else 200, data[start:], headers, cut)

        def _body(
            self, status: int, data: bytes, headers: dict[str, str], cut: int | None = None
        ) -> None:
            self.send_response(status)
            for key, value in {**headers, "Content-Length": str(len(data))}.items():
                self.send_header(key, value)
            self.end_headers()
            self.wfile.write(data if cut is None else data[:cut])
            self.close_connection = cut is not None

        def _empty(self, status: int, headers: dict[str, str] | None = None) -> None:
            self._body(status, b"", headers or {})

        def log_message(self, format: str, *args: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        state.url = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield state
        server.shutdown()
        thread.join()


def source(pin: str = "", revision: str = COMMIT, *more: ModelFile) -> Source:
    weights = ModelFile("model.safetensors", ("model.safetensors",), pin, 0, False)
    config = ModelFile("config.json", ("config.json",), "", 0, False)
    return Source("hub", "owner/name", revision, False, (weights, config, *more))


def take(hub: Hub, wanted: Source, folder: Path) -> dict[str, str]:
    staging = folder / "staging"
    staging.mkdir(exist_ok=True)
    env = {"HF_ENDPOINT": hub.url + "/", "LOOKALIKE_CACHE": str(folder)}
    return take_from_hub(wanted, staging, env, pause=lambda _: None)


def test_files_are_taken_through_the_redirect_and_checked(hub: Hub, tmp_path: Path) -> None:
    found = take(hub, source(sha256(WEIGHTS)), tmp_path)
    assert found == {"model.safetensors": sha256(WEIGHTS), "config.json": sha256(CONFIG)}
    assert (tmp_path / "staging/model.safetensors").read_bytes() == WEIGHTS
    assert f"/owner/name/resolve/{COMMIT}/model.safetensors" in hub.paths


def test_a_broken_download_goes_on_where_it_stopped(hub: Hub, tmp_path: Path) -> None:
    hub.breaks_after = [300_000, 200_000]
    take(hub, source(), tmp_path)
    assert (tmp_path / "staging/model.safetensors").read_bytes() == WEIGHTS
    assert hub.ranges == ["", "bytes=300000-", "bytes=500000-"]


def test_a_later_run_goes_on_where_an_earlier_one_was_stopped(hub: Hub, tmp_path: Path) -> None:
    hub.breaks_after = [100_000, 0, 0, 0, 0]
    with pytest.raises(FetchError, match="HF_ENDPOINT"):
        take(hub, source(), tmp_path)
    take(hub, source(), tmp_path)
    assert hub.ranges[-1] == "bytes=100000-"
    assert (tmp_path / "staging/model.safetensors").read_bytes() == WEIGHTS


def test_a_file_that_changed_in_between_is_not_spliced(hub: Hub, tmp_path: Path) -> None:
    hub.breaks_after = [100_000, 0, 0, 0, 0]
    with pytest.raises(FetchError):
        take(hub, source(), tmp_path)
    hub.weights = WEIGHTS[::-1]
    hub.announced = sha256(hub.weights)
    take(hub, source(), tmp_path)
    assert (tmp_path / "staging/model.safetensors").read_bytes() == hub.weights


def test_bytes_other_than_the_pinned_ones_are_refused_and_forgotten(
    hub: Hub, tmp_path: Path
) -> None:
    with pytest.raises(FetchError, match="the manifest pins"):
        take(hub, source("0" * 64), tmp_path)
    assert not list((tmp_path / "downloads").rglob("model.safetensors*"))


def test_bytes_other_than_the_hub_announced_are_refused(hub: Hub, tmp_path: Path) -> None:
    hub.announced = "1" * 64
    with pytest.raises(FetchError, match="announced"):
        take(hub, source(), tmp_path)


def test_what_was_seen_first_is_all_that_is_taken_later(hub: Hub, tmp_path: Path) -> None:
    take(hub, source(), tmp_path)
    lock = json.loads((tmp_path / LOCK_NAME).read_text())
    seen = lock[f"owner/name@{COMMIT}"]["files"]["model.safetensors"]
    assert seen == {"sha256": sha256(WEIGHTS), "size_bytes": len(WEIGHTS)}
    for path in (tmp_path / "downloads").rglob("*.*"):
        path.unlink()
    hub.weights = WEIGHTS[::-1]
    hub.announced = sha256(hub.weights)
    with pytest.raises(FetchError, match="was seen the first time"):
        take(hub, source(), tmp_path)


def test_a_branch_means_the_commit_that_it_was_the_first_time(hub: Hub, tmp_path: Path) -> None:
    take(hub, source("", "main"), tmp_path)
    for path in (tmp_path / "downloads").rglob("*.*"):
        path.unlink()
    take(hub, source("", "main"), tmp_path)
    assert hub.paths[0] == "/owner/name/resolve/main/model.safetensors"
    assert f"/owner/name/resolve/{COMMIT}/model.safetensors" in hub.paths


def test_a_missing_file_is_named(hub: Hub, tmp_path: Path) -> None:
    missing = ModelFile("no.json", ("no.json",), "", 0, False)
    with pytest.raises(FetchError, match=r"owner/name has no no\.json"):
        take(hub, source("", COMMIT, missing), tmp_path)


def test_an_optional_file_may_be_missing_and_stands_in_for_none(hub: Hub, tmp_path: Path) -> None:
    optional = ModelFile("no.json", ("no.json",), "", 0, False, optional=True)
    second = ModelFile("other.bin", ("other.bin",), "", 0, False, instead_of="model.safetensors")
    found = take(hub, source("", COMMIT, optional, second), tmp_path)
    assert set(found) == {"model.safetensors", "config.json"}


def test_an_overloaded_hub_is_asked_again(hub: Hub, tmp_path: Path) -> None:
    hub.failures = [503, 429]
    assert take(hub, source(), tmp_path)["config.json"] == sha256(CONFIG)


def test_a_closed_model_says_what_can_be_done(hub: Hub, tmp_path: Path) -> None:
    hub.failures = [401]
    with pytest.raises(FetchError, match=r"401.*MODEL_DIR"):
        take(hub, source(), tmp_path)


def test_a_hub_that_cannot_be_reached_says_what_can_be_done(tmp_path: Path) -> None:
    nobody = Hub(url="http://127.0.0.1:9")
    with pytest.raises(FetchError, match="HTTPS_PROXY"):
        take(nobody, source(), tmp_path)


def test_a_folder_takes_the_place_of_the_hub(tmp_path: Path) -> None:
    folder, staging = tmp_path / "offline", tmp_path / "staging"
    folder.mkdir()
    staging.mkdir()
    (folder / "model.safetensors").write_bytes(WEIGHTS)
    (folder / "config.json").write_bytes(CONFIG)
    env = {"MODEL_DIR": str(folder), "LOOKALIKE_CACHE": str(tmp_path)}
    found = take_from_hub(source(sha256(WEIGHTS)), staging, env)
    assert found["model.safetensors"] == sha256(WEIGHTS)
    with pytest.raises(FetchError, match="the manifest pins"):
        take_from_hub(source("0" * 64), staging, env)
    (folder / "config.json").unlink()
    with pytest.raises(FetchError, match=r"has no config\.json"):
        take_from_hub(source(), staging, env)
