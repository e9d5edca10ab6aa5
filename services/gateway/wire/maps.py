"""The catalogue's map."""

from google.protobuf import timestamp_pb2

from lookalike.gateway.v1 import map_pb2
from services.gateway.maps import MapHeader, MapPoints, MapProgress


def piece(value: MapHeader | MapPoints) -> map_pb2.GetMapResponse:
    if isinstance(value, MapHeader):
        return map_pb2.GetMapResponse(header=_header(value))
    return map_pb2.GetMapResponse(
        points=map_pb2.MapPoints(
            product_ids=value.product_ids, xy_u16=value.xy_u16, clusters=value.clusters
        )
    )


def progress(value: MapProgress) -> map_pb2.BuildMapResponse:
    return map_pb2.BuildMapResponse(
        stage=map_pb2.MapStage.ValueType(value.stage),
        fraction=value.fraction,
        header=_header(value.header) if value.header is not None else None,
    )


def _header(value: MapHeader) -> map_pb2.MapHeader:
    create_time = timestamp_pb2.Timestamp()
    create_time.FromMicroseconds(value.create_time_us)
    return map_pb2.MapHeader(
        map_id=value.map_id,
        create_time=create_time,
        embedding_version=value.embedding_version,
        method=value.method,
        product_count=value.product_count,
        missing_count=value.missing_count,
        clusters=[
            map_pb2.MapCluster(
                words=one.words,
                x=one.x,
                y=one.y,
                radius=one.radius,
                product_count=one.product_count,
            )
            for one in value.clusters
        ],
    )
