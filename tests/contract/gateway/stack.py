"""The real services behind a real gateway, for its tests: processes that can be killed."""

import asyncio
import os
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc
from google.rpc import error_details_pb2, status_pb2
from grpc_health.v1 import health_pb2, health_pb2_grpc

from lookalike.gateway.v1 import ingest_pb2, ingest_pb2_grpc, search_pb2_grpc
from servicekit.testing import InProcess, free_port, in_process
from services.gateway.__main__ import FULL_SERVICE_NAMES, Gateway, open_gateway
from services.gateway.config import GatewayConfig
from services.indexer.__main__ import open_indexer
from services.indexer.config import IndexerConfig
from services.indexer.servicer import FULL_SERVICE_NAME as INDEXER_SERVICE

ROOT = Path(__file__).parents[3]
_START_S = 60.0


class ServiceProcess:
    """One service as `make run` starts it, on a port of its own that survives restarts."""

    def __init__(
        self, name: str, log: Path, *, port: int | None = None, **own_settings: str
    ) -> None:
        self.name = name
        self.port = port or free_port()
        self._log = log
        prefix = f"LOOKALIKE_{name.upper()}_"
        wanted = {"port": str(self.port), "metrics_port": "0", "drain_s": "0.5", **own_settings}
        self._env = {
            **os.environ,
            "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'gen'}",
            **{prefix + key.upper(): value for key, value in wanted.items()},
        }
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def target(self) -> str:
        return f"127.0.0.1:{self.port}"

    def start(self) -> None:
        """Starts it, and returns at once."""
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", f"services.{self.name}"],
                cwd=ROOT,
                env=self._env,
                stdout=log,
                stderr=log,
            )

    def wait_until_serving(self) -> None:
        """Waits until its own health says SERVING."""
        end = time.monotonic() + _START_S
        with grpc.insecure_channel(self.target, options=[("grpc.enable_http_proxy", 0)]) as channel:
            stub = health_pb2_grpc.HealthStub(channel)
            while True:
                try:
                    answer = stub.Check(
                        health_pb2.HealthCheckRequest(), timeout=1, wait_for_ready=True
                    )
                    if answer.status == health_pb2.HealthCheckResponse.SERVING:
                        return
                except grpc.RpcError:
                    pass
                assert self._process is not None
                if self._process.poll() is not None or time.monotonic() > end:
                    raise AssertionError(f"{self.name} does not serve:\n{self._log.read_text()}")
                time.sleep(0.05)

    def kill(self) -> None:
        """kill -9."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None


@contextmanager
def running(*services: ServiceProcess) -> Iterator[None]:
    """Starts services together, waits for all, and kills them at the end."""
    try:
        for service in services:
            service.start()
        for service in services:
            service.wait_until_serving()
        yield
    finally:
        for service in services:
            service.kill()


@dataclass(frozen=True)
class Targets:
    """Where the services behind a gateway are."""

    segmenter: str
    embedder: str
    indexer: str


@dataclass(frozen=True)
class Stack:
    """A gateway in this process."""

    gateway: Gateway
    served: InProcess
    ingest: Any = field(init=False)
    search: Any = field(init=False)

    def __post_init__(self) -> None:
        channel = self.served.channel
        object.__setattr__(self, "ingest", ingest_pb2_grpc.IngestServiceStub(channel))
        object.__setattr__(self, "search", search_pb2_grpc.SearchServiceStub(channel))

    def metric(self, name: str, **labels: str) -> float:
        """A metric's value now."""
        value = self.gateway.metrics.registry.get_sample_value(f"lookalike_gateway_{name}", labels)
        assert value is not None, f"no metric {name} {labels}"
        return value


@asynccontextmanager
async def gateway_over(targets: Targets, **settings: Any) -> AsyncIterator[Stack]:
    """A gateway before these services; they need not run."""
    config = GatewayConfig(
        port=0,
        metrics_port=0,
        segmenter_target=targets.segmenter,
        embedder_target=targets.embedder,
        indexer_target=targets.indexer,
        **settings,
    )
    async with (
        open_gateway(config) as gateway,
        in_process(
            gateway.add_services,
            full_service_names=FULL_SERVICE_NAMES,
            health=gateway.health,
            metrics=gateway.metrics,
        ) as served,
    ):
        yield Stack(gateway, served)


@asynccontextmanager
async def indexer_over(data_dir: Path) -> AsyncIterator[str]:
    """A real indexer over the embedded store, in this process; its target."""
    config = IndexerConfig(port=0, metrics_port=0, data_dir=data_dir)
    async with open_indexer(config) as indexer:
        await indexer.load()
        async with in_process(
            indexer.add_services,
            full_service_names=[INDEXER_SERVICE],
            health=indexer.health,
            metrics=indexer.service_metrics,
        ) as served:
            yield served.target


def product(
    product_id: str,
    *images: bytes | ingest_pb2.IngestImage,
    name: str = "",
    attributes: Mapping[str, Any] | None = None,
) -> ingest_pb2.IngestProduct:
    """A product to send; images are files, or messages for the odd ones."""
    message = ingest_pb2.IngestProduct(
        product_id=product_id,
        name=name,
        images=[
            ingest_pb2.IngestImage(data=image, label=f"{position}.jpg")
            if isinstance(image, bytes)
            else image
            for position, image in enumerate(images)
        ],
    )
    if attributes:
        message.attributes.update(attributes)
    return message


class Connection:
    """One connection of an ingest stream, driven by hand."""

    def __init__(self, stack: Stack) -> None:
        self._call = stack.ingest.Ingest()

    async def open(
        self,
        stream_id: str = "stream",
        *,
        fingerprint: str = "source",
        run_id: str = "run",
        confirmed: int = 0,
    ) -> ingest_pb2.IngestOpened:
        opening = ingest_pb2.IngestOpen(
            stream_id=stream_id,
            source_fingerprint=fingerprint,
            run_id=run_id,
            confirmed_sequence=confirmed,
            client="test",
        )
        await self.write(ingest_pb2.IngestRequest(open=opening))
        return (await self.read()).opened

    async def send(self, sequence: int, message: ingest_pb2.IngestProduct) -> None:
        sequenced = ingest_pb2.SequencedProduct(sequence=sequence, product=message)
        await self.write(ingest_pb2.IngestRequest(product=sequenced))

    async def write(self, message: ingest_pb2.IngestRequest) -> None:
        await self._call.write(message)

    async def read(self) -> ingest_pb2.IngestResponse:
        """The next message; a message with nothing set at the end, good or bad."""
        try:
            message = await self._call.read()
        except grpc.aio.AioRpcError:
            message = grpc.aio.EOF
        return message if message is not grpc.aio.EOF else ingest_pb2.IngestResponse()

    async def results(self, count: int) -> dict[int, ingest_pb2.IngestResult]:
        """The next results, by sequence; watermarks in between are passed over."""
        found: dict[int, ingest_pb2.IngestResult] = {}
        while len(found) < count:
            message = await self.read()
            assert message.WhichOneof("message"), await self.end()
            if message.HasField("result"):
                found[message.result.sequence] = message.result
        return found

    async def finish(self) -> list[ingest_pb2.IngestResponse]:
        """Half-closes; the messages that are left."""
        await self._call.done_writing()
        left = []
        while (message := await self.read()).WhichOneof("message"):
            left.append(message)
        return left

    async def end(self) -> tuple[grpc.StatusCode, str]:
        """Code and reason with which the stream ended; passes over messages that are left."""
        while (await self.read()).WhichOneof("message"):  # the status comes behind them
            pass
        code = await self._call.code()
        return code, reason_of_trailers(await self._call.trailing_metadata())

    def cut(self) -> None:
        """Breaks the connection."""
        self._call.cancel()


async def ingest(
    stack: Stack, *products: ingest_pb2.IngestProduct, stream_id: str = "stream", run_id: str = "r"
) -> dict[int, ingest_pb2.IngestResult]:
    """A whole stream at once; the results by sequence."""
    connection = Connection(stack)
    opened = await connection.open(stream_id, run_id=run_id)
    first = opened.last_durable_sequence + 1

    async def send() -> None:
        for sequence, message in enumerate(products[first - 1 :], first):
            await connection.send(sequence, message)

    sending = asyncio.create_task(send())
    results = await connection.results(len(products))
    await sending
    await connection.finish()
    assert await connection.end() == (grpc.StatusCode.OK, "")
    return results


async def ingest_batch(
    stack: Stack, *products: ingest_pb2.IngestProduct
) -> dict[int, ingest_pb2.IngestResult]:
    """IngestBatch; the results by place, from 1."""
    call = stack.ingest.IngestBatch(ingest_pb2.IngestBatchRequest(products=products))
    progress = [message async for message in call]
    assert [message.finished_count for message in progress] == [*range(1, len(products) + 1)]
    assert {message.total_count for message in progress} == {len(products)}
    return {message.result.sequence: message.result for message in progress}


async def until(condition: Callable[[], object]) -> None:
    """Waits for something that nobody tells of."""
    while not condition():  # noqa: ASYNC110
        await asyncio.sleep(0.005)


def reason(status: status_pb2.Status) -> str:
    """The reason of a status; it has exactly one."""
    info = error_details_pb2.ErrorInfo()
    [reason] = [str(info.reason) for detail in status.details if detail.Unpack(info)]
    return reason


def reason_of_trailers(trailers: Any) -> str:
    """The reason in the trailers of a call; empty if there is none."""
    for key, value in trailers or ():
        if key == "grpc-status-details-bin":
            return reason(status_pb2.Status.FromString(value))
    return ""


def refusal(error: grpc.aio.AioRpcError) -> tuple[grpc.StatusCode, str]:
    """Code and reason of a call that failed."""
    return error.code(), reason_of_trailers(error.trailing_metadata())


def failures(result: ingest_pb2.IngestResult) -> list[tuple[int, int, str, bool]]:
    """Position, stage, reason and retryable of the images that failed."""
    return [
        (one.image_index, one.stage, reason(one.status), one.retryable)
        for one in result.image_failures
    ]
