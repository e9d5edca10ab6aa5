"""The indexer's settings; every one is LOOKALIKE_INDEXER_ and its name in capitals."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Final

from servicekit.config import Range, ServerConfig

PREFIX: Final = "LOOKALIKE_INDEXER_"
SQLITE: Final = "sqlite"


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexerConfig(ServerConfig):
    """See the docstring under each field."""

    port: Annotated[int, Range(0, 65535)] = 50053
    """Port to listen on for gRPC; 0 takes any free one and logs it."""

    metrics_port: Annotated[int, Range(0, 65535)] = 9103
    """Port of Prometheus' /metrics; 0 takes any free one and logs it."""

    store: str = field(default=SQLITE, repr=False)
    """Where all is kept: `sqlite`, or a replica set's `mongodb://` URI, which may name a
    database."""

    data_dir: Path = Path("data")
    """Folder of the embedded store; it belongs to one process. MongoDB keeps everything itself."""

    blob_grace_s: Annotated[float, Range(60, 10**7)] = 3600.0
    """Seconds for which the bytes of an image are kept that no product has; longer than an ingest
    needs from storing an image to committing its product."""

    sweep_interval_s: Annotated[float, Range(1, 10**6)] = 600.0
    """Seconds between two removals of such bytes."""

    search_max_batch: Annotated[int, Range(1, 1024)] = 32
    """Searches that one pass over the vectors answers together."""

    search_max_queue: Annotated[int, Range(1, 10**6)] = 1024
    """Searches that may wait; beyond, QUEUE_FULL."""

    shown_max_bytes: Annotated[int, Range(0, 2**31 - 1)] = 64 * 1024 * 1024
    """Bytes, about, of products kept ready for the next search that finds them; 0 keeps none."""

    map_threads: Annotated[int, Range(0, 1024)] = 0
    """Threads that a map of the catalogue is drawn with, in a process of the lowest priority; 0:
    half of the cores."""

    stall_s: Annotated[float, Range(1, 3600)] = 60.0
    """A search that runs longer makes the health NOT_SERVING."""

    def __post_init__(self) -> None:
        # The value is not repeated: it may hold a password.
        if self.store != SQLITE and not self.store.startswith(("mongodb://", "mongodb+srv://")):
            raise ValueError(f"{PREFIX}STORE must be `sqlite` or begin with mongodb://.")
