"""Asks services for their health: ``python -m deploy.local.probe HOST:PORT...``, 0 if all serve."""

import asyncio
import sys
from collections.abc import Sequence

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

SERVING = "SERVING"


async def health(target: str, *, timeout_s: float = 2.0) -> str:
    """`SERVING`, `NOT_SERVING`, or the name of the gRPC code that the call ended with."""
    async with grpc.aio.insecure_channel(target) as channel:
        stub = health_pb2_grpc.HealthStub(channel)
        try:
            answer = await stub.Check(health_pb2.HealthCheckRequest(), timeout=timeout_s)
        except grpc.aio.AioRpcError as error:
            return str(error.code().name)
        return str(health_pb2.HealthCheckResponse.ServingStatus.Name(answer.status))


async def page(target: str, *, timeout_s: float = 2.0) -> str:
    """`SERVING` if a GET of ``/`` is answered with 200, else what happened instead.

    By hand: an HTTP client with certificates costs more to make than the answer takes.
    """
    host, _, port = target.rpartition(":")
    request = f"GET / HTTP/1.1\r\nHost: {target}\r\nConnection: close\r\n\r\n"
    try:
        async with asyncio.timeout(timeout_s):
            reader, writer = await asyncio.open_connection(host, int(port))
            try:
                writer.write(request.encode())
                first = (await reader.readline()).decode("latin-1").split()
            finally:
                writer.close()
    except (OSError, TimeoutError) as error:
        return type(error).__name__
    code = first[1] if len(first) > 1 else "no answer"
    return SERVING if code == "200" else f"HTTP {code}"


def main(arguments: Sequence[str] | None = None) -> int:
    """Prints what it heard."""
    targets = sys.argv[1:] if arguments is None else list(arguments)
    if not targets:
        print("usage: python -m deploy.local.probe HOST:PORT...", file=sys.stderr)
        return 2
    heard = [asyncio.run(health(target)) for target in targets]
    for target, state in zip(targets, heard, strict=True):
        print(f"{target} {state}")
    return 0 if all(state == SERVING for state in heard) else 1


if __name__ == "__main__":
    sys.exit(main())
