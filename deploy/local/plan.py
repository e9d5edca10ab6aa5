"""What a local run consists of: five programs, their environments, how to tell that they serve."""

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from deploy.local import edge, tools
from deploy.local.child import Program
from deploy.local.settings import SERVICES, EdgeConfig, LocalConfig

ROOT: Final = Path(__file__).resolve().parent.parent.parent
# Everything must be gone 2 s after SIGTERM; what is in flight gets this of it.
_DRAIN_S: Final = "0.5"


@dataclass(frozen=True, slots=True)
class Planned:
    """A program and the ports it will listen on."""

    program: Program
    target: str
    """HOST:PORT whose health is asked."""
    is_grpc: bool
    """False: Envoy, whose health is an HTTP path."""
    ports: tuple[int, ...]
    metrics_port: int


def plan(config: LocalConfig, env: Mapping[str, str]) -> list[Planned]:
    """The programs in the order in which they are listed to people."""
    planned = [_service(name, config, env) for name in SERVICES]
    if config.edge is not None:
        planned.append(_edge(config, config.edge, env))
    return planned


def _service(name: str, config: LocalConfig, env: Mapping[str, str]) -> Planned:
    endpoint = config.endpoints[name]
    prefix = f"LOOKALIKE_{name.upper()}_"
    wanted = {
        prefix + "HOST": "127.0.0.1",
        prefix + "PORT": str(endpoint.port),
        prefix + "METRICS_HOST": "127.0.0.1",
        prefix + "METRICS_PORT": str(endpoint.metrics_port),
        prefix + "DRAIN_S": _DRAIN_S,
        **_OWN_SETTINGS[name](config),
    }
    # What the user has set is theirs.
    merged = {**wanted, **env, "PYTHONUNBUFFERED": "1"}
    return Planned(
        Program(
            name=name,
            command=(sys.executable, "-m", f"services.{name}"),
            env=merged,
            log=config.data_dir / "logs" / f"{name}.log",
        ),
        target=endpoint.target,
        is_grpc=True,
        ports=(endpoint.port, endpoint.metrics_port),
        metrics_port=endpoint.metrics_port,
    )


def _edge(config: LocalConfig, settings: EdgeConfig, env: Mapping[str, str]) -> Planned:
    rendered = config.data_dir / "run" / "envoy.yaml"
    gateway = config.endpoints["gateway"]
    rendered.parent.mkdir(parents=True, exist_ok=True)
    rendered.write_text(edge.render(settings, edge.EdgeTarget("127.0.0.1", gateway.port)))
    command = (
        *(str(tools.envoy_path(env)), "-c", str(rendered), "--concurrency", "1"),
        # Hot restart shares memory between Envoys by a machine-wide number; here it has no use.
        *("--disable-hot-restart", "--log-level", "warning", "--drain-time-s", "1"),
    )
    return Planned(
        Program("edge", command, dict(env), config.data_dir / "logs" / "edge.log"),
        target=f"{settings.host}:{settings.port}",
        is_grpc=False,
        ports=(settings.port, settings.metrics_port),
        metrics_port=settings.metrics_port,
    )


def _indexer(config: LocalConfig) -> dict[str, str]:
    return {
        "LOOKALIKE_INDEXER_STORE": config.store,
        "LOOKALIKE_INDEXER_DATA_DIR": str(config.data_dir),
    }


def _gateway(config: LocalConfig) -> dict[str, str]:
    return {
        f"LOOKALIKE_GATEWAY_{name.upper()}_TARGET": config.endpoints[name].target
        for name in ("segmenter", "embedder", "indexer")
    }


def _nothing(config: LocalConfig) -> dict[str, str]:
    return {}


_OWN_SETTINGS: Final = {
    "indexer": _indexer,
    "segmenter": _nothing,
    "embedder": _nothing,
    "gateway": _gateway,
}
