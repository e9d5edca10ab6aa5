"""Renders Envoy's configuration from its template: ``python -m deploy.local.edge --out FILE``."""

import argparse
import base64
import json
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from string import Template
from typing import Final

from google.protobuf import any_pb2
from google.rpc import error_details_pb2, status_pb2

from deploy.local import page
from deploy.local.descriptors import descriptor_set
from deploy.local.settings import EdgeConfig, load_edge

TEMPLATE: Final = Path(__file__).resolve().parent.parent / "envoy/envoy.yaml.tmpl"
DENIED: Final = "Writing is switched off at this edge."
_PERMISSION_DENIED: Final = 7


@dataclass(frozen=True, slots=True)
class EdgeTarget:
    """What the edge stands in front of."""

    gateway_host: str
    gateway_port: int


def render(config: EdgeConfig, target: EdgeTarget, template: Path = TEMPLATE) -> str:
    """Envoy's configuration as YAML.

    Raises:
        KeyError: the template has a placeholder that nothing fills.
        PageError: the built page cannot be served.
    """
    return Template(template.read_text()).substitute(
        ADMIN_SOCKET=f"@lookalike-edge-{config.port}",
        LISTEN_HOST=config.host,
        LISTEN_PORT=config.port,
        METRICS_PORT=config.metrics_port,
        GATEWAY_HOST=target.gateway_host,
        GATEWAY_PORT=target.gateway_port,
        WRITE_PERCENT=100 if config.allow_writes else 0,
        DOMAINS=json.dumps(_domains(config)),
        ORIGINS=json.dumps([{"exact": origin} for origin in config.allowed_origins]),
        ORIGIN_HOSTS=json.dumps([{"exact": _host_of(one)} for one in config.allowed_origins]),
        DESCRIPTORS=base64.b64encode(descriptor_set()).decode(),
        PAGE_ROUTES=page.as_yaml(page.routes(config.page_dir), indent=24),
        MAX_PAGE_FILE_BYTES=page.MAX_FILE_BYTES,
        CONTENT_SECURITY_POLICY=page.content_security_policy(config.image_origins),
        PERMISSIONS_POLICY=page.PERMISSIONS_POLICY,
        DENIED_MESSAGE=DENIED,
        DENIED_STATUS=denied_status(),
    )


def denied_status() -> str:
    """The ``grpc-status-details-bin`` of a call that the edge refuses, in unpadded base64."""
    detail = any_pb2.Any()
    detail.Pack(error_details_pb2.ErrorInfo(reason="CALL_DISABLED", domain="lookalike.dev"))
    status = status_pb2.Status(code=_PERMISSION_DENIED, message=DENIED, details=[detail])
    return base64.b64encode(status.SerializeToString()).decode().rstrip("=")


def _domains(config: EdgeConfig) -> list[str]:
    return sorted({"127.0.0.1", "localhost", "[::1]", *config.allowed_hosts})


def _host_of(origin: str) -> str:
    return origin.partition("://")[2]


def main(arguments: Sequence[str] | None = None, env: Mapping[str, str] = os.environ) -> int:
    """Writes the configuration to a file or to standard output."""
    parser = argparse.ArgumentParser(prog="python -m deploy.local.edge", description=__doc__)
    parser.add_argument("--out", type=Path, help="file to write; standard output when absent")
    parser.add_argument("--gateway", default="127.0.0.1:50050", help="HOST:PORT of the gateway")
    options = parser.parse_args(arguments)
    host, _, port = options.gateway.rpartition(":")
    text = render(load_edge(env), EdgeTarget(host, int(port)))
    if options.out is None:
        sys.stdout.write(text)
    else:
        options.out.parent.mkdir(parents=True, exist_ok=True)
        options.out.write_text(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
