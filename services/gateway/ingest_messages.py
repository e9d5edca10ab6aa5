"""What an ingest stream says in either direction, without its wire."""

from dataclasses import dataclass

from services.gateway.catalogue import SequencedOutcome
from services.gateway.incoming import IncomingProduct


@dataclass(frozen=True, slots=True)
class OpenRequest:
    """The client opens its stream."""

    stream_id: str
    source_fingerprint: str
    run_id: str
    confirmed_sequence: int
    client: str


@dataclass(frozen=True, slots=True)
class ProductRequest:
    """The client sends a product."""

    sequence: int
    product: IncomingProduct


@dataclass(frozen=True, slots=True)
class Nothing:
    """The client sent a message in which nothing is set."""


ClientMessage = OpenRequest | ProductRequest | Nothing


@dataclass(frozen=True, slots=True)
class Credit:
    """What a client may have in flight: products, and bytes of images."""

    products: int
    bytes: int


@dataclass(frozen=True, slots=True)
class Opened:
    """The stream is open."""

    epoch: int
    last_durable_sequence: int
    credit: Credit
    replay_count: int


@dataclass(frozen=True, slots=True)
class Result:
    """A product's outcome is durable.

    Attributes:
      credit: given back; None for what this connection never sent.
      index_version: a read with it sees the product; 0 on replayed results.
      replayed: the outcome was stored before this connection.
    """

    outcome: SequencedOutcome
    credit: Credit | None
    index_version: int
    replayed: bool


@dataclass(frozen=True, slots=True)
class Durable:
    """Every product up to here has its outcome stored."""

    sequence: int


@dataclass(frozen=True, slots=True)
class BatchProgress:
    """One more product of a batch has finished."""

    finished_count: int
    total_count: int
    result: Result


ServerMessage = Opened | Result | Durable
