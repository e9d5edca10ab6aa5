"""The supervisor alone, over small programs that stand in for the services."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

_ROOT = Path(__file__).resolve().parents[2]


class Run:
    """A supervisor in a process group of its own, its output read line by line."""

    def __init__(self, data_dir: Path, *specs: str) -> None:
        self.data_dir = data_dir
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.e2e.supervise_stand_ins", str(data_dir), *specs],
            cwd=_ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        self.lines: list[str] = []

    def read_until(self, words: str) -> str:
        """The first line that holds the words; pytest's timeout bounds the wait."""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.lines.append(line.rstrip())
            if words in line:
                return line
        raise AssertionError(f"{words!r} was never said:\n" + "\n".join(self.lines))

    def read_rest(self) -> int:
        """Reads to the end; returns the exit status."""
        assert self.process.stdout is not None
        self.lines += [line.rstrip() for line in self.process.stdout]
        return self.process.wait()

    def pids(self) -> dict[str, int]:
        """Process ids by name."""
        found: dict[str, int] = json.loads((self.data_dir / "run" / "processes.json").read_text())
        return found


Start = Callable[..., Run]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Starts supervisors and leaves none behind."""
    runs: list[Run] = []

    def _start(*specs: str) -> Run:
        runs.append(Run(tmp_path, *specs))
        return runs[-1]

    yield _start
    for run in runs:
        if run.process.poll() is None:
            run.process.kill()
        run.process.wait()
        assert run.process.stdout is not None
        run.process.stdout.close()


def test_its_last_lines_say_what_to_do_next(start: Start) -> None:
    run = start("indexer=", "gateway=")
    run.read_until("Lookalike is up")
    run.read_until("make demo")
    last = run.read_until("lookalike search")
    assert last.startswith("  .venv/bin/lookalike search")


def test_a_killed_process_is_named_with_its_signal_and_started_again(start: Start) -> None:
    run = start("indexer=", "gateway=")
    run.read_until("lookalike search")
    before = run.pids()
    os.kill(before["indexer"], signal.SIGKILL)
    death = run.read_until("indexer (pid")
    assert f"pid {before['indexer']}) was killed by SIGKILL; starting it again" in death
    run.read_until("indexer serves again")
    after = run.pids()
    assert after["indexer"] != before["indexer"]
    assert after["gateway"] == before["gateway"]


def test_a_process_that_dies_before_it_serves_ends_the_run_with_its_last_words(
    start: Start,
) -> None:
    run = start("indexer=", "embedder=broken")
    assert run.read_rest() == 1
    said = "\n".join(run.lines)
    assert "embedder" in said
    assert "ended with status 3 before it served; its last words: the model is missing" in said


def test_a_process_that_dies_again_and_again_is_given_up(start: Start) -> None:
    run = start("indexer=")
    run.read_until("lookalike search")
    for _ in range(2):
        os.kill(run.pids()["indexer"], signal.SIGKILL)
        run.read_until("indexer serves again")
    os.kill(run.pids()["indexer"], signal.SIGKILL)
    assert run.read_rest() == 1
    assert "giving up" in "\n".join(run.lines)


def test_sigterm_ends_even_a_process_that_ignores_it(start: Start) -> None:
    run = start("indexer=stubborn", "gateway=")
    run.read_until("lookalike search")
    pids = run.pids()
    os.killpg(run.process.pid, signal.SIGTERM)
    assert run.read_rest() == 0
    assert "indexer did not end in time: killing it" in "\n".join(run.lines)
    assert not any(psutil.pid_exists(pid) for pid in pids.values())


def test_a_killed_supervisor_takes_its_processes_along(start: Start) -> None:
    run = start("indexer=", "gateway=stubborn")
    run.read_until("lookalike search")
    children = [psutil.Process(pid) for name, pid in run.pids().items() if name != "supervisor"]
    run.process.kill()
    run.process.wait()
    _, alive = psutil.wait_procs(children, timeout=30)
    assert alive == []


def test_warnings_are_shown_and_everything_is_kept(start: Start) -> None:
    run = start("indexer=loud")
    run.read_until("indexer: WARNING: loud words")
    run.read_until("lookalike search")
    assert "quiet words" not in "\n".join(run.lines)
    assert "quiet words" in (run.data_dir / "logs" / "indexer.log").read_text()
