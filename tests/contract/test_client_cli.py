"""The command `lookalike`: what it prints where, and its exit status."""

import asyncio
import json
import os
import sys
from pathlib import Path
from typing import Any

import grpc
import pytest

from lookalike_client.cli.main import run
from tests.contract.client_gateway_twin import Fault, GatewayTwin, server, twin

__all__ = ["server", "twin"]


class Command:
    """Runs the command in this process, beside the server's loop."""

    def __init__(self, server: str, capsys: pytest.CaptureFixture[str]) -> None:
        self._server = server
        self._capsys = capsys

    async def __call__(self, *arguments: str) -> tuple[int, str, str]:
        status = await asyncio.to_thread(run, [*arguments, "--server", self._server])
        printed = self._capsys.readouterr()
        return status, printed.out, printed.err

    async def json(self, *arguments: str) -> tuple[int, Any]:
        status, out, _ = await self(*arguments, "--json")
        return status, json.loads(out)


@pytest.fixture
def command(server: str, capsys: pytest.CaptureFixture[str]) -> Command:
    return Command(server, capsys)


@pytest.fixture
def manifest(tmp_path: Path) -> Path:
    (tmp_path / "a.jpg").write_bytes(b"a")
    (tmp_path / "b.jpg").write_bytes(b"b")
    path = tmp_path / "catalogue.jsonl"
    path.write_text(
        '{"product_id": "a", "images": ["a.jpg"], "name": "A", "attributes": {"colour": "blue"}}\n'
        '{"product_id": "b", "images": ["b.jpg"], "attributes": {"colour": "red", "empty": ""}}\n'
    )
    return path


async def test_ingest_prints_one_document_with_the_promised_keys(
    command: Command, manifest: Path
) -> None:
    status, document = await command.json("ingest", str(manifest))
    assert status == 0
    assert (document["indexed"], document["unchanged"], document["failed"]) == (2, 0, 0)
    assert document["images_failed"] == []
    assert document["images_per_second"] > 0
    status, document = await command.json("ingest", str(manifest))
    assert (status, document["indexed"], document["unchanged"]) == (0, 0, 2)


async def test_ingest_exits_with_3_if_an_image_or_a_product_failed(
    command: Command, manifest: Path
) -> None:
    with manifest.open("a") as file:
        file.write('{"product_id": "c", "images": ["a.jpg", "missing.jpg"]}\n{"product_id": 7}\n')
    status, document = await command.json("ingest", str(manifest))
    assert status == 3
    assert (document["indexed"], document["unchanged"], document["failed"]) == (3, 0, 1)
    [failure] = document["images_failed"]
    assert {key: failure[key] for key in ("product_id", "image", "stage", "reason")} == {
        "product_id": "c",
        "image": "missing.jpg",
        "stage": "fetch",
        "reason": "IMAGE_UNREADABLE",
    }
    status, out, err = await command("ingest", str(manifest))
    assert status == 3
    assert "3 unchanged, 1 failed" in out
    assert "IMAGE_UNREADABLE" in out
    assert "catalogue.jsonl:4" in out
    assert err == ""


async def test_an_ingest_that_ends_early_exits_with_1_and_tells_how_far_it_got(
    twin: GatewayTwin, command: Command, manifest: Path
) -> None:
    twin.faults = [Fault(after_products=2, code=grpc.StatusCode.ABORTED, reason="STREAM_FENCED")]
    status, document = await command.json("ingest", str(manifest))
    assert status == 1
    assert document["indexed"] + document["unchanged"] + document["failed"] < 2
    assert document["error"]["type"] == "StreamFenced"
    assert document["error"]["reason"] == "STREAM_FENCED"


async def test_a_path_that_is_no_catalogue_is_one_sentence(
    command: Command, tmp_path: Path
) -> None:
    status, out, err = await command("ingest", str(tmp_path / "nothing"))
    assert (status, out) == (1, "")
    assert err == f"lookalike: {tmp_path}/nothing does not exist.\n"


async def test_search_prints_results_with_scores_and_images(
    command: Command, manifest: Path
) -> None:
    await command("ingest", str(manifest))
    status, document = await command.json("search", "blue shirt", "-k", "2")
    assert status == 0
    assert [result["product_id"] for result in document["results"]] == ["a", "b"]
    assert document["results"][0]["score"] == 1.0
    assert document["results"][0]["weak"] is False
    assert document["results"][0]["images"][0]["label"] == "a.jpg"
    status, out, _ = await command("search", "blue shirt", "--filter", "colour=red")
    assert status == 0
    assert "b.jpg" in out
    assert "a.jpg" not in out


async def test_search_tells_how_probable_a_match_is(command: Command, manifest: Path) -> None:
    await command("ingest", str(manifest))
    status, document = await command.json("search", "blue shirt")
    assert status == 0
    assert document["no_good_match"] is False
    assert document["score_meaning"]["fitted_on"] == "a shop"
    first = document["results"][0]
    assert first["match_probability"] == pytest.approx(0.8)
    assert "distance" not in first
    _, out, _ = await command("search", "blue shirt")
    assert "####.  80%" in out
    assert "##...  40%" in out
    _, out, err = await command("search", "nothing like it")
    assert "No good match." in out + err


async def test_search_measures_distances_and_infers_the_category(
    twin: GatewayTwin, command: Command, manifest: Path
) -> None:
    await command("ingest", str(manifest))
    photo = str(manifest.parent / "a.jpg")
    status, document = await command.json(
        "search", "--image", photo, "--category", "auto", "--metric", "l1"
    )
    assert status == 0
    assert [result["distance"] for result in document["results"]] == [0.0, 0.5]
    assert document["parts"][0]["category_guess"] == {
        "category": "Dresses",
        "confidence": 0.75,
        "applied": True,
    }
    _, out, err = await command("search", "--image", photo, "--category", "auto")
    assert "shows Dresses (75% sure)" in out + err
    status, _, err = await command("search", "red", "--category", "auto")
    assert status != 0
    assert "--image" in err


async def test_search_turns_its_options_into_parts(
    twin: GatewayTwin, command: Command, manifest: Path
) -> None:
    await command("ingest", str(manifest))
    image = str(manifest.with_name("a.jpg"))
    options = ["--image", image, "--like", "a", "--not", "red", "--not-like", "b"]
    options += ["--feature", "colour=blue", "--garment", "upper", "--filter", "price>=1"]
    assert (await command("search", "words", *options))[0] == 0
    request = twin.requests[-1]
    kinds = [(part.WhichOneof("part"), part.weight < 0) for part in request.parts]
    assert kinds == [
        ("text", False),
        ("image", False),
        ("product_id", False),
        ("features", False),
        ("text", True),
        ("product_id", True),
    ]
    assert request.garment == request.parts[1].image.garment == 1
    assert request.filter.conditions[0].range.minimum == 1


async def test_the_other_commands_answer(
    twin: GatewayTwin, command: Command, manifest: Path, tmp_path: Path
) -> None:
    await command("ingest", str(manifest))
    assert [r["product_id"] for r in (await command.json("similar", "a"))[1]["results"]] == ["b"]
    status, product = await command.json("show", "a")
    assert (status, product["name"]) == (0, "A")
    assert "photograph" in (await command("show", "a"))[1]
    assert (await command.json("facets"))[1]["facets"][0]["field"] == "colour"
    assert "blue" in (await command("facets", "colour"))[1]
    picture = tmp_path / "out.png"
    status, found = await command.json(
        "segment", str(manifest.with_name("a.jpg")), "-o", str(picture)
    )
    assert (status, found["output"], picture.read_bytes()) == (0, str(picture), b"picture")
    assert found["garments"][0]["bounding_box"]["width_px"] == 3
    assert "upper" in (await command("segment", str(manifest.with_name("a.jpg"))))[1]
    status, deletion = await command.json("delete", "a", "nothing")
    assert (status, deletion["deleted"], deletion["unknown"]) == (3, ["a"], ["nothing"])
    assert (await command("delete", "b"))[0] == 0
    assert (await command("show", "b"))[0] == 1


async def test_status_exits_with_0_only_if_every_service_serves(
    twin: GatewayTwin, command: Command
) -> None:
    assert (await command("status"))[0] == 0
    twin.unserving.add("segmenter")
    status, out, _ = await command("status")
    assert status == 1
    assert "WARMING_UP" in out
    status, document = await command.json("status")
    assert (status, document["serving"]) == (1, False)


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["search"],
        ["search", "x", "-k", "0"],
        ["search", "x", "--filter", "price<1"],
        ["search", "x", "--garment", "hat"],
        ["search", "x", "--feature", "size=4"],
        ["search", "--image", "/nothing.jpg"],
        ["ingest"],
        ["segment", "/nothing.jpg"],
        ["fly"],
    ],
)
async def test_a_wrong_call_exits_with_1_and_prints_nothing_on_standard_output(
    command: Command, arguments: list[str]
) -> None:
    status, out, err = await command(*arguments)
    assert (status, out) == (1, "")
    assert err


async def test_names_cannot_steer_the_terminal(
    twin: GatewayTwin, command: Command, tmp_path: Path
) -> None:
    (tmp_path / "a.jpg").write_bytes(b"a")
    evil = "\x1b[2J[red]bold\x07\x9b\u202e"
    path = tmp_path / "catalogue.jsonl"
    line = {"product_id": "a", "images": ["a.jpg", f"{evil}.jpg"], "name": evil}
    path.write_text(json.dumps(line | {"attributes": {evil: evil}}))
    outputs = [
        *(await command("ingest", str(path)))[1:],
        *(await command("search", "x"))[1:],
        *(await command("show", "a"))[1:],
        *(await command("show", "a", "--json"))[1:],
    ]
    for output in outputs:
        assert not any(character in output for character in "\x1b\x07\x9b\u202e")
    assert "[red]bold" in outputs[2]


async def test_the_installed_command_keeps_its_outputs_apart(
    twin: GatewayTwin, server: str, manifest: Path
) -> None:
    twin.faults = [Fault(refuse_open=True)]
    environment = {**os.environ, "LOOKALIKE_SERVER": server}
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        "from lookalike_client.cli import main; main()",
        *("ingest", str(manifest), "--json"),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=environment,
    )
    out, err = await process.communicate()
    assert process.returncode == 0
    assert json.loads(out)["indexed"] == 2
    assert b"Trying again" in err


async def test_without_a_server_every_command_is_one_sentence_and_1(
    capsys: pytest.CaptureFixture[str],
) -> None:
    status = await asyncio.to_thread(run, ["--server", "127.0.0.1:1", "status"])
    printed = capsys.readouterr()
    assert (status, printed.out) == (1, "")
    assert printed.err.startswith("lookalike: No connection to 127.0.0.1:1: ")
    assert printed.err.count("\n") == 1
