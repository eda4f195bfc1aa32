"""What is known of a user right now: the record and the latest events, first by id, then as rows of a catalogue.

`GuardedStore` stands between requests and MongoDB: no request waits longer than its time, and after a failure
the store is left alone for a moment, so that an outage costs one slow request and not all of them.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import repeat
from typing import Any, TypeVar

import numpy as np

from catalog.errors import StoreError
from catalog.records import History, Interaction, Item, User, UserId
from catalog.schema import DatasetSchema
from catalog.store import EventColumns, LiveStore, News, StoredItem, Told, Written
from serving.names import Names
from serving.recommend.query import UserState

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

    def check(self) -> None:
        """StoreError while the store is left alone."""
        if self._closed_until and self.resting:
            raise StoreError(f"MongoDB failed a moment ago and is asked again in {self.resting:.1f} s")

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

    async def news(self, since: int, limit: int) -> News:
        """Live events of all users at or after a moment, the earliest first.

        Nobody waits for these, so their failing is no reason to leave the store alone.
        """
        self.check()
        try:
            async with asyncio.timeout(self._read_seconds):
                return await self._store.news(since, limit)
        except TimeoutError as exc:
            raise StoreError(f"expected the latest events within {self._read_seconds} s, none came") from exc

    async def append(self, interactions: Sequence[Interaction]) -> Written:
        """Durably add events."""
        return await self._within(self._write_seconds, self._store.append, interactions)

    async def item(self, item_id: str) -> StoredItem | None:
        """An item's record."""
        return await self._within(self._read_seconds, self._store.item, item_id)

    async def told(self, item_ids: Sequence[str]) -> dict[str, Told]:
        """Texts and addresses of pictures of many items, by id."""
        return await self._within(self._read_seconds, self._store.told, item_ids)

    async def put_item(
        self, item: Item, *, deleted: bool = False, over: float | None = None
    ) -> StoredItem | None:
        """Durably insert or replace an item."""
        put = partial(self._store.put_item, deleted=deleted, over=over)
        return await self._within(self._write_seconds, put, item)

    def watch_items(self, since: float) -> AsyncIterator[list[StoredItem]]:
        """Items that change; waiting for a change is no failure, so nothing bounds it."""
        return self._store.watch_items(since)

    async def put_user(self, user: User) -> bool:
        """Durably insert or replace a user, and remember no earlier record."""
        created = await self._within(self._write_seconds, self._store.put_user, user)
        self._users.pop(user.user_id, None)
        return created

    async def forget_user(self, user_id: str) -> tuple[bool, int]:
        """Durably remove a user and their events."""
        forgotten = await self._within(self._write_seconds, self._store.forget_user, user_id)
        self._users.pop(user_id, None)
        return forgotten

    async def ping(self) -> None:
        """Return if the store answers."""
        await self._within(self._read_seconds, self._store.ping)

    async def _within(
        self, seconds: float, call: Callable[..., Awaitable[Answer]], *arguments: Any
    ) -> Answer:
        self.check()
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


@dataclass(frozen=True, slots=True)
class Known:
    """What the store says of a user."""

    user: User
    events: EventColumns
    failed: tuple[str, ...] = ()
    """`("store",)` where it said nothing, because it did not answer."""

    def state(self, ids: Names, schema: DatasetSchema) -> UserState:
        """The same in rows of a catalogue as it is now."""
        history = to_history(ids, schema, self.events)
        return UserState(self.user, history, history.rows)


async def load(store: GuardedStore, user_id: str, limit: int, before: float | None = None) -> Known:
    """A user's record and latest events, strictly before a moment where one is given.

    Raises:
        StoreError: the store does not answer; `stranger` is what is known then.
    """
    user = await store.user(user_id)
    return Known(user or User(UserId(user_id)), await store.columns(user_id, limit, before))


def stranger(user_id: str) -> Known:
    """A user of whom the store says nothing; an id embedding in the bundle still counts."""
    return Known(User(UserId(user_id)), EventColumns([], [], [], []), ("store",))


def to_history(ids: Names, schema: DatasetSchema, events: EventColumns) -> History:
    """Events as arrays; those on items that are not in the catalogue or of types not declared are left out."""
    rows = ids.rows(events.items)
    codes = {name: code for code, name in enumerate(schema.interactions, start=1)}
    types = np.fromiter(map(codes.get, events.types, repeat(0)), np.int64, len(events.types))
    # None becomes NaN.
    values = np.array(events.values, np.float32)
    times = np.array(events.times, np.float64)
    known = (rows >= 0) & (types > 0)
    if not known.all():
        rows, types, values, times = rows[known], types[known], values[known], times[known]
    return History(rows, types, values, times)
