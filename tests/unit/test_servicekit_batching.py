"""The micro-batcher's promises, one by one. Devices here are gates that the test opens."""

import asyncio
import gc
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from servicekit import errors
from servicekit.batch_queue import BatchQueue, Entry
from servicekit.batch_worker import Failed, run_isolating
from servicekit.batching import DropCause, Lane, MicroBatcher, ReleaseReason


class Device:
    """Doubles numbers; holds every batch at a gate while it is closed; raises on `poison`."""

    def __init__(self, poison: Callable[[int], bool] = lambda item: False) -> None:
        self.batches: list[list[int]] = []
        self.gate = threading.Event()
        self.gate.set()
        self.poison = poison

    def __call__(self, items: Sequence[int]) -> list[int]:
        self.batches.append(list(items))
        assert self.gate.wait(60)
        for item in items:
            if self.poison(item):
                raise ArithmeticError(f"cannot double {item}")
        return [item * 2 for item in items]

    async def hold(self, batcher: MicroBatcher[int, int]) -> "asyncio.Task[int]":
        """Closes the gate and waits until the worker is busy with an item of its own."""
        self.gate.clear()
        before = len(self.batches)
        task = asyncio.create_task(batcher.submit(0, size_bytes=1))
        await until(lambda: len(self.batches) > before)
        return task


class Tally:
    """Batch metrics as lists."""

    def __init__(self) -> None:
        self.releases: list[tuple[int, ReleaseReason]] = []
        self.waits: list[Lane] = []
        self.drops: Counter[DropCause] = Counter()
        self.depth: dict[Lane, tuple[int, int]] = {}

    def released(self, size: int, reason: ReleaseReason) -> None:
        self.releases.append((size, reason))

    def waited(self, lane: Lane, seconds: float) -> None:
        assert seconds >= 0
        self.waits.append(lane)

    def ran(self, seconds: float) -> None:
        assert seconds >= 0

    def queued(self, lane: Lane, items: int, size_bytes: int) -> None:
        self.depth[lane] = (items, size_bytes)

    def dropped(self, lane: Lane, cause: DropCause) -> None:
        self.drops[cause] += 1


def batcher_of(
    device: Callable[[Sequence[int]], Sequence[int]], **options: object
) -> MicroBatcher[int, int]:
    settings: dict[str, object] = {
        "name": "test",
        "max_batch_size": 4,
        "max_queue_items": 100,
        "max_queue_bytes": 1000,
    }
    return MicroBatcher(device, **{**settings, **options})  # type: ignore[arg-type]


async def until(condition: Callable[[], bool]) -> None:
    """Waits for a thread; what waits inside the loop has events."""
    while not condition():  # noqa: ASYNC110
        await asyncio.sleep(0.001)


async def settle() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def test_a_burst_of_callers_shares_a_batch_and_each_gets_its_own_output() -> None:
    device, tally = Device(), Tally()
    batcher = batcher_of(device, metrics=tally)
    outputs = await asyncio.gather(*(batcher.submit(n, size_bytes=1) for n in range(6)))
    assert outputs == [0, 2, 4, 6, 8, 10]
    assert device.batches == [[0, 1, 2, 3], [4, 5]]
    assert tally.releases == [(4, ReleaseReason.FULL), (2, ReleaseReason.READY)]
    assert tally.depth == {Lane.ONLINE: (0, 0), Lane.INGEST: (0, 0)}
    await batcher.close()


async def test_a_free_worker_takes_a_single_item_at_once() -> None:
    device = Device()
    batcher = batcher_of(device, max_batch_size=1000)
    assert await batcher.submit(21, size_bytes=1) == 42
    assert device.batches == [[21]]
    await batcher.close()


async def test_a_delay_lets_a_batch_fill_and_a_full_one_does_not_wait_for_it() -> None:
    device, tally = Device(), Tally()
    batcher = batcher_of(device, metrics=tally, max_delay_s=3600.0)
    first = asyncio.create_task(batcher.submit(1, size_bytes=1))
    await settle()
    assert device.batches == []
    rest = [asyncio.create_task(batcher.submit(n, size_bytes=1)) for n in (2, 3, 4)]
    assert await asyncio.gather(first, *rest) == [2, 4, 6, 8]
    assert tally.releases == [(4, ReleaseReason.FULL)]
    await batcher.close()


async def test_a_batch_that_never_fills_goes_after_the_delay() -> None:
    tally = Tally()
    batcher = batcher_of(Device(), metrics=tally, max_delay_s=0.01)
    assert await batcher.submit(1, size_bytes=1) == 2
    assert tally.releases == [(1, ReleaseReason.DELAY)]
    await batcher.close()


async def test_the_delay_counts_from_the_oldest_item_also_while_the_worker_is_busy() -> None:
    device, tally = Device(), Tally()
    batcher = batcher_of(device, metrics=tally, max_delay_s=0.05, max_batch_size=2)
    device.gate.clear()
    busy = [asyncio.create_task(batcher.submit(n, size_bytes=1)) for n in (1, 2)]
    await settle()
    late = asyncio.create_task(batcher.submit(3, size_bytes=1))
    await asyncio.sleep(0.1)
    device.gate.set()
    assert await asyncio.gather(*busy, late) == [2, 4, 6]
    assert tally.releases == [(2, ReleaseReason.FULL), (1, ReleaseReason.DELAY)]
    await batcher.close()


async def test_batches_are_bounded_in_bytes_and_a_larger_item_runs_alone() -> None:
    device = Device()
    batcher = batcher_of(device, max_batch_bytes=10)
    busy = await device.hold(batcher)
    sizes = {1: 6, 2: 4, 3: 1, 4: 50, 5: 1}
    tasks = [asyncio.create_task(batcher.submit(n, size_bytes=s)) for n, s in sizes.items()]
    await settle()
    device.gate.set()
    await asyncio.gather(busy, *tasks)
    assert device.batches[1:] == [[1, 2], [3], [4], [5]]
    await batcher.close()


async def test_online_goes_before_ingest() -> None:
    device = Device()
    batcher = batcher_of(device)
    busy = await device.hold(batcher)
    tasks = [
        asyncio.create_task(batcher.submit(n, size_bytes=1, lane=lane))
        for n, lane in [(1, Lane.INGEST), (2, Lane.INGEST), (3, Lane.ONLINE)]
    ]
    await settle()
    device.gate.set()
    await asyncio.gather(busy, *tasks)
    assert device.batches[1:] == [[3, 1, 2]]
    await batcher.close()


async def test_lanes_can_be_kept_out_of_each_others_batches() -> None:
    device = Device()
    batcher = batcher_of(device, mix_lanes=False)
    busy = await device.hold(batcher)
    tasks = [
        asyncio.create_task(batcher.submit(n, size_bytes=1, lane=lane))
        for n, lane in [(1, Lane.INGEST), (2, Lane.INGEST), (3, Lane.ONLINE)]
    ]
    await settle()
    device.gate.set()
    await asyncio.gather(busy, *tasks)
    assert device.batches[1:] == [[3], [1, 2]]
    await batcher.close()


async def test_a_full_queue_refuses_at_once_and_says_when_to_retry() -> None:
    device, tally = Device(), Tally()
    batcher = batcher_of(device, max_queue_items=2, metrics=tally)
    busy = await device.hold(batcher)
    waiting = [asyncio.create_task(batcher.submit(n, size_bytes=1)) for n in (1, 2)]
    await settle()
    with pytest.raises(errors.ResourceExhausted) as refused:
        await batcher.submit(3, size_bytes=1)
    assert refused.value.reason == "QUEUE_FULL"
    assert refused.value.retry_after_s is not None
    assert refused.value.retry_after_s > 0
    assert tally.drops == {DropCause.REFUSED: 1}
    device.gate.set()
    assert await asyncio.gather(busy, *waiting) == [0, 2, 4]
    await batcher.close()


async def test_the_queue_is_bounded_in_bytes_too() -> None:
    device = Device()
    batcher = batcher_of(device, max_queue_bytes=10)
    busy = await device.hold(batcher)
    large = asyncio.create_task(batcher.submit(1, size_bytes=9))
    await settle()
    with pytest.raises(errors.ResourceExhausted):
        await batcher.submit(2, size_bytes=2)
    small = asyncio.create_task(batcher.submit(3, size_bytes=1))
    await settle()
    device.gate.set()
    assert await asyncio.gather(busy, large, small) == [0, 2, 6]
    await batcher.close()


async def test_an_item_larger_than_the_queue_is_refused_for_good() -> None:
    batcher = batcher_of(Device(), max_queue_bytes=10)
    with pytest.raises(errors.ResourceExhausted) as refused:
        await batcher.submit(1, size_bytes=11, wait=True)
    assert refused.value.reason == "MESSAGE_TOO_LARGE"
    assert not refused.value.retryable
    await batcher.close()


async def test_a_stream_waits_for_room_in_its_turn() -> None:
    device = Device()
    batcher = batcher_of(device, max_queue_items=2, max_batch_size=1)
    busy = await device.hold(batcher)
    tasks = [asyncio.create_task(batcher.submit(n, size_bytes=1, wait=True)) for n in range(1, 8)]
    await settle()
    device.gate.set()
    assert await asyncio.gather(busy, *tasks) == [0, 2, 4, 6, 8, 10, 12, 14]
    assert device.batches == [[n] for n in range(8)]
    await batcher.close()


async def test_a_caller_that_waits_for_room_is_not_overtaken_by_a_smaller_item() -> None:
    device = Device()
    batcher = batcher_of(device, max_queue_bytes=10)
    busy = await device.hold(batcher)
    first = asyncio.create_task(batcher.submit(1, size_bytes=6))
    await settle()
    waiting = asyncio.create_task(batcher.submit(2, size_bytes=6, wait=True))
    await settle()
    with pytest.raises(errors.ResourceExhausted):
        await batcher.submit(3, size_bytes=1)
    device.gate.set()
    assert await asyncio.gather(busy, first, waiting) == [0, 2, 4]
    await batcher.close()


async def test_ingest_cannot_take_the_share_of_the_queue_reserved_for_online() -> None:
    device = Device()
    batcher = batcher_of(device, max_queue_items=4, online_reserve=0.5)
    busy = await device.hold(batcher)
    tasks = [asyncio.create_task(batcher.submit(n, size_bytes=1, lane=Lane.INGEST)) for n in (1, 2)]
    await settle()
    with pytest.raises(errors.ResourceExhausted):
        await batcher.submit(3, size_bytes=1, lane=Lane.INGEST)
    tasks += [asyncio.create_task(batcher.submit(n, size_bytes=1)) for n in (4, 5)]
    await settle()
    device.gate.set()
    assert await asyncio.gather(busy, *tasks) == [0, 2, 4, 8, 10]
    await batcher.close()


async def test_cancelled_work_never_reaches_the_device_and_frees_its_place() -> None:
    device, tally = Device(), Tally()
    batcher = batcher_of(device, max_queue_items=2, metrics=tally)
    busy = await device.hold(batcher)
    tasks = [asyncio.create_task(batcher.submit(n, size_bytes=1)) for n in (1, 2)]
    await settle()
    tasks[0].cancel()
    await settle()
    third = asyncio.create_task(batcher.submit(3, size_bytes=1))
    await settle()
    device.gate.set()
    assert await asyncio.gather(busy, tasks[1], third) == [0, 4, 6]
    assert device.batches == [[0], [2, 3]]
    assert tally.drops == {DropCause.CANCELLED: 1}
    await batcher.close()


async def test_expired_work_is_told_at_its_deadline_and_never_reaches_the_device() -> None:
    device, tally = Device(), Tally()
    batcher = batcher_of(device, metrics=tally)
    busy = await device.hold(batcher)
    with pytest.raises(errors.DeadlineExceeded) as expired:
        await batcher.submit(1, size_bytes=1, deadline=time.monotonic() + 0.01)
    assert expired.value.reason == "DEADLINE_PASSED"
    with pytest.raises(errors.DeadlineExceeded):
        await batcher.submit(2, size_bytes=1, deadline=time.monotonic() - 1)
    device.gate.set()
    assert await busy == 0
    await batcher.close()
    assert device.batches == [[0]]
    assert tally.drops == {DropCause.EXPIRED: 2}


async def test_a_deadline_also_ends_the_wait_for_room() -> None:
    device = Device()
    batcher = batcher_of(device, max_queue_items=1)
    busy = await device.hold(batcher)
    inside = asyncio.create_task(batcher.submit(1, size_bytes=1))
    await settle()
    with pytest.raises(errors.DeadlineExceeded):
        await batcher.submit(2, size_bytes=1, wait=True, deadline=time.monotonic() + 0.01)
    device.gate.set()
    assert await asyncio.gather(busy, inside) == [0, 2]
    await batcher.close()


async def test_work_that_expired_while_the_loop_was_held_up_is_dropped_at_the_device() -> None:
    device = Device()
    batcher = batcher_of(device)
    task = asyncio.create_task(batcher.submit(1, size_bytes=1, deadline=time.monotonic() + 0.01))
    await asyncio.sleep(0)  # submitted; the dispatch is already due in the loop's next turn
    time.sleep(0.02)  # noqa: ASYNC251 - holding up the loop is what is tested
    with pytest.raises(errors.DeadlineExceeded):
        await task
    await batcher.close()
    assert device.batches == []


async def test_one_poison_item_fails_alone() -> None:
    device, tally = Device(poison=lambda item: item == 3), Tally()
    batcher = batcher_of(device, max_batch_size=8, metrics=tally)
    tasks = [asyncio.create_task(batcher.submit(n, size_bytes=1)) for n in range(8)]
    outcomes = await asyncio.gather(*tasks, return_exceptions=True)
    failure = outcomes.pop(3)
    assert outcomes == [0, 2, 4, 8, 10, 12, 14]
    assert isinstance(failure, errors.Internal)
    assert isinstance(failure.__cause__, ArithmeticError)
    assert tally.drops == {DropCause.FAILED: 1}
    assert batcher.healthy
    assert await batcher.submit(9, size_bytes=1) == 18
    await batcher.close()


async def test_a_typed_error_of_one_item_comes_through_as_it_is() -> None:
    def run(items: Sequence[int]) -> list[int]:
        if 2 in items:
            raise errors.InvalidArgument("no twos", reason="FIELD_INVALID")
        return list(items)

    batcher = batcher_of(run)
    outcomes = await asyncio.gather(
        *(batcher.submit(n, size_bytes=1) for n in (1, 2, 3)), return_exceptions=True
    )
    assert outcomes[::2] == [1, 3]
    assert isinstance(outcomes[1], errors.InvalidArgument)
    await batcher.close()


async def test_a_device_that_returns_too_few_outputs_never_shifts_them() -> None:
    def run(items: Sequence[int]) -> list[int]:
        return [item * 2 for item in items if item != 1]

    batcher = batcher_of(run)
    outcomes = await asyncio.gather(
        *(batcher.submit(n, size_bytes=1) for n in range(4)), return_exceptions=True
    )
    assert isinstance(outcomes.pop(1), errors.Internal)
    assert outcomes == [0, 4, 6]
    await batcher.close()


@given(st.lists(st.booleans(), min_size=1, max_size=40))
def test_bisection_fails_exactly_the_poison_items(poison: list[bool]) -> None:
    def run(items: Sequence[int]) -> list[int]:
        if any(poison[item] for item in items):
            raise ValueError
        return list(items)

    outcomes = run_isolating(run, range(len(poison)))
    assert [isinstance(outcome, Failed) for outcome in outcomes] == poison
    assert all(isinstance(out, Failed) or out == n for n, out in enumerate(outcomes))


def test_one_poison_item_costs_a_logarithm_of_runs() -> None:
    device = Device(poison=lambda item: item == 17)
    run_isolating(device, list(range(64)))
    assert len(device.batches) == 1 + 2 * 6


class Panic(BaseException):
    """What native code raises when it is beyond repair."""


async def test_a_dead_worker_fails_all_waiters_and_is_not_healthy() -> None:
    device = Device()

    def run(items: Sequence[int]) -> list[int]:
        device(items)
        raise Panic

    batcher = batcher_of(run, max_queue_items=2)
    device.gate.clear()
    tasks = [
        asyncio.create_task(batcher.submit(n, size_bytes=1, wait=True, lane=lane))
        for n in range(6)
        for lane in Lane
    ]
    await until(lambda: bool(device.batches))
    assert batcher.healthy
    device.gate.set()
    outcomes = await asyncio.gather(*tasks, return_exceptions=True)
    assert all(isinstance(out, errors.Unavailable) for out in outcomes)
    assert {out.reason for out in outcomes if isinstance(out, errors.Unavailable)} == {
        "WORKER_DEAD"
    }
    assert not batcher.healthy
    with pytest.raises(errors.Unavailable):
        await batcher.submit(1, size_bytes=1)
    await batcher.close()


async def test_an_exception_in_the_machinery_fails_the_waiters_too() -> None:
    class Broken(Tally):
        def ran(self, seconds: float) -> None:
            raise RuntimeError("the tally broke")

        def released(self, size: int, reason: ReleaseReason) -> None:
            if size == 2:
                raise RuntimeError("the tally broke")

    seen: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: seen.append(context))
    for size in (1, 2):
        batcher = batcher_of(Device(), metrics=Broken(), max_batch_size=size)
        outcomes = await asyncio.gather(
            *(batcher.submit(n, size_bytes=1) for n in range(3)), return_exceptions=True
        )
        assert any(isinstance(out, errors.Unavailable) for out in outcomes)
        assert not batcher.healthy
        await batcher.close()
    assert len(seen) == 2


async def test_a_batch_that_runs_too_long_is_not_healthy() -> None:
    device = Device()
    batcher = batcher_of(device, stall_s=0.0)
    assert batcher.healthy
    busy = await device.hold(batcher)
    assert not batcher.healthy
    device.gate.set()
    await busy
    assert batcher.healthy
    await batcher.close()


async def test_close_runs_what_waits_and_refuses_what_comes() -> None:
    device, tally = Device(), Tally()
    batcher = batcher_of(device, metrics=tally, max_delay_s=3600.0, max_queue_items=3)
    tasks = [asyncio.create_task(batcher.submit(n, size_bytes=1, wait=True)) for n in range(3)]
    await settle()
    outside = asyncio.create_task(batcher.submit(3, size_bytes=1, wait=True))
    await settle()
    closing = asyncio.create_task(batcher.close())
    await settle()
    with pytest.raises(errors.Unavailable) as refused:
        await batcher.submit(9, size_bytes=1)
    assert refused.value.reason == "DRAINING"
    await closing
    assert await asyncio.gather(*tasks, outside) == [0, 2, 4, 6]
    assert {reason for _, reason in tally.releases} == {ReleaseReason.DRAIN}
    await batcher.close()


async def test_close_gives_up_after_its_grace_and_the_late_batch_is_ignored() -> None:
    device = Device()
    batcher = batcher_of(device, name="late")
    busy = await device.hold(batcher)
    queued = asyncio.create_task(batcher.submit(1, size_bytes=1))
    await settle()
    await batcher.close(grace_s=0.01)
    for task in (busy, queued):
        with pytest.raises(errors.Unavailable) as failed:
            await task
        assert failed.value.reason == "DRAINING"
    device.gate.set()
    await until(lambda: "batcher-late-0" not in {t.name for t in threading.enumerate()})
    await settle()
    assert device.batches == [[0]]


async def test_a_batcher_that_was_never_used_closes() -> None:
    await batcher_of(Device()).close()


async def test_two_workers_run_two_batches_at_a_time() -> None:
    both = threading.Barrier(2)

    def run(items: Sequence[int]) -> list[int]:
        both.wait(60)
        return list(items)

    batcher = batcher_of(run, workers=2, max_batch_size=1)
    assert await asyncio.gather(*(batcher.submit(n, size_bytes=1) for n in (1, 2))) == [1, 2]
    await batcher.close()


async def test_a_caller_cancelled_as_its_item_fails_leaves_no_unseen_exception() -> None:
    device = Device(poison=lambda item: True)
    batcher = batcher_of(device)
    unseen: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: unseen.append(context))
    task = asyncio.create_task(batcher.submit(1, size_bytes=1))
    await settle()
    entry = next(iter(batcher._running.values()))[1][0]
    entry.future.add_done_callback(lambda _: task.cancel())
    with pytest.raises((asyncio.CancelledError, errors.Internal)):
        await task
    del entry
    gc.collect()
    await settle()
    assert unseen == []
    await batcher.close()


async def test_many_callers_with_deadlines_and_cancellations_all_get_an_answer() -> None:
    device, tally = Device(poison=lambda item: item % 17 == 0), Tally()
    batcher = batcher_of(
        device, metrics=tally, max_queue_items=8, max_queue_bytes=64, workers=2, max_delay_s=0.001
    )

    async def call(n: int) -> int:
        lane = Lane.INGEST if n % 3 else Lane.ONLINE
        deadline = time.monotonic() + 0.002 if n % 11 == 0 else None
        async with asyncio.timeout(0.003 if n % 13 == 0 else None):
            return await batcher.submit(
                n, size_bytes=n % 7 + 1, lane=lane, wait=n % 5 != 0, deadline=deadline
            )

    outcomes = await asyncio.gather(*(call(n) for n in range(600)), return_exceptions=True)
    for n, outcome in enumerate(outcomes):
        if not isinstance(outcome, BaseException):
            assert outcome == n * 2
        else:
            assert isinstance(outcome, errors.LookalikeError | TimeoutError)
    plain = [n for n in range(600) if n % 5 and n % 11 and n % 13 and n % 17]
    assert [outcomes[n] for n in plain] == [n * 2 for n in plain]
    assert batcher.healthy
    await batcher.close()
    assert tally.depth == {Lane.ONLINE: (0, 0), Lane.INGEST: (0, 0)}


# The queue alone


def entry(lane: Lane, size_bytes: int = 1, item: int = 0) -> Entry[int, int]:
    # The queue never looks at the future.
    return Entry(item, size_bytes, lane, None, queued_at=0.0, deadline=None)  # type: ignore[arg-type]


@given(
    share=st.floats(0.05, 0.5),
    batch_size=st.integers(1, 16),
    mix_lanes=st.booleans(),
)
def test_ingest_gets_its_share_and_no_more_under_endless_online_load(
    share: float, batch_size: int, mix_lanes: bool
) -> None:
    queue: BatchQueue[int, int] = BatchQueue(
        max_items=1000,
        max_bytes=1000,
        online_reserve=0.25,
        ingest_share=share,
        mix_lanes=mix_lanes,
    )
    taken: Counter[Lane] = Counter()
    while taken.total() < 2000:
        while queue.lane_items(Lane.ONLINE) < 100:
            queue.put(entry(Lane.ONLINE))
        while queue.lane_items(Lane.INGEST) < 100:
            queue.put(entry(Lane.INGEST))
        taken.update(e.lane for e in queue.take(batch_size, None))
    assert taken[Lane.INGEST] / taken.total() == pytest.approx(share, abs=0.02)


@given(
    max_items=st.integers(1, 20), max_bytes=st.integers(1, 50), online_reserve=st.floats(0, 0.95)
)
def test_either_lane_of_an_empty_queue_takes_an_item(
    max_items: int, max_bytes: int, online_reserve: float
) -> None:
    for lane in Lane:
        queue: BatchQueue[int, int] = BatchQueue(
            max_items=max_items,
            max_bytes=max_bytes,
            online_reserve=online_reserve,
            ingest_share=0.1,
            mix_lanes=True,
        )
        assert queue.fits(lane, 1)


class QueueMachine(RuleBasedStateMachine):
    """Any order of calls keeps the bounds, the order within a lane, and every entry."""

    def __init__(self) -> None:
        super().__init__()
        self.queue: BatchQueue[int, int] = BatchQueue(
            max_items=6, max_bytes=20, online_reserve=0.4, ingest_share=0.2, mix_lanes=True
        )
        self.model: dict[Lane, list[Entry[int, int]]] = {lane: [] for lane in Lane}

    @rule(lane=st.sampled_from(Lane), size=st.integers(0, 15))
    def put(self, lane: Lane, size: int) -> None:
        if self.queue.fits(lane, size):
            assert self.queue.could_ever_fit(lane, size)
            new = entry(lane, size)
            self.queue.put(new)
            self.model[lane].append(new)

    @rule(lane=st.sampled_from(Lane), index=st.integers(0, 5))
    def discard(self, lane: Lane, index: int) -> None:
        if index < len(self.model[lane]):
            gone = self.model[lane].pop(index)
            assert self.queue.discard(gone)
            assert not self.queue.discard(gone)

    @rule(count=st.integers(1, 5), size=st.none() | st.integers(1, 20))
    def take(self, count: int, size: int | None) -> None:
        batch = self.queue.take(count, size)
        assert len(batch) <= count
        assert bool(batch) == any(self.model.values())
        assert size is None or len(batch) < 2 or sum(e.size_bytes for e in batch) <= size
        for lane in Lane:
            mine = [e for e in batch if e.lane is lane]
            assert self.model[lane][: len(mine)] == mine
            del self.model[lane][: len(mine)]

    @invariant()
    def bounds_hold(self) -> None:
        entries = [e for lane in self.model.values() for e in lane]
        assert len(self.queue) == len(entries) <= 6
        assert self.queue.size_bytes == sum(e.size_bytes for e in entries) <= 20
        assert self.queue.lane_items(Lane.INGEST) <= 3
        assert self.queue.lane_bytes(Lane.INGEST) <= 12
        assert (self.queue.oldest_queued_at() is None) == (not entries)


TestQueueMachine = QueueMachine.TestCase
