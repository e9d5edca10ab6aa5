"""The small machines that keep an ingest in order: budget, group commit, patience, once, turns."""

import asyncio
from collections.abc import Sequence

import pytest

from servicekit.errors import (
    DeadlineExceeded,
    Internal,
    InvalidArgument,
    LookalikeError,
    ResourceExhausted,
    Unavailable,
)
from services.gateway.byte_budget import ByteBudget
from services.gateway.coalesce import Coalescer
from services.gateway.retry import Patience
from services.gateway.single_flight import SingleFlight
from services.gateway.turns import Turns


async def settle() -> None:
    """Lets every task that can run do so."""
    for _ in range(10):
        await asyncio.sleep(0)


# --- Budget ----------------------------------------------------------------------------------


async def test_a_budget_is_given_in_order_and_never_exceeded() -> None:
    budget = ByteBudget(10)
    first = await budget.acquire(6)
    order: list[str] = []

    async def want(name: str, size: int) -> None:
        hold = await budget.acquire(size)
        order.append(name)
        await settle()
        hold.release()

    async with asyncio.TaskGroup() as group:
        group.create_task(want("large", 8))
        await settle()
        group.create_task(want("small", 1))  # would fit, but came later
        await settle()
        assert order == []
        assert budget.used_bytes == 6
        first.release()
    assert order == ["large", "small"]
    assert budget.used_bytes == 0


async def test_what_is_larger_than_the_budget_runs_alone() -> None:
    budget = ByteBudget(10)
    huge = await budget.acquire(1_000)
    waiting = asyncio.create_task(budget.acquire(1))
    await settle()
    assert not waiting.done()
    huge.release()
    (await waiting).release()
    assert budget.used_bytes == 0


async def test_a_caller_that_leaves_does_not_hold_up_the_next() -> None:
    budget = ByteBudget(10)
    hold = await budget.acquire(10)
    leaves = asyncio.create_task(budget.acquire(10))
    stays = asyncio.create_task(budget.acquire(5))
    await settle()
    leaves.cancel()
    await settle()
    hold.release()
    (await stays).release()
    assert budget.used_bytes == 0


async def test_room_that_is_granted_to_a_leaving_caller_comes_back() -> None:
    budget = ByteBudget(10)
    hold = await budget.acquire(10)
    leaves = asyncio.create_task(budget.acquire(10))
    await settle()
    hold.release()
    leaves.cancel()
    await asyncio.gather(leaves, return_exceptions=True)
    assert budget.used_bytes == 0


async def test_a_hold_is_given_back_once() -> None:
    budget = ByteBudget(10)
    hold, other = await budget.acquire(4), await budget.acquire(4)
    hold.release()
    hold.release()
    assert budget.used_bytes == 4
    other.release()


async def test_a_full_budget_refuses_whoever_cannot_wait() -> None:
    budget = ByteBudget(10)
    budget.take_now(8)
    with pytest.raises(ResourceExhausted) as caught:
        budget.take_now(3)
    assert caught.value.reason == "QUEUE_FULL"
    assert caught.value.retryable


# --- Group commit ----------------------------------------------------------------------------


class Doubler:
    """Doubles numbers, once it is let."""

    def __init__(self) -> None:
        self.calls: list[list[int]] = []
        self.let = asyncio.Event()

    async def __call__(self, items: Sequence[int]) -> list[int]:
        self.calls.append(list(items))
        await self.let.wait()
        if 13 in items:
            raise InvalidArgument("thirteen", reason="FIELD_INVALID")
        return [2 * item for item in items]


def coalescer(run: Doubler) -> Coalescer[int, int]:
    return Coalescer(run, max_items=4, max_weight=100, weigh=abs)


async def test_what_comes_during_a_call_shares_the_next_one() -> None:
    run = Doubler()
    queue = coalescer(run)
    tasks = [asyncio.create_task(queue.submit(n)) for n in (1,)]
    await settle()
    tasks += [asyncio.create_task(queue.submit(n)) for n in (2, 3, 4, 5, 6)]
    await settle()
    run.let.set()
    assert await asyncio.gather(*tasks) == [2, 4, 6, 8, 10, 12]
    assert run.calls == [[1], [2, 3, 4, 5], [6]]


async def test_a_call_is_bounded_in_weight_unless_one_item_exceeds_it() -> None:
    run = Doubler()
    run.let.set()
    queue = coalescer(run)
    await asyncio.gather(*[queue.submit(n) for n in (60, 60, 500, 1)])
    assert run.calls == [[60], [60], [500], [1]]


async def test_an_error_fails_its_own_call_only() -> None:
    run = Doubler()
    run.let.set()
    queue = coalescer(run)
    results = await asyncio.gather(
        *[queue.submit(n) for n in (1, 13, 90, 50)], return_exceptions=True
    )
    assert [type(result) for result in results] == [
        InvalidArgument,
        InvalidArgument,
        int,
        int,
    ]


async def test_an_item_whose_caller_left_is_not_run() -> None:
    run = Doubler()
    queue = coalescer(run)
    first = asyncio.create_task(queue.submit(1))
    await settle()
    leaves = asyncio.create_task(queue.submit(2))
    stays = asyncio.create_task(queue.submit(3))
    await settle()
    leaves.cancel()
    await settle()
    run.let.set()
    assert [await first, await stays] == [2, 6]
    assert run.calls == [[1], [3]]


async def test_closing_cancels_everybody() -> None:
    run = Doubler()
    queue = coalescer(run)
    tasks = [asyncio.create_task(queue.submit(n)) for n in range(9)]
    await settle()
    await queue.close()
    results = await asyncio.gather(*tasks, return_exceptions=True)
    assert all(isinstance(result, asyncio.CancelledError) for result in results)


# --- Patience --------------------------------------------------------------------------------


class Service:
    """Answers with what it is told to, one after the other; the last answer repeats."""

    def __init__(self, *answers: LookalikeError | str) -> None:
        self.answers = list(answers)
        self.calls = 0

    async def __call__(self) -> str:
        self.calls += 1
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, LookalikeError):
            raise answer
        return answer


AWAY = Unavailable("away", reason="UPSTREAM_UNAVAILABLE")
LATE = DeadlineExceeded("late", reason="DEADLINE_PASSED")
FULL = ResourceExhausted("full", reason="QUEUE_FULL", retry_after_s=0.001)


async def test_a_service_that_comes_back_is_waited_for() -> None:
    retried: list[str] = []
    service = Service(AWAY, LATE, FULL, "here")
    assert await Patience(60, retried.append).call("segmenter", service) == "here"
    assert retried == ["segmenter"] * 3


@pytest.mark.parametrize("silence", [AWAY, LATE])
async def test_silence_is_borne_for_as_long_as_patience_lasts(silence: LookalikeError) -> None:
    service = Service(silence)
    with pytest.raises(Unavailable):
        await Patience(0, lambda _: None).call("segmenter", service)
    assert service.calls == 1


async def test_a_full_service_is_alive_and_never_given_up() -> None:
    service = Service(FULL, FULL, FULL, FULL, "here")
    assert await Patience(0, lambda _: None).call("segmenter", service) == "here"


@pytest.mark.parametrize(
    "answer",
    [
        InvalidArgument("no image", reason="IMAGE_UNDECODABLE"),
        Internal("bug", reason="INTERNAL"),
        ResourceExhausted("large", reason="MESSAGE_TOO_LARGE"),
    ],
)
async def test_an_answer_is_an_answer_also_if_it_is_no(answer: LookalikeError) -> None:
    service = Service(answer, "never")
    with pytest.raises(type(answer)):
        await Patience(60, lambda _: None).call("segmenter", service)
    assert service.calls == 1


# --- Once ------------------------------------------------------------------------------------


class Work:
    """Counts how often it is begun, done and cancelled."""

    def __init__(self) -> None:
        self.begun = self.done = self.cancelled = 0
        self.let = asyncio.Event()
        self.error: Exception | None = None

    async def __call__(self) -> str:
        self.begun += 1
        try:
            await self.let.wait()
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        if self.error is not None:
            raise self.error
        self.done += 1
        return "done"


async def test_the_same_work_at_the_same_time_is_done_once() -> None:
    flights: SingleFlight[str, str] = SingleFlight()
    work = Work()
    tasks = [asyncio.create_task(flights.run("a", work)) for _ in range(5)]
    await settle()
    work.let.set()
    assert await asyncio.gather(*tasks) == ["done"] * 5
    assert work.begun == 1
    assert await flights.run("a", work) == "done"
    assert work.begun == 2  # nothing is kept afterwards


async def test_work_goes_on_while_anybody_waits_and_ends_with_the_last() -> None:
    flights: SingleFlight[str, str] = SingleFlight()
    work = Work()
    first, second = (asyncio.create_task(flights.run("a", work)) for _ in range(2))
    await settle()
    first.cancel()
    await settle()
    assert (work.begun, work.cancelled) == (1, 0)
    second.cancel()
    await settle()
    assert work.cancelled == 1


async def test_new_callers_after_a_cancelled_run_get_a_run_of_their_own() -> None:
    flights: SingleFlight[str, str] = SingleFlight()
    abandoned, wanted = Work(), Work()
    leaves = asyncio.create_task(flights.run("a", abandoned))
    await settle()
    leaves.cancel()
    await settle()
    stays = asyncio.create_task(flights.run("a", wanted))
    wanted.let.set()
    assert await stays == "done"


async def test_an_error_of_shared_work_is_everybodys() -> None:
    flights: SingleFlight[str, str] = SingleFlight()
    work = Work()
    work.error = AWAY
    work.let.set()
    results = await asyncio.gather(
        *[flights.run("a", work) for _ in range(3)], return_exceptions=True
    )
    assert all(isinstance(result, Unavailable) for result in results)
    assert work.begun == 1


# --- Turns -----------------------------------------------------------------------------------


async def test_one_key_waits_for_itself_and_others_do_not() -> None:
    turns = Turns()
    log: list[str] = []
    let = {name: asyncio.Event() for name in ("a1", "a2", "a3", "b1")}

    async def take(name: str) -> None:
        turn = turns.take(name[0])
        async with turn:
            log.append(name)
            await let[name].wait()

    async with asyncio.TaskGroup() as group:
        for name in ("a1", "a2", "a3", "b1"):
            group.create_task(take(name))
        await settle()
        assert log == ["a1", "b1"]
        let["a1"].set()
        await settle()
        assert log == ["a1", "b1", "a2"]
        for event in let.values():
            event.set()
    assert log == ["a1", "b1", "a2", "a3"]


async def test_a_turn_ends_with_an_error_too() -> None:
    turns = Turns()
    first, second = turns.take("a"), turns.take("a")

    async def fail() -> None:
        async with first:
            raise LookupError

    with pytest.raises(LookupError):
        await fail()
    async with second:
        pass
