"""Settings of a local run and of the edge, read once from the environment."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final, Literal

from deploy.local import page
from servicekit import config

Port = Annotated[int, config.Range(0, 65535)]
SERVICES: Final = ("indexer", "segmenter", "embedder", "gateway")
_PORTS: Final[Mapping[str, tuple[int, int]]] = {
    "gateway": (50050, 9100),
    "segmenter": (50051, 9101),
    "embedder": (50052, 9102),
    "indexer": (50053, 9103),
}


@dataclass(frozen=True, slots=True)
class EdgeConfig:
    """The edge: Envoy's settings, environment ``LOOKALIKE_EDGE_*``."""

    host: str = "127.0.0.1"
    """Address that the edge listens on."""
    port: Port = 8080
    """Port for browsers: the page, gRPC-Web and gRPC."""
    metrics_port: Port = 9104
    """Port of Envoy's own Prometheus metrics."""
    allow_writes: bool = False
    """Whether ingest, deletes, models and building the map may be called through the edge."""
    allowed_hosts: tuple[str, ...] = ()
    """Host names it answers for besides localhost, separated by commas."""
    allowed_origins: tuple[str, ...] = ()
    """Origins of other sites whose pages may call it, such as `https://shop.example`."""
    image_origins: tuple[str, ...] = ()
    """Servers of photographs that the page may show, such as `https://*.cdn.example`."""
    page_dir: Path = Path("clients/web/dist")
    """Folder of the built page; a relative one is the checkout's."""

    def __post_init__(self) -> None:
        """Both lists end up in headers and in Envoy's configuration, so each is looked at."""
        for name, origins in (
            ("ALLOWED_ORIGINS", self.allowed_origins),
            ("IMAGE_ORIGINS", self.image_origins),
        ):
            for origin in origins:
                wildcard = "*" in origin and name == "ALLOWED_ORIGINS"
                if wildcard or not page.is_origin(origin):
                    raise ValueError(
                        f"LOOKALIKE_EDGE_{name} must list origins such as https://shop.example, "
                        f"not {origin!r}."
                    )


def load_edge(env: Mapping[str, str] = os.environ) -> EdgeConfig:
    """Reads the edge's settings.

    Raises:
        ConfigError: a value that does not parse.
    """
    return config.load(EdgeConfig, env, "LOOKALIKE_EDGE_")


@dataclass(frozen=True, slots=True)
class _Ports:
    port: Port = 0
    metrics_port: Port = 0


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where one service listens on this machine."""

    port: int
    metrics_port: int

    @property
    def target(self) -> str:
        """What a gRPC channel is opened to."""
        return f"127.0.0.1:{self.port}"


@dataclass(frozen=True, slots=True)
class RunConfig:
    """What people say on `make run`'s command line; no prefix."""

    data_dir: Path = Path("data")
    """Folder of everything that must last, and of the logs."""
    store: str = "sqlite"
    """`sqlite`, or the `mongodb://` URI of a replica set."""
    edge: Literal["on", "off"] = "on"
    """`off` runs without Envoy: no page, no gRPC-Web."""


@dataclass(frozen=True, slots=True)
class LocalConfig:
    """All that a local run needs to know."""

    data_dir: Path
    store: str
    endpoints: Mapping[str, Endpoint]
    """Of each service, by its name."""
    edge: EdgeConfig | None
    """None: without Envoy."""


def load_local(env: Mapping[str, str] = os.environ) -> LocalConfig:
    """Reads the settings of a local run.

    Raises:
        ConfigError: a value that does not parse.
    """
    run = config.load(RunConfig, env)
    return LocalConfig(
        data_dir=run.data_dir.absolute(),
        store=run.store,
        endpoints={name: _endpoint(name, env) for name in SERVICES},
        edge=load_edge(env) if run.edge == "on" else None,
    )


def _endpoint(name: str, env: Mapping[str, str]) -> Endpoint:
    prefix = f"LOOKALIKE_{name.upper()}_"
    # The service itself reads these too and says what is wrong with its other settings.
    given = {key: env.get(key, "") for key in (prefix + "PORT", prefix + "METRICS_PORT")}
    chosen = config.load(_Ports, given, prefix)
    port, metrics_port = _PORTS[name]
    return Endpoint(chosen.port or port, chosen.metrics_port or metrics_port)
