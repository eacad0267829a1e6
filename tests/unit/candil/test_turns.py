"""Turns at the decoder: who floods waits behind themselves, and is told to come back."""

import asyncio

import pytest

from candil.decoding.aio.turns import IN_LINE, IN_LINE_OF_SENDER, Turns
from candil.errors import TooMany


class Queue:
    """People with work in a line; each step lets what can move, move."""

    def __init__(self, at_once: int = 2) -> None:
        self.turns = Turns(at_once)
        self.working: list[str] = []
        self.refused: list[str] = []
        self._done: dict[str, asyncio.Event] = {}
        self._tasks: list[asyncio.Task[None]] = []

    async def come(self, sender: str, work: str) -> None:
        self._done[work] = asyncio.Event()
        self._tasks.append(asyncio.create_task(self._work(sender, work)))
        await self.settle()

    async def finish(self, work: str) -> None:
        self._done[work].set()
        await self.settle()

    async def settle(self) -> None:
        for _ in range(20):
            await asyncio.sleep(0)

    async def _work(self, sender: str, work: str) -> None:
        try:
            async with self.turns.of(sender):
                self.working.append(work)
                await self._done[work].wait()
                self.working.remove(work)
        except TooMany:
            self.refused.append(work)


async def test_one_of_each_sender_at_a_time_and_a_few_of_all() -> None:
    queue = Queue()
    for work in ("a1", "a2", "b1", "c1"):
        await queue.come(work[0], work)
    assert queue.working == ["a1", "b1"]
    await queue.finish("a1")
    assert queue.working == ["b1", "c1"], "the flood of a waits behind everybody else"
    await queue.finish("b1")
    assert queue.working == ["c1", "a2"]
    await queue.finish("c1")
    await queue.finish("a2")
    await queue.come("a", "a3")
    assert queue.working == ["a3"]
    await queue.finish("a3")


async def test_who_has_enough_in_line_is_told_to_come_back() -> None:
    queue = Queue()
    for number in range(IN_LINE_OF_SENDER + 3):
        await queue.come("a", f"a{number}")
    assert queue.refused == [f"a{IN_LINE_OF_SENDER + number}" for number in range(3)]
    await queue.come("b", "b0")
    assert queue.working == ["a0", "b0"]
    for number in range(IN_LINE_OF_SENDER):
        await queue.finish(f"a{number}")
    await queue.finish("b0")
    assert queue.working == []


async def test_the_whole_line_is_bounded() -> None:
    queue = Queue()
    for number in range(IN_LINE + 1):
        await queue.come(f"s{number}", f"w{number}")
    assert queue.refused == [f"w{IN_LINE}"]
    for number in range(IN_LINE):
        await queue.finish(f"w{number}")
    assert queue.working == []


async def test_who_fails_or_goes_away_leaves_the_line() -> None:
    turns = Turns(at_once=1)
    with pytest.raises(RuntimeError):
        async with turns.of("a"):
            raise RuntimeError
    waiting = asyncio.create_task(_hold(turns))
    await asyncio.sleep(0)
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    async with asyncio.timeout(1), turns.of("b"):
        pass


async def _hold(turns: Turns) -> None:
    async with turns.of("a"):
        await asyncio.Event().wait()
