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
from functools import partial
from itertools import islice
from typing import Generic, TypeVar

Answer = TypeVar("Answer")
PATIENCE = 0.02
"""Seconds after which a read under way holds up no other any more."""


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
            beside: reads under way at the same time, not counting those that take longer than PATIENCE.
        """
        self._read = read
        self._most = most
        self._beside = beside
        self._waiting: dict[str, _Asked[Answer]] = {}
        self._reading: dict[asyncio.Task[None], Mapping[str, _Asked[Answer]]] = {}
        self._slow: set[asyncio.Task[None]] = set()
        self._turning = False

    async def __call__(self, key: str) -> Answer:
        """The answer for a key."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Answer] = loop.create_future()
        self._waiting.setdefault(key, _Asked()).futures.append(future)
        if not self._turning and self._room:
            self._turning = True
            loop.call_soon(self._start)
        try:
            return await future
        except asyncio.CancelledError:
            self._give_up()
            raise

    @property
    def _room(self) -> bool:
        return len(self._reading) - len(self._slow) < self._beside

    def _start(self) -> None:
        """Begin as many reads as may be under way."""
        self._turning = False
        while self._waiting and self._room:
            keys = list(islice(self._waiting, self._most))
            asked = {key: one for key in keys if (one := self._waiting.pop(key)).wanted}
            if asked:
                task = asyncio.create_task(self._answer(asked))
                self._reading[task] = asked
                patience = task.get_loop().call_later(PATIENCE, self._overtake, task)
                # Not at the end of the task itself: one that is given up before its first step has no end.
                task.add_done_callback(partial(self._finish, patience))

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

    def _finish(self, patience: asyncio.TimerHandle, task: asyncio.Task[None]) -> None:
        """Make room for the next read."""
        patience.cancel()
        del self._reading[task]
        self._slow.discard(task)
        self._start()

    def _overtake(self, task: asyncio.Task[None]) -> None:
        """Let others begin beside a read that takes long."""
        self._slow.add(task)
        self._start()

    def _give_up(self) -> None:
        """End the reads that nobody waits for."""
        for task, asked in self._reading.items():
            if not any(one.wanted for one in asked.values()):
                task.cancel()
