"""Runs the supervisor over stand-ins: ``DATA_DIR NAME=MANNER...``; ports are found here."""

import asyncio
import os
import socket
import sys
from pathlib import Path

from deploy.local.child import Program
from deploy.local.plan import Planned
from deploy.local.settings import Endpoint, LocalConfig
from deploy.local.supervisor import Supervisor

_STAND_IN = str(Path(__file__).with_name("stand_in.py"))


def _planned(name: str, manner: str, data_dir: Path) -> Planned:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    command = [sys.executable, _STAND_IN, str(port), *filter(None, [manner])]
    return Planned(
        Program(name, command, dict(os.environ), data_dir / "logs" / f"{name}.log"),
        target=f"127.0.0.1:{port}",
        is_grpc=False,
        ports=(port,),
        metrics_port=port,
    )


async def main() -> int:
    """Runs until stopped."""
    data_dir = Path(sys.argv[1])
    pairs = [spec.split("=") for spec in sys.argv[2:]]
    programs = [_planned(name, manner, data_dir) for name, manner in pairs]
    endpoints = {"gateway": Endpoint(0, 0)}
    config = LocalConfig(data_dir, "sqlite", endpoints, None)
    return await Supervisor(config, programs, deaths_allowed=3).run()


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
