"""One process of a local run: started, its output kept, stopped."""

import asyncio
import contextlib
import json
import os
import signal
import sys
from asyncio.subprocess import PIPE, STDOUT, Process
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final

_TETHER: Final = str(Path(__file__).with_name("tether.py"))
_LOG_LIMIT_BYTES: Final = 64 << 20
_LOUD: Final = frozenset({"WARNING", "ERROR", "CRITICAL"})


@dataclass(frozen=True, slots=True)
class Program:
    """A process to run."""

    name: str
    command: Sequence[str]
    env: Mapping[str, str]
    """Its whole environment."""
    log: Path
    """Where its output goes."""


def describe_exit(returncode: int) -> str:
    """An exit status in words: `ended with status 3`, `was killed by SIGKILL`."""
    if returncode >= 0:
        return f"ended with status {returncode}"
    try:
        return f"was killed by {signal.Signals(-returncode).name}"
    except ValueError:
        return f"was killed by signal {-returncode}"


class Child:
    """A running program, in a process group of its own and tied to this process's life."""

    def __init__(self, process: Process, pump: "asyncio.Task[None]", tail: "Tail") -> None:
        self._process = process
        self._pump = pump
        self._tail = tail

    @classmethod
    async def start(cls, program: Program, say: Callable[[str], None]) -> "Child":
        """Starts it; warnings it logs are said too.

        Raises:
            OSError: it cannot be started.
        """
        program.log.parent.mkdir(parents=True, exist_ok=True)
        if program.log.exists() and program.log.stat().st_size > _LOG_LIMIT_BYTES:
            os.replace(program.log, program.log.with_suffix(".log.1"))
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-I", "-S", _TETHER, str(os.getpid())),
            *program.command,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=PIPE,
            stderr=STDOUT,
            env=dict(program.env),
            # Its own group: Ctrl-C reaches the supervisor alone, which stops things in order.
            start_new_session=True,
        )
        tail = Tail(program.name, say)
        assert process.stdout is not None
        pump = asyncio.create_task(_pump(process.stdout, program.log, tail))
        return cls(process, pump, tail)

    @property
    def pid(self) -> int:
        """Its process id, which is also its group's."""
        return self._process.pid

    @property
    def last_words(self) -> str:
        """The last line it printed."""
        return self._tail.last

    async def wait(self) -> int:
        """Waits for its end and for its last output; returns the status, negative for a signal."""
        returncode = await self._process.wait()
        # A grandchild may still hold the pipe; its output is not waited for.
        await asyncio.wait([self._pump], timeout=0.5)
        self._pump.cancel()
        return returncode

    def terminate(self) -> None:
        """Asks it to drain and end."""
        self._signal(signal.SIGTERM)

    def kill(self) -> None:
        """Ends it and whatever it started."""
        self._signal(signal.SIGKILL)

    def _signal(self, number: signal.Signals) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, number)


class Tail:
    """Splits output into lines, remembers the last and says the loud ones."""

    def __init__(self, name: str, say: Callable[[str], None]) -> None:
        self._name = name
        self._say = say
        self._partial = b""
        self.last = ""

    def feed(self, chunk: bytes) -> None:
        """Takes the next piece of output."""
        *lines, self._partial = (self._partial + chunk).split(b"\n")
        # A line that never ends must not fill the memory.
        self._partial = self._partial[-65536:]
        for raw in lines:
            self._line(raw.decode("utf-8", "replace").rstrip())

    def _line(self, line: str) -> None:
        if not line:
            return
        if not line.startswith("{"):
            # Not ours: a native library, a traceback before logging was set up, Envoy.
            self.last = line
            self._say(f"{self._name}: {line}")
            return
        try:
            record = json.loads(line)
            level, message = str(record["level"]), str(record["message"])
        except (ValueError, KeyError, TypeError):
            level, message = "ERROR", line
            record = {}
        self.last = message
        if level in _LOUD:
            cause = str(record.get("exception", "")).strip().rsplit("\n", 1)[-1]
            self.last = f"{message}: {cause}" if cause else message
            self._say(f"{self._name}: {level}: {self.last}")


async def _pump(stream: asyncio.StreamReader, log: Path, tail: Tail) -> None:
    with log.open("ab", buffering=0) as out:
        while chunk := await stream.read(65536):
            _write(out, chunk)
            tail.feed(chunk)


def _write(out: BinaryIO, chunk: bytes) -> None:
    # A full disk must not stop the services from serving.
    with contextlib.suppress(OSError):
        out.write(chunk)
