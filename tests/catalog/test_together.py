"""Together: crowds share reads, strangers do not wait, and nobody is lost."""

import asyncio
from collections.abc import Coroutine
from typing import Any

import pytest

from catalog import together
from catalog.errors import StoreError
from catalog.together import Together
from tests.patience import PATIENCE, eventually_here


class Source:
    """Answers keys in capitals, notes what it was asked, and holds answers back while its gate is closed."""

    def __init__(self) -> None:
        self.asked: list[list[str]] = []
        self.given_up: list[list[str]] = []
        self.gate = asyncio.Event()
        self.gate.set()

    async def read(self, keys: list[str]) -> dict[str, str]:
        self.asked.append(keys)
        try:
            await self.gate.wait()
        except asyncio.CancelledError:
            self.given_up.append(keys)
            raise
        if "bad" in keys:
            raise StoreError("it broke")
        return {key: key.upper() for key in keys}


def run(story: Coroutine[Any, Any, None]) -> None:
    asyncio.run(asyncio.wait_for(story, PATIENCE))


async def turns(count: int = 5) -> None:
    """Let everybody go on who can, so many times."""
    for _ in range(count):
        await asyncio.sleep(0)


@pytest.fixture(autouse=True)
def nobody_overtakes(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine that pauses for longer than a read may take without being overtaken is no story's own."""
    monkeypatch.setattr(together, "PATIENCE", 2 * PATIENCE)


def test_one_turn_of_the_loop_is_one_read() -> None:
    async def story() -> None:
        source = Source()
        ask = Together(source.read, most=8, beside=1)
        assert await asyncio.gather(ask("a"), ask("b"), ask("a")) == ["A", "B", "A"]
        assert source.asked == [["a", "b"]]
        assert await ask("a") == "A", "an answer is not kept"
        assert source.asked == [["a", "b"], ["a"]]

    run(story())


def test_reads_are_bounded_in_size_and_number() -> None:
    async def story() -> None:
        source = Source()
        source.gate.clear()
        ask = Together(source.read, most=2, beside=2)
        asking = asyncio.gather(*(ask(key) for key in "abcdefg"))
        await turns()
        assert source.asked == [["a", "b"], ["c", "d"]], "the others wait for one of the two to end"
        source.gate.set()
        assert await asking == list("ABCDEFG")
        assert [len(keys) for keys in source.asked] == [2, 2, 2, 1]

    run(story())


def test_slow_reads_hold_up_nobody_for_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(together, "PATIENCE", 0.02)

    async def story() -> None:
        source = Source()
        source.gate.clear()
        ask = Together(source.read, most=1, beside=2)
        slow = [asyncio.create_task(ask(key)) for key in "abcde"]
        while not source.asked:
            await turns(1)
        assert source.asked == [["a"], ["b"]]
        await eventually_here(lambda: source.asked == [["a"], ["b"], ["c"], ["d"], ["e"]])
        monkeypatch.setattr(together, "PATIENCE", 2 * PATIENCE)
        source.gate.set()
        assert await asyncio.gather(*slow) == list("ABCDE")
        source.gate.clear()
        again = [asyncio.create_task(ask(key)) for key in "abc"]
        await turns()
        assert len(source.asked) == 7, "after them the bound is as before"
        source.gate.set()
        await asyncio.gather(*again)

    run(story())


def test_a_key_asked_for_during_its_read_is_read_again() -> None:
    """What was written between the two is in the second answer."""

    async def story() -> None:
        source = Source()
        source.gate.clear()
        ask = Together(source.read, most=4, beside=2)
        first = asyncio.create_task(ask("a"))
        await turns()
        second = asyncio.create_task(ask("a"))
        await turns()
        assert source.asked == [["a"], ["a"]]
        source.gate.set()
        assert [await first, await second] == ["A", "A"]

    run(story())


def test_an_error_reaches_all_who_share_the_read_and_nobody_else() -> None:
    async def story() -> None:
        source = Source()
        ask = Together(source.read, most=2, beside=1)
        found = await asyncio.gather(ask("a"), ask("bad"), ask("c"), return_exceptions=True)
        assert [type(one) for one in found] == [StoreError, StoreError, str]
        assert await ask("a") == "A", "the next read is a new one"

    run(story())


def test_who_gives_up_takes_nobody_along() -> None:
    async def story() -> None:
        source = Source()
        source.gate.clear()
        ask = Together(source.read, most=4, beside=1)
        patient = asyncio.create_task(ask("a"))
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.01):
                await ask("b")
        assert source.given_up == []
        source.gate.set()
        assert await patient == "A"

    run(story())


def test_a_read_that_all_gave_up_ends_and_makes_room() -> None:
    async def story() -> None:
        source = Source()
        source.gate.clear()
        ask = Together(source.read, most=1, beside=1)
        tasks = [asyncio.create_task(ask(key)) for key in "abc"]
        await turns()
        tasks[0].cancel()
        tasks[1].cancel()
        await turns()
        assert source.given_up == [["a"]]
        assert source.asked == [["a"], ["c"]], "nobody waits for b any more"
        source.gate.set()
        assert await tasks[2] == "C"

    run(story())


def test_reads_given_up_before_they_began_make_room() -> None:
    async def story() -> None:
        for turns in range(6):  # of the loop, between asking and giving up
            source = Source()
            source.gate.clear()
            ask = Together(source.read, most=1, beside=1)
            task = asyncio.create_task(ask("a"))
            for _ in range(turns):
                await asyncio.sleep(0)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            source.gate.set()
            assert await ask("b") == "B"

    run(story())
