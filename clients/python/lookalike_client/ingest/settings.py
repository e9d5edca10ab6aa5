"""How an ingest behaves."""

import dataclasses
from typing import Final

_MIB: Final = 1024 * 1024


@dataclasses.dataclass(frozen=True, slots=True)
class IngestSettings:
    """Settings of an ingest; the defaults fit a gateway with its own defaults."""

    give_up_s: float = 300.0
    """A stream that gets no further for so long ends with StreamUnavailable."""
    first_contact_s: float = 10.0
    """The same while nobody has answered at the address at all."""
    first_backoff_s: float = 0.2
    """Wait before opening the stream again; doubles each time, with jitter."""
    max_backoff_s: float = 5.0
    """The longest such wait; what the server asks for counts too."""
    read_threads: int = 4
    """Threads that read files."""
    read_ahead_products: int = 32
    """Products held in memory before they are sent."""
    read_ahead_bytes: int = 32 * _MIB
    """Bytes of photographs held in memory before they are sent; a larger product goes alone."""
    max_image_bytes: int = 32 * _MIB
    """A larger file is not read, but told as failed: the server would refuse it."""
    max_message_bytes: int = 64 * _MIB
    """The server's limit for one product. Photographs beyond are told as failed; where the
    server turns out to have a smaller limit, that one is used."""

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):
            if getattr(self, field.name) <= 0:
                raise ValueError(f"{field.name} must be greater than 0")
