"""The whole real system under its supervisor, on free ports."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import httpx

from servicekit.testing import free_port

ROOT: Final = Path(__file__).resolve().parents[2]
LOOKALIKE: Final = str(Path(sys.executable).with_name("lookalike"))
SERVICES: Final = ("gateway", "segmenter", "embedder", "indexer")
_PATIENCE_S: Final = 120.0


class Stack:
    """`make run` without make: start, use, kill, stop."""

    def __init__(
        self, data_dir: Path, *, store: str = "sqlite", env: Mapping[str, str] | None = None
    ) -> None:
        names = (*SERVICES, "edge")
        self.data_dir = data_dir
        self.ports = {name: free_port() for name in names}
        self.metrics_ports = {name: free_port() for name in names}
        self._env = {
            key: value for key, value in os.environ.items() if not key.startswith("LOOKALIKE_")
        }
        for key in ("LOOKALIKE_CACHE", "LOOKALIKE_ENVOY_BINARY"):
            if key in os.environ:
                self._env[key] = os.environ[key]
        self._env |= {"DATA_DIR": str(data_dir), "STORE": store, "EDGE": "on"}
        self._env["LOOKALIKE_SERVER"] = self.server
        for name in names:
            self._env[f"LOOKALIKE_{name.upper()}_PORT"] = str(self.ports[name])
            self._env[f"LOOKALIKE_{name.upper()}_METRICS_PORT"] = str(self.metrics_ports[name])
        self._env |= env or {}
        self._process: subprocess.Popen[str] | None = None
        self._reader: threading.Thread | None = None
        self._said: list[str] = []
        self._news = threading.Condition()

    @property
    def server(self) -> str:
        """The gateway's address."""
        return f"127.0.0.1:{self.ports['gateway']}"

    @property
    def edge(self) -> str:
        """The edge's URL."""
        return f"http://127.0.0.1:{self.ports['edge']}"

    @property
    def supervisor(self) -> int:
        """Process id of the supervisor, which is its group's too."""
        assert self._process is not None
        return self._process.pid

    def start(self) -> None:
        """Starts everything and waits until all of it serves."""
        self._said = []
        self._process = subprocess.Popen(
            [sys.executable, "-m", "deploy.local.supervisor"],
            cwd=ROOT,
            env=self._env,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        self._reader = threading.Thread(target=self._read, args=(self._process,))
        self._reader.start()
        self.wait_until_said("lookalike search")

    def _read(self, process: subprocess.Popen[str]) -> None:
        assert process.stdout is not None
        with process.stdout:
            for line in process.stdout:
                with self._news:
                    self._said.append(line.rstrip())
                    self._news.notify_all()
        with self._news:
            self._said.append("(end)")
            self._news.notify_all()

    def wait_until_said(self, words: str, *, times: int = 1) -> None:
        """Waits until the supervisor has said it so often.

        Raises:
            AssertionError: it ended, or took too long; with all it said.
        """

        def said() -> bool:
            found = sum(words in line for line in self._said)
            return found >= times or "(end)" in self._said

        with self._news:
            self._news.wait_for(said, _PATIENCE_S)
            found = sum(words in line for line in self._said)
            assert found >= times, f"never said {words!r}:\n" + "\n".join(self._said)

    def times_said(self, words: str) -> int:
        """How often the supervisor has said it."""
        with self._news:
            return sum(words in line for line in self._said)

    def said(self) -> str:
        """All that the supervisor has said."""
        with self._news:
            return "\n".join(self._said)

    def stop(self) -> int:
        """SIGTERM to the process group, as a terminal or a service manager would; the status."""
        assert self._process is not None
        assert self._reader is not None
        if self._process.poll() is None:
            os.killpg(self._process.pid, signal.SIGTERM)
        status = self._process.wait(_PATIENCE_S)
        self._reader.join()
        return status

    def close(self) -> None:
        """Leaves nothing behind, whatever happened."""
        if self._process is None or self._reader is None:
            return
        if self._process.poll() is None:
            self._process.kill()  # the kernel takes the others along
        self._process.wait()
        self._reader.join()

    def pids(self) -> dict[str, int]:
        """Process ids by name."""
        found: dict[str, int] = json.loads((self.data_dir / "run/processes.json").read_text())
        return found

    def kill(self, name: str) -> Callable[[], None]:
        """kill -9 of one service; what is returned waits until it serves again."""
        words = f"{name} serves again"
        before = self.times_said(words)
        os.kill(self.pids()[name], signal.SIGKILL)
        return lambda: self.wait_until_said(words, times=before + 1)

    def lookalike(
        self, *arguments: str, status: int | Sequence[int] = 0
    ) -> subprocess.CompletedProcess[str]:
        """Runs the command line and checks its exit status."""
        done = subprocess.run(
            [LOOKALIKE, *arguments], env=self._env, capture_output=True, text=True, check=False
        )
        allowed = [status] if isinstance(status, int) else status
        assert done.returncode in allowed, f"{arguments}: {done.returncode}\n{done.stderr}"
        return done

    def start_lookalike(self, *arguments: str) -> subprocess.Popen[str]:
        """Starts the command line."""
        return subprocess.Popen(
            [LOOKALIKE, *arguments],
            env=self._env,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def json(self, *arguments: str, status: int | Sequence[int] = 0) -> dict[str, Any]:
        """Runs the command line with ``--json``."""
        document: dict[str, Any] = json.loads(
            self.lookalike(*arguments, "--json", status=status).stdout
        )
        return document

    def records(self, name: str) -> list[dict[str, Any]]:
        """The log of a service."""
        lines = (self.data_dir / "logs" / f"{name}.log").read_text().splitlines()
        return [json.loads(line) for line in lines if line.startswith("{")]

    def metrics(self, name: str) -> dict[str, float]:
        """What Prometheus would scrape: values by series."""
        page = httpx.get(
            f"http://127.0.0.1:{self.metrics_ports[name]}/metrics", trust_env=False, timeout=10
        )
        page.raise_for_status()
        found = {}
        for line in page.text.splitlines():
            if line and not line.startswith("#"):
                series, _, value = line.rpartition(" ")
                found[series] = float(value)
        return found


def eventually(happened: Callable[[], bool], what: str) -> None:
    """Waits for something that no event tells.

    Raises:
        AssertionError: it did not happen for a long time.
    """
    deadline = time.monotonic() + _PATIENCE_S
    while not happened():
        assert time.monotonic() < deadline, f"never: {what}"
        time.sleep(0.02)
