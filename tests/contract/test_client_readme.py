"""The client's README says what is so."""

import asyncio
import dataclasses
import re
from pathlib import Path

import click
import pytest

import lookalike_client
from lookalike_client import IngestSettings
from lookalike_client.cli.main import cli
from tests.contract.client_gateway_twin import GatewayTwin, serving

CLIENT = Path(__file__).resolve().parents[2] / "clients" / "python"
README = (CLIENT / "README.md").read_text()
EXAMPLES = re.findall(r"```python\n(.*?)```", README, flags=re.S)


@pytest.mark.parametrize("example", EXAMPLES, ids=range(len(EXAMPLES)))
async def test_every_example_runs(
    example: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "shop" / "skirt").mkdir(parents=True)
    (tmp_path / "shop" / "skirt" / "front.jpg").write_bytes(b"photo")
    (tmp_path / "skirt.jpg").write_bytes(b"photo")
    monkeypatch.chdir(tmp_path)
    async with serving(GatewayTwin()) as address:
        code = compile(example.replace("127.0.0.1:50050", address), "README.md", "exec")
        await asyncio.to_thread(exec, code, {"__name__": "example"})


def test_the_settings_are_those_of_the_code() -> None:
    table = dict(re.findall(r"^\| `(\w+)` \| ([\d.]+) \|", README, flags=re.M))
    settings = dataclasses.asdict(IngestSettings())
    assert {name: float(value) for name, value in table.items()} == settings


def test_the_commands_are_those_of_the_code() -> None:
    told = re.findall(r"^\| `lookalike (\w+)", README, flags=re.M)
    assert sorted(told) == sorted(cli.commands)
    assert isinstance(cli, click.Group)


def test_the_version_is_that_of_the_wheel() -> None:
    assert f'version = "{lookalike_client.__version__}"' in (CLIENT / "pyproject.toml").read_text()
