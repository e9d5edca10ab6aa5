"""Opens the connection to a gateway; what a call over it is."""

import ipaddress
from collections.abc import Awaitable, Callable
from typing import Any, Final, TypeAlias

import grpc

DEFAULT_SERVER: Final = "127.0.0.1:50050"

Call: TypeAlias = Callable[..., Awaitable[Any]]
"""A call with retries: method, request, timeout_s."""

_SECURE: Final = "https://"
_PLAIN: Final = "http://"

_OPTIONS: Final[tuple[tuple[str, int | str], ...]] = (
    # gRPC's own limit of 4 MiB is smaller than one photograph; the server has limits of its own.
    ("grpc.max_receive_message_length", -1),
    ("grpc.max_send_message_length", -1),
    # By default a client waits up to two minutes before it notices that a server is back.
    ("grpc.initial_reconnect_backoff_ms", 200),
    ("grpc.min_reconnect_backoff_ms", 5_000),
    ("grpc.max_reconnect_backoff_ms", 2_000),
    # A peer that vanished without a word (power, NAT) would be waited for without end.
    ("grpc.keepalive_time_ms", 30_000),
    ("grpc.keepalive_timeout_ms", 20_000),
)


def open_aio_channel(server: str) -> grpc.aio.Channel:
    """A channel to `host:port`, without encryption; with TLS if the address begins `https://`.

    Must be called in the event loop that will use it.
    """
    target, options = _target(server)
    if _is_secure(server):
        return grpc.aio.secure_channel(target, grpc.ssl_channel_credentials(), options)
    return grpc.aio.insecure_channel(target, options)


def open_channel(server: str) -> grpc.Channel:
    """The same for gRPC's threaded API."""
    target, options = _target(server)
    if _is_secure(server):
        return grpc.secure_channel(target, grpc.ssl_channel_credentials(), options)
    return grpc.insecure_channel(target, options)


def _is_secure(server: str) -> bool:
    return server.startswith(_SECURE)


def _target(server: str) -> tuple[str, list[tuple[str, int | str]]]:
    target = server.removeprefix(_SECURE).removeprefix(_PLAIN).rstrip("/")
    options = list(_OPTIONS)
    if _is_loopback(target):
        # A proxy from the environment cannot reach this machine's own loopback address.
        options.append(("grpc.enable_http_proxy", 0))
    return target, options


def _is_loopback(target: str) -> bool:
    host = target.rpartition(":")[0].strip("[]")
    if host == "localhost" or target.startswith("unix:"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
