"""The health of the services behind this one."""

from grpc_health.v1 import health_pb2, health_pb2_grpc

from servicekit.channels import TypedChannel
from services.gateway.upstreams.answers import answer


class HealthClient:
    """The HealthProbe of overview.py for one service."""

    def __init__(self, channel: TypedChannel, service: str, full_service_name: str) -> None:
        self._stub = health_pb2_grpc.HealthStub(channel)
        self._service = service
        self._full_service_name = full_service_name

    async def serving(self, *, timeout_s: float) -> bool:
        request = health_pb2.HealthCheckRequest(service=self._full_service_name)
        response = await answer(self._service, self._stub.Check(request, timeout=timeout_s))
        return bool(response.status == health_pb2.HealthCheckResponse.SERVING)
