"""Small reads that are asked for at the same time, made together.

A busy service reads many users at once, and most of the price of a small read is the round trip, on both sides.
`Together` gathers the keys that are asked for in one turn of the event loop, and those that are asked for while
enough reads are under way. Without a crowd nobody waits; every answer is as of after it was asked for. It knows
nothing of stores.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Generic, TypeVar

Answer = TypeVar("Answer")


@dataclass(slots=True, eq=False)
class _Asked(Generic[Answer]):
    """One key, and everybody who waits for its answer."""

    futures: list[asyncio.Future[Answer]] = field(default_factory=list)

    @property
    def wanted(self) -> bool:
        """Whether anybody still waits."""
        return not all(future.done() for future in self.futures)


class Together(Generic[Answer]):
    """Answers for one key each, read for several keys at once. Belongs to one event loop."""

    def __init__(
        self, read: Callable[[list[str]], Awaitable[Mapping[str, Answer]]], *, most: int, beside: int
    ) -> None:
        """Prepare to read.

        Args:
            read: answers for all of some different keys; what it raises, every asker of theirs gets.
            most: keys per read.
            beside: reads under way at the same time; so many slow ones hold up the others.
        """
        self._read = read
        self._most = most
        self._beside = beside
        self._waiting: dict[str, _Asked[Answer]] = {}
        self._reading: dict[asyncio.Task[None], Mapping[str, _Asked[Answer]]] = {}
        self._turning = False

    async def __call__(self, key: str) -> Answer:
        """The answer for a key."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Answer] = loop.create_future()
        self._waiting.setdefault(key, _Asked()).futures.append(future)
        if not self._turning and len(self._reading) < self._beside:
            self._turning = True
            loop.call_soon(self._start)
        try:
            return await future
        except asyncio.CancelledError:
            self._give_up()
            raise

    def _start(self) -> None:
        """Begin as many reads as may be under way."""
        self._turning = False
        while self._waiting and len(self._reading) < self._beside:
            keys = list(self._waiting)[: self._most]
            asked = {key: one for key in keys if (one := self._waiting.pop(key)).wanted}
            if asked:
                self._reading[asyncio.create_task(self._answer(asked))] = asked

    async def _answer(self, asked: Mapping[str, _Asked[Answer]]) -> None:
        """Read, and tell everybody who still waits."""
        try:
            answers = await self._read(list(asked))
            for key, one in asked.items():
                for future in one.futures:
                    if not future.done():
                        future.set_result(answers[key])
        except Exception as exc:
            for one in asked.values():
                for future in one.futures:
                    if not future.done():
                        future.set_exception(exc)
        finally:
            task = asyncio.current_task()
            assert task is not None, "a read runs in a task of its own"
            del self._reading[task]
            self._start()

    def _give_up(self) -> None:
        """End the reads that nobody waits for."""
        for task, asked in self._reading.items():
            if not any(one.wanted for one in asked.values()):
                task.cancel()
