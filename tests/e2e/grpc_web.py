"""gRPC-Web spoken by hand over httpx, as a browser would: length-prefixed frames, trailers last.

Source: https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-WEB.md
"""

import base64
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar
from urllib.parse import unquote

import httpx
from google.protobuf.message import Message
from google.rpc import error_details_pb2, status_pb2

M = TypeVar("M", bound=Message)

CONTENT_TYPE = "application/grpc-web+proto"
_TRAILERS = 0x80


@dataclass
class Answer:
    """What came back: whole messages as bytes, and the trailers."""

    http_status: int
    headers: Mapping[str, str]
    messages: list[bytes] = field(default_factory=list)
    trailers: dict[str, str] = field(default_factory=dict)

    @property
    def code(self) -> int:
        """The gRPC status; trailers may stand in the headers where there is no message."""
        return int(self._said("grpc-status"))

    @property
    def message(self) -> str:
        """The status' text."""
        return unquote(self._said("grpc-message"))

    @property
    def reason(self) -> str:
        """The reason in the ErrorInfo of ``grpc-status-details-bin``."""
        coded = self._said("grpc-status-details-bin")
        status = status_pb2.Status.FromString(base64.b64decode(coded + "=" * (-len(coded) % 4)))
        info = error_details_pb2.ErrorInfo()
        assert any(detail.Unpack(info) for detail in status.details)
        return str(info.reason)

    def _said(self, key: str) -> str:
        return self.trailers[key] if key in self.trailers else self.headers[key]


def frame(message: Message) -> bytes:
    """A request: one uncompressed message."""
    data = message.SerializeToString()
    return struct.pack(">BI", 0, len(data)) + data


def frames(chunks: Iterator[bytes]) -> Iterator[tuple[int, bytes]]:
    """Cuts a body into frames as it arrives: flags and payload."""
    buffer = b""
    for chunk in chunks:
        buffer += chunk
        while len(buffer) >= 5:
            flags, size = struct.unpack(">BI", buffer[:5])
            if len(buffer) < 5 + size:
                break
            yield flags, buffer[5 : 5 + size]
            buffer = buffer[5 + size :]
    assert buffer == b"", "the body ended within a frame"


def call(
    client: httpx.Client,
    method: str,
    request: Message,
    headers: Mapping[str, str] | None = None,
) -> Answer:
    """Calls ``package.Service/Method`` and reads everything."""
    sent: dict[str, Any] = {"content-type": CONTENT_TYPE, "x-grpc-web": "1", **(headers or {})}
    with client.stream("POST", f"/{method}", content=frame(request), headers=sent) as response:
        answer = Answer(response.status_code, dict(response.headers))
        for flags, payload in frames(response.iter_raw()):
            if flags & _TRAILERS:
                lines = payload.decode().strip().split("\r\n")
                answer.trailers = {
                    key.strip().lower(): value.strip()
                    for key, _, value in (line.partition(":") for line in lines)
                }
            else:
                answer.messages.append(payload)
    return answer
