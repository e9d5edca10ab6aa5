"""What the documents say can be done can be done: settings, links, commands, alerts."""

import re
import shlex
from pathlib import Path

import click
import pytest
import yaml

from deploy.local.settings import EdgeConfig, RunConfig
from lookalike_client.cli.main import cli
from servicekit.config import describe

ROOT = Path(__file__).resolve().parents[2]
SKIPPED = {".venv", ".venv-models", "node_modules", "gen", ".git"}
DOCUMENTS = sorted(
    path for path in ROOT.rglob("*.md") if not SKIPPED & set(path.relative_to(ROOT).parts)
)
OPERATIONS = (ROOT / "docs/operations.md").read_text()
MAKEFILE = (ROOT / "Makefile").read_text()


def _code_lines(text: str) -> list[str]:
    """Lines of the fenced blocks, without their comments."""
    blocks = re.findall(r"^```\w*\n(.*?)^```", text, re.M | re.S)
    return [line.split(" #")[0].strip() for block in blocks for line in block.splitlines()]


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_lead_somewhere(document: Path) -> None:
    text = re.sub(r"^```.*?^```", "", document.read_text(), flags=re.M | re.S)
    targets = [target.split("#")[0] for target in re.findall(r"\]\(([^)\s]+)\)", text)]
    local = [target for target in targets if target and not re.match(r"[a-z]+:", target)]
    assert [target for target in local if not (document.parent / target).exists()] == []


@pytest.mark.parametrize(("settings", "prefix"), [(RunConfig, ""), (EdgeConfig, "LOOKALIKE_EDGE_")])
def test_operations_lists_the_settings_of_a_run_and_of_the_edge(
    settings: type[RunConfig] | type[EdgeConfig], prefix: str
) -> None:
    for setting in describe(settings, prefix):
        default = f"`{setting.default}`" if setting.default else ""
        row = f"| `{setting.name}` | {default} | {setting.help} |"
        assert re.sub(" +", " ", row) in re.sub(" +", " ", OPERATIONS)


def test_operations_lists_no_setting_that_there_is_not() -> None:
    known = {setting.name for setting in describe(EdgeConfig, "LOOKALIKE_EDGE_")}
    assert set(re.findall(r"LOOKALIKE_EDGE_[A-Z_]+", OPERATIONS)) == known


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_make_targets_exist(document: Path) -> None:
    targets = set(re.findall(r"^(?:# )?([a-zA-Z-]+):", MAKEFILE, re.M))
    targets |= {f"run-{name}" for name in ("segmenter", "embedder", "indexer", "gateway")}
    text = document.read_text()
    named = re.findall(r"`make ([a-zA-Z][a-zA-Z-]*)[^`]*`", text)
    named += [line.split()[1] for line in _code_lines(text) if re.match(r"make [a-zA-Z-]+", line)]
    assert sorted(set(named) - targets) == []


def test_every_target_has_a_line_of_help() -> None:
    public = re.findall(r"^\.PHONY: (.*)$", MAKEFILE, re.M)
    names = {name for line in public for name in line.split() if not name.startswith("$")}
    helped = set(re.findall(r"^([a-zA-Z-]+):.*## ", MAKEFILE, re.M))
    assert {name for name in names if re.fullmatch(r"[a-z-]+", name)} <= helped


def test_the_readmes_commands_have_these_options() -> None:
    lines = [line for line in _code_lines((ROOT / "README.md").read_text()) if "lookalike" in line]
    commands = [shlex.split(line)[1:] for line in lines if line.startswith(".venv/bin/lookalike")]
    assert len(commands) > 8
    for name, *arguments in commands:
        command = cli.commands[name]
        known = {
            option
            for parameter in command.params
            if isinstance(parameter, click.Option)
            for option in parameter.opts
        }
        given = {word for word in arguments if re.match(r"-\D", word)}
        assert given <= known, f"lookalike {name}: {given - known}"


def test_alerts_ask_for_metrics_that_are_documented() -> None:
    readmes = [*(ROOT / "services").glob("*/README.md"), ROOT / "servicekit/README.md"]
    documented = {
        re.sub(r"^lookalike_(<service>|[a-z]+)_", "", name)
        for readme in readmes
        for name in re.findall(r"`(lookalike_[a-z_<>]+)`", readme.read_text())
    }
    groups = yaml.safe_load((ROOT / "deploy/prometheus/alerts.yml").read_text())["groups"]
    asked = set()
    for rule in (rule for group in groups for rule in group["rules"]):
        assert {"summary", "action"} <= set(rule["annotations"])
        for name in re.findall(r"lookalike_(?:\([a-z|]+\)|[a-z]+)_([a-z_]+)", rule["expr"]):
            asked.add(re.sub(r"_(bucket|sum|count)$", "", name))
    assert len(asked) >= 4
    assert asked <= documented
