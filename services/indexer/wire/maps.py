"""Maps of the catalogue."""

from collections.abc import Iterator
from typing import Final

from google.protobuf import timestamp_pb2

from lookalike.indexer.v1 import map_pb2
from lookalike.type.v1 import map_pb2 as type_pb2
from services.indexer.maps import MapProgress, ShownMap
from services.indexer.wire import checks

POINTS_AT_ONCE: Final = 10_000


def known_map_id(request: map_pb2.GetMapRequest) -> str:
    return checks.text(request.known_map_id, "known_map_id", 256, empty=True)


def header(shown: ShownMap) -> type_pb2.MapHeader:
    drawn = shown.drawn
    create_time = timestamp_pb2.Timestamp()
    create_time.FromMicroseconds(drawn.create_time_us)
    return type_pb2.MapHeader(
        map_id=drawn.map_id,
        create_time=create_time,
        embedding_version=shown.embedding_version,
        method=drawn.method,
        product_count=len(drawn.product_ids),
        missing_count=shown.missing_count,
        clusters=[
            type_pb2.MapCluster(
                words=one.words,
                x=one.x,
                y=one.y,
                radius=one.radius,
                product_count=one.product_count,
            )
            for one in drawn.clusters
        ],
    )


def points(shown: ShownMap) -> Iterator[type_pb2.MapPoints]:
    drawn = shown.drawn
    for start in range(0, len(drawn.product_ids), POINTS_AT_ONCE):
        chosen = slice(start, start + POINTS_AT_ONCE)
        yield type_pb2.MapPoints(
            product_ids=drawn.product_ids[chosen],
            xy_u16=drawn.xy[chosen].astype("<u2").tobytes(),
            clusters=drawn.cluster_of[chosen].tolist(),
        )


def build_message(told: MapProgress | ShownMap) -> map_pb2.BuildMapResponse:
    if isinstance(told, ShownMap):
        return map_pb2.BuildMapResponse(
            stage=type_pb2.MAP_STAGE_STORED, fraction=1.0, header=header(told)
        )
    return map_pb2.BuildMapResponse(
        stage=type_pb2.MapStage.ValueType(told.stage), fraction=told.fraction
    )
