"""Runs all of Lookalike on this machine: ``python -m deploy.local.supervisor`` (`make run`).

Starts the four services and Envoy, waits until they serve, and then: a process that dies is named
with its status and started again; one that dies before it ever served, or over and over, ends the
run with status 1; SIGTERM or Ctrl-C stops everything within two seconds; and when this process is
killed outright the kernel takes the others along.
"""

import asyncio
import contextlib
import json
import os
import signal
import socket
import sys
import time
from collections import deque
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from deploy.local import page, probe
from deploy.local.child import Child, describe_exit
from deploy.local.plan import Planned, plan
from deploy.local.settings import EdgeConfig, LocalConfig, load_local
from servicekit.config import ConfigError

# SIGTERM to the last process's end: the gateway drains first, the rest after it, then SIGKILL.
_GATEWAY_FIRST_S: Final = 0.6
_KILL_AFTER_S: Final = 1.7
_READY_WITHIN_S: Final = 300.0
_FIRST_PAUSE_S: Final = 0.5
_LONGEST_PAUSE_S: Final = 15.0
_DEATHS_ALLOWED: Final = 5
_DEATHS_WINDOW_S: Final = 60.0


class Supervisor:
    """Keeps the planned programs running until asked to stop or until one cannot run."""

    def __init__(
        self,
        config: LocalConfig,
        programs: Sequence[Planned],
        *,
        deaths_allowed: int = _DEATHS_ALLOWED,
    ) -> None:
        self._config = config
        self._deaths_allowed = deaths_allowed
        self._programs = programs
        self._children: dict[str, Child] = {}
        self._ready = {planned.program.name: asyncio.Event() for planned in programs}
        self._stop = asyncio.Event()
        self._hurry = asyncio.Event()
        self._exit_status = 0
        self._started = time.monotonic()

    async def run(self) -> int:
        """Runs until the end; returns the exit status."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            loop.add_signal_handler(number, self._asked_to_stop, number)
        tasks = [asyncio.create_task(self._keep(planned)) for planned in self._programs]
        tasks.append(asyncio.create_task(self._announce()))
        for task in tasks:
            task.add_done_callback(self._stop_on_bug)
        await self._stop.wait()
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
        await self._stop_children()
        say(f"stopped after {time.monotonic() - self._started:.0f} s")
        return self._exit_status

    def _asked_to_stop(self, number: signal.Signals) -> None:
        if self._stop.is_set():
            self._hurry.set()  # a second Ctrl-C
            return
        say(f"{number.name}: stopping")
        self._stop.set()

    def _stop_on_bug(self, task: "asyncio.Task[None]") -> None:
        if not task.cancelled() and (error := task.exception()) is not None:
            self._give_up(f"the supervisor itself failed: {error!r}")

    def _give_up(self, why: str) -> None:
        say(why)
        self._exit_status = 1
        self._stop.set()

    def _relay(self, line: str) -> None:
        # That a service drains is no news while all of them do; the log files have it.
        if not self._stop.is_set():
            say(line)

    async def _keep(self, planned: Planned) -> None:
        name = planned.program.name
        deaths: deque[float] = deque(maxlen=self._deaths_allowed)
        while True:
            try:
                child = await Child.start(planned.program, self._relay)
            except OSError as error:
                self._give_up(f"{name} cannot be started: {error}")
                return
            self._children[name] = child
            self._write_processes()
            status = await self._watch(planned, child)
            served, end = self._ready[name].is_set(), describe_exit(status)
            del self._children[name]
            if not served:
                last = f"; its last words: {child.last_words}" if child.last_words else ""
                self._give_up(f"{name} (pid {child.pid}) {end} before it served{last}")
                return
            deaths.append(time.monotonic())
            if len(deaths) == self._deaths_allowed and deaths[-1] - deaths[0] < _DEATHS_WINDOW_S:
                self._give_up(
                    f"{name} (pid {child.pid}) {end}; that is {len(deaths)} times within "
                    f"{_DEATHS_WINDOW_S:.0f} s, giving up. See {planned.program.log}"
                )
                return
            recent = sum(deaths[-1] - death < _DEATHS_WINDOW_S for death in deaths)
            pause_s = min(_FIRST_PAUSE_S * 2 ** (recent - 1), _LONGEST_PAUSE_S)
            say(f"{name} (pid {child.pid}) {end}; starting it again in {pause_s:g} s")
            await asyncio.sleep(pause_s)

    async def _watch(self, planned: Planned, child: Child) -> int:
        """Waits for the child's end, and meanwhile until it serves."""
        ended = asyncio.create_task(child.wait())
        waiting = asyncio.create_task(self._until_ready(planned, child))
        try:
            await asyncio.wait([ended, waiting], return_when=asyncio.FIRST_COMPLETED)
            if not ended.done() and not waiting.result():
                self._give_up(
                    f"{planned.program.name} did not serve within {_READY_WITHIN_S:.0f} s. "
                    f"See {planned.program.log}"
                )
            return await ended
        finally:
            waiting.cancel()
            ended.cancel()

    async def _until_ready(self, planned: Planned, child: Child) -> bool:
        name, event = planned.program.name, self._ready[planned.program.name]
        started = time.monotonic()
        next_word_s = 10.0
        while (elapsed_s := time.monotonic() - started) < _READY_WITHIN_S:
            state = await _state(planned)
            if state == probe.SERVING:
                say(f"{name} serves{' again' if event.is_set() else ''} ({elapsed_s:.1f} s)")
                event.set()
                return True
            if elapsed_s > next_word_s:
                say(f"waiting for {name} ({elapsed_s:.0f} s, {state})")
                next_word_s += 10.0
            await asyncio.sleep(0.1)
        return False

    async def _announce(self) -> None:
        for event in self._ready.values():
            await event.wait()
        for line in closing_lines(self._config, self._programs, time.monotonic() - self._started):
            say(line, bare=True)
        await asyncio.Event().wait()

    async def _stop_children(self) -> None:
        deadline = time.monotonic() + _KILL_AFTER_S
        waits = {name: asyncio.create_task(child.wait()) for name, child in self._children.items()}
        first = [name for name in ("gateway", "edge") if name in waits]
        for name in first:
            self._children[name].terminate()
        # The gateway finishes what it has only while the others still answer it.
        await self._wait([waits[name] for name in first], _GATEWAY_FIRST_S)
        for other, child in self._children.items():
            if other not in first:
                child.terminate()
        await self._wait(list(waits.values()), deadline - time.monotonic())
        for late, task in waits.items():
            if not task.done():
                say(f"{late} did not end in time: killing it")
            self._children[late].kill()
        await self._wait(list(waits.values()), 1.0)
        with contextlib.suppress(OSError):
            self._processes_file.unlink()

    async def _wait(self, tasks: Sequence["asyncio.Task[int]"], timeout_s: float) -> None:
        if not tasks:
            return
        hurry: asyncio.Task[bool] = asyncio.create_task(self._hurry.wait())
        everything = asyncio.create_task(_all(tasks))
        await asyncio.wait(
            {hurry, everything}, timeout=max(timeout_s, 0.0), return_when="FIRST_COMPLETED"
        )
        hurry.cancel()
        everything.cancel()

    @property
    def _processes_file(self) -> Path:
        return self._config.data_dir / "run" / "processes.json"

    def _write_processes(self) -> None:
        pids = {name: child.pid for name, child in self._children.items()}
        path = self._processes_file
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_suffix(".partial")
        partial.write_text(json.dumps({"supervisor": os.getpid(), **pids}, indent=1) + "\n")
        os.replace(partial, path)


async def _all(tasks: Sequence["asyncio.Task[int]"]) -> bool:
    # asyncio.wait and not gather: to stop waiting must not stop what is waited for.
    await asyncio.wait(tasks)
    return True


async def _state(planned: Planned) -> str:
    if planned.is_grpc:
        return await probe.health(planned.target, timeout_s=1.0)
    return await probe.page(planned.target, timeout_s=1.0)


def closing_lines(config: LocalConfig, programs: Sequence[Planned], seconds: float) -> list[str]:
    """What to do next, once everything serves."""
    store = "SQLite" if config.store == "sqlite" else "MongoDB"
    metrics = ", ".join(
        f"http://127.0.0.1:{planned.metrics_port}/metrics ({planned.program.name})"
        for planned in programs
    )
    gateway = config.endpoints["gateway"].target
    lines = ["", f"Lookalike is up ({seconds:.0f} s; {store}; data in {config.data_dir})"]
    if config.edge is not None:
        lines.append(f"  page     http://127.0.0.1:{config.edge.port}{_about_page(config.edge)}")
    lines += [
        f"  gateway  {gateway}  (gRPC)",
        f"  metrics  {metrics}",
        f"  logs     {config.data_dir}/logs/*.log",
        "Ctrl-C stops it. Now, in another terminal:",
        "  make demo",
        "and when that has filled the catalogue, search it on the page, or here:",
        '  .venv/bin/lookalike search "light blue shirt"',
    ]
    return lines


def _about_page(edge: EdgeConfig) -> str:
    if not page.is_built(edge.page_dir):
        return "  (not built: `make web`, then start again)"
    if not edge.allow_writes:
        return "  (to ingest there too: LOOKALIKE_EDGE_ALLOW_WRITES=true)"
    return ""


def taken_ports(programs: Sequence[Planned]) -> list[str]:
    """Which of the ports cannot be listened on, one sentence each."""
    found = []
    for planned in programs:
        for port in planned.ports:
            with socket.socket() as attempt:
                attempt.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                try:
                    attempt.bind(("127.0.0.1", port))
                except OSError as error:
                    variable = f"LOOKALIKE_{planned.program.name.upper()}_"
                    variable += "METRICS_PORT" if port == planned.metrics_port else "PORT"
                    found.append(
                        f"port {port} of the {planned.program.name} cannot be used "
                        f"({error.strerror}); {variable} chooses another"
                    )
    return found


def say(line: str, *, bare: bool = False) -> None:
    """Prints for people; a terminal that has gone away is no reason to stop serving."""
    stamp = "" if bare else time.strftime("%H:%M:%S ")
    with contextlib.suppress(OSError, ValueError):
        print(stamp + line, flush=True)


def main(env: Mapping[str, str] = os.environ) -> int:
    """Runs until stopped; 0 if that was asked for, 1 otherwise."""
    try:
        config = load_local(env)
        config.data_dir.mkdir(parents=True, exist_ok=True)
        programs = plan(config, env)
    except (ConfigError, page.PageError, OSError) as error:
        print(f"cannot start: {error}", file=sys.stderr)
        return 1
    if problems := taken_ports(programs):
        print("cannot start: " + "; ".join(problems), file=sys.stderr)
        return 1

    async def supervise() -> int:
        return await Supervisor(config, programs).run()

    return asyncio.run(supervise())


if __name__ == "__main__":
    sys.exit(main())
