"""What is known of a user right now: the record and the latest events, as rows of the open bundle.

`GuardedStore` stands between requests and MongoDB: no request waits longer than its time, and after a failure
the store is left alone for a moment, so that an outage costs one slow request and not all of them.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Sequence
from itertools import repeat
from typing import Any, TypeVar

import numpy as np

from bundle.reader import Bundle
from catalog.errors import StoreError
from catalog.records import History, Interaction, User, UserId
from catalog.store import EventColumns, LiveStore, Written
from serving.pipeline import UserState

log = logging.getLogger(__name__)
Answer = TypeVar("Answer")
REMEMBERED = 20_000
"""Users whose records are kept."""


class GuardedStore:
    """A LiveStore whose every call ends in time, with an answer or with StoreError."""

    def __init__(
        self, store: LiveStore, *, read_seconds: float, write_seconds: float, retry_seconds: float,
        user_seconds: float = 0.0,
    ) -> None:  # fmt: skip
        """Guard a store.

        Args:
            store: the real one.
            read_seconds: longest wait for a read, write_seconds for a write.
            retry_seconds: how long calls fail at once after one failed.
            user_seconds: how long a user's record is remembered; events are always read.
        """
        self._store = store
        self._read_seconds = read_seconds
        self._write_seconds = write_seconds
        self._retry_seconds = retry_seconds
        self._user_seconds = user_seconds
        self._closed_until = 0.0
        self._users: dict[str, tuple[float, User | None]] = {}

    @property
    def resting(self) -> float:
        """Seconds until the store is asked again; 0 while it works."""
        return max(0.0, self._closed_until - time.monotonic())

    async def user(self, user_id: str) -> User | None:
        """The user's record as of at most `user_seconds` ago, or None."""
        known = self._users.get(user_id)
        now = time.monotonic()
        if known is not None and known[0] > now:
            return known[1]
        user = await self._within(self._read_seconds, self._store.user, user_id)
        if self._user_seconds:
            if len(self._users) >= REMEMBERED:
                self._users.clear()
            self._users[user_id] = (now + self._user_seconds, user)
        return user

    async def recent(
        self, user_id: str, limit: int, before: float | None = None, since: float | None = None
    ) -> list[Interaction]:
        """The user's latest events, oldest first."""
        return await self._within(self._read_seconds, self._store.recent, user_id, limit, before, since)

    async def columns(self, user_id: str, limit: int, before: float | None = None) -> EventColumns:
        """The same in columns."""
        return await self._within(self._read_seconds, self._store.columns, user_id, limit, before)

    async def append(self, interactions: Sequence[Interaction]) -> Written:
        """Durably add events."""
        return await self._within(self._write_seconds, self._store.append, interactions)

    async def ping(self) -> None:
        """Return if the store answers."""
        await self._within(self._read_seconds, self._store.ping)

    async def _within(
        self, seconds: float, call: Callable[..., Awaitable[Answer]], *arguments: Any
    ) -> Answer:
        if self._closed_until and self.resting:
            raise StoreError(f"MongoDB failed a moment ago and is asked again in {self.resting:.1f} s")
        try:
            async with asyncio.timeout(seconds):
                answer = await call(*arguments)
        except TimeoutError as exc:
            self._rest(f"no answer within {seconds} s")
            raise StoreError(
                f"expected an answer of MongoDB within {seconds} s, none came; is it up?"
            ) from exc
        except StoreError as exc:
            self._rest(str(exc))
            raise
        self._closed_until = 0.0
        return answer

    def _rest(self, reason: str) -> None:
        log.warning("MongoDB is left alone for %.1f s: %s", self._retry_seconds, reason)
        self._closed_until = time.monotonic() + self._retry_seconds


async def load_state(
    store: GuardedStore, bundle: Bundle, user_id: str, limit: int, before: float | None = None
) -> UserState:
    """The user's state, of events strictly before a moment where one is given.

    Raises:
        StoreError: the store does not answer; `stranger` is what is known then.
    """
    user = await store.user(user_id)
    history = to_history(bundle, await store.columns(user_id, limit, before))
    return UserState(user or User(UserId(user_id)), history, history.rows)


def stranger(user_id: str) -> UserState:
    """A user of whom the store says nothing; an id embedding in the bundle still counts."""
    return UserState(User(UserId(user_id)), History.empty(), np.zeros(0, np.int64))


def to_history(bundle: Bundle, events: EventColumns) -> History:
    """Events as arrays; those on items or of types that the bundle does not know are left out."""
    rows = bundle.items.rows(events.items)
    codes = {name: code for code, name in enumerate(bundle.manifest.dataset_schema.interactions, start=1)}
    types = np.fromiter(map(codes.get, events.types, repeat(0)), np.int64, len(events.types))
    # None becomes NaN.
    values = np.array(events.values, np.float32)
    times = np.array(events.times, np.float64)
    known = (rows >= 0) & (types > 0)
    if not known.all():
        rows, types, values, times = rows[known], types[known], values[known], times[known]
    return History(rows, types, values, times)
