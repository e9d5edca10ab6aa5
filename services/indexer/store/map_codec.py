"""A map as one piece of bytes: a compressed NumPy archive without pickles, readable for decades."""

import io
import json
from typing import Any, Final

import numpy as np

from services.indexer.maps import CatalogueMap, MapCluster

_FORMAT: Final = 1


def pack_map(drawn: CatalogueMap) -> bytes:
    """About 15 bytes a product."""
    head = {
        "format": _FORMAT,
        "map_id": drawn.map_id,
        "create_time_us": drawn.create_time_us,
        "method": drawn.method,
        "clusters": [
            [list(one.words), one.x, one.y, one.radius, one.product_count] for one in drawn.clusters
        ],
        "product_ids": drawn.product_ids,
    }
    text = json.dumps(head, ensure_ascii=False, separators=(",", ":")).encode()
    file = io.BytesIO()
    np.savez_compressed(
        file,
        head=np.frombuffer(text, np.uint8),
        xy=drawn.xy.astype("<u2"),
        cluster_of=drawn.cluster_of.astype("<i4"),
    )
    return file.getvalue()


def unpack_map(data: bytes) -> CatalogueMap:
    """The inverse."""
    with np.load(io.BytesIO(data), allow_pickle=False) as archive:
        head: dict[str, Any] = json.loads(archive["head"].tobytes())
        xy = archive["xy"].astype(np.uint16)
        cluster_of = archive["cluster_of"].astype(np.int32)
    return CatalogueMap(
        head["map_id"],
        head["create_time_us"],
        head["method"],
        tuple(MapCluster(tuple(words), *rest) for words, *rest in head["clusters"]),
        tuple(head["product_ids"]),
        xy,
        cluster_of,
    )
