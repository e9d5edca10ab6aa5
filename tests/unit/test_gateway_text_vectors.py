"""Texts of several callers in one call of the embedder."""

import asyncio
from collections.abc import Sequence

import pytest

from servicekit import logs
from servicekit.errors import DeadlineExceeded, FailedPrecondition, InvalidArgument, LookalikeError
from services.gateway.text_vectors import TextVectors
from services.gateway.values import Deadline, Lane, TextVector


class Tower:
    """A text tower that answers with the text itself, once it is let."""

    def __init__(self) -> None:
        self.let = asyncio.Event()
        self.calls: list[list[str]] = []
        self.request_ids: list[str] = []

    async def embed_texts(
        self, texts: Sequence[str], *, version: str, lane: Lane, timeout_s: float
    ) -> tuple[TextVector | LookalikeError, ...]:
        assert lane is Lane.ONLINE
        assert timeout_s > 0
        self.calls.append(list(texts))
        self.request_ids.append(logs.request_id.get())
        await self.let.wait()
        if version == "gone":
            raise FailedPrecondition("not served", reason="EMBEDDING_VERSION_MISMATCH")
        return tuple(
            InvalidArgument("bad", reason="TEXT_EMPTY")
            if text == "bad"
            else TextVector(text.encode(), truncated=False)
            for text in texts
        )


class Asking:
    """Callers of a tower, the first of which has its call in flight."""

    def __init__(self) -> None:
        self.tower = Tower()
        self.vectors = TextVectors(self.tower)

    def ask(
        self, *texts: str, version: str = "v", seconds: float = 60.0
    ) -> "asyncio.Task[tuple[TextVector | LookalikeError, ...]]":
        return asyncio.create_task(self.vectors.of(texts, version, Deadline.after(seconds)))

    async def begin(self) -> "asyncio.Task[tuple[TextVector | LookalikeError, ...]]":
        first = self.ask("first")
        await settle()
        assert self.tower.calls == [["first"]]
        return first


def vector(text: str) -> TextVector:
    return TextVector(text.encode(), truncated=False)


async def settle() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


async def test_an_idle_embedder_is_asked_at_once_and_the_next_questions_go_together() -> None:
    asking = Asking()
    first = await asking.begin()
    others = [asking.ask("one"), asking.ask("two", "three")]
    await settle()
    asking.tower.let.set()
    assert await first == (vector("first"),)
    assert await others[0] == (vector("one"),)
    assert await others[1] == (vector("two"), vector("three"))
    assert asking.tower.calls == [["first"], ["one", "two", "three"]]


async def test_a_bad_text_is_told_to_its_own_caller_only() -> None:
    asking = Asking()
    first = await asking.begin()
    others = [asking.ask("one"), asking.ask("bad"), asking.ask("two")]
    await settle()
    asking.tower.let.set()
    await first
    one, bad, two = await asyncio.gather(*others)
    assert (one, two) == ((vector("one"),), (vector("two"),))
    assert [type(outcome) for outcome in bad] == [InvalidArgument]
    assert len(asking.tower.calls) == 2


async def test_a_caller_that_leaves_takes_nothing_from_the_others() -> None:
    asking = Asking()
    first = await asking.begin()
    leaves, stays = asking.ask("leaves"), asking.ask("stays")
    await settle()
    first.cancel()  # also the one whose call is in flight
    leaves.cancel()
    await settle()
    asking.tower.let.set()
    assert await stays == (vector("stays"),)
    assert asking.tower.calls == [["first"], ["stays"]]
    assert first.cancelled()
    assert leaves.cancelled()


async def test_a_deadline_passes_for_its_own_caller_only() -> None:
    asking = Asking()
    first = await asking.begin()
    hurried, patient = asking.ask("hurried", seconds=0.01), asking.ask("patient")
    with pytest.raises(DeadlineExceeded) as passed:
        await hurried
    assert passed.value.reason == "DEADLINE_PASSED"
    asking.tower.let.set()
    assert await first == (vector("first"),)
    assert await patient == (vector("patient"),)


async def test_questions_of_two_spaces_do_not_refuse_each_other() -> None:
    asking = Asking()
    first = await asking.begin()
    here = [asking.ask("one"), asking.ask("two")]
    gone = [asking.ask("three", version="gone"), asking.ask("four", version="gone")]
    await settle()
    asking.tower.let.set()
    await first
    assert await asyncio.gather(*here) == [(vector("one"),), (vector("two"),)]
    refusals = await asyncio.gather(*gone, return_exceptions=True)
    assert [type(refusal) for refusal in refusals] == [FailedPrecondition] * 2
    assert refusals[0] is not refusals[1]
    assert asking.tower.calls == [["first"], ["one", "two"], ["three", "four"]]


async def test_a_long_text_holds_up_nobody() -> None:
    asking = Asking()
    long = asking.ask("long " * 200)
    short = asking.ask("short")
    await settle()
    assert sorted(map(len, asking.tower.calls)) == [1, 1]
    asking.tower.let.set()
    await asyncio.gather(long, short)


async def test_a_call_bears_the_request_id_of_its_first_question() -> None:
    asking = Asking()

    async def named(name: str) -> None:
        logs.request_id.set(name)
        await asking.vectors.of([name], "v", Deadline.after(60))

    tasks = [asyncio.create_task(named("a"))]
    await settle()
    tasks += [asyncio.create_task(named(name)) for name in ("b", "c")]
    await settle()
    asking.tower.let.set()
    await asyncio.gather(*tasks)
    assert asking.tower.request_ids == ["a", "b"]


async def test_closing_cancels_who_waits() -> None:
    asking = Asking()
    first = await asking.begin()
    waiting = asking.ask("waiting")
    await settle()
    await asking.vectors.close()
    await asyncio.gather(first, waiting, return_exceptions=True)
    assert first.cancelled()
    assert waiting.cancelled()
