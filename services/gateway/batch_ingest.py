"""A few products at once, without credit or resume: IngestBatch."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence

from servicekit.errors import InvalidArgument
from services.gateway.catalogue import Committed, SequencedOutcome
from services.gateway.incoming import IncomingProduct
from services.gateway.ingest_messages import BatchProgress, Result
from services.gateway.ingest_session import IngestNeeds
from services.gateway.outcome_writer import BatchWriter
from services.gateway.turns import Turn, Turns

MAX_PRODUCTS = 500


async def ingest_batch(
    needs: IngestNeeds,
    products: Sequence[IncomingProduct],
    send: Callable[[BatchProgress], Awaitable[None]],
) -> None:
    """Takes products in and tells of each when it is durable, in the order in which they finish.

    Raises:
      LookalikeError: FIELD_INVALID for no or too many products, QUEUE_FULL; also inside a group.
    """
    total = len(products)
    if not 1 <= total <= MAX_PRODUCTS:
        raise InvalidArgument(
            f"A batch has 1 to {MAX_PRODUCTS} products.",
            reason="FIELD_INVALID",
            field="products",
        )
    finished = 0

    async def tell(outcomes: Sequence[SequencedOutcome], committed: Committed) -> None:
        nonlocal finished
        needs.observer.outcomes_committed(len(outcomes))
        for outcome in outcomes:
            finished += 1
            needs.observer.product_finished(outcome.outcome, replayed=False)
            result = Result(outcome, None, committed.index_version, replayed=False)
            await send(BatchProgress(finished, total, result))

    async def take_in(sequence: int, product: IncomingProduct, turn: Turn) -> None:
        async with turn:
            outcome = await needs.processor.process(product)
            await writer.write(SequencedOutcome(sequence, outcome))

    # The request is in memory as a whole, so it is let in or refused as a whole.
    hold = needs.budget.take_now(sum(product.memory_bytes for product in products))
    writer = BatchWriter(
        needs.catalogue, needs.patience, tell, needs.redraft, timeout_s=needs.timeout_s
    )
    turns = Turns()
    try:
        async with asyncio.TaskGroup() as group:
            for sequence, product in enumerate(products, 1):
                group.create_task(take_in(sequence, product, turns.take(product.product_id)))
    finally:
        await writer.close()
        hold.release()
