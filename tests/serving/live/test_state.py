"""The guard in front of the store: bounded waits, a pause after failures, and answers without it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from bundle.reader import Bundle
from catalog.errors import StoreError
from catalog.memory import MemoryStore
from catalog.records import Interaction, Item, ItemId, User, UserId
from catalog.store import EventColumns, StoredItem, Written
from serving.live import state
from serving.live.state import GuardedStore, load, to_history
from serving.names import Names
from serving.recommend.query import UserState
from serving.settings import Settings
from tests.serving.conftest import client_of, event


class Switchable:
    """A store in memory that can hang, fail, and count how often it was asked."""

    def __init__(self, store: MemoryStore) -> None:
        self.inner = store.live()
        self.mode = "works"
        self.asked = 0

    async def _ask(self) -> None:
        self.asked += 1
        if self.mode == "hangs":
            await asyncio.Event().wait()
        if self.mode == "fails":
            raise StoreError("no MongoDB server answered")

    async def user(self, user_id: str) -> User | None:
        await self._ask()
        return await self.inner.user(user_id)

    async def recent(
        self, user_id: str, limit: int, before: float | None = None, since: float | None = None
    ) -> list[Interaction]:
        await self._ask()
        return await self.inner.recent(user_id, limit, before, since)

    async def columns(self, user_id: str, limit: int, before: float | None = None) -> EventColumns:
        await self._ask()
        return await self.inner.columns(user_id, limit, before)

    async def append(self, interactions: Iterable[Interaction]) -> Written:
        await self._ask()
        return await self.inner.append(interactions)

    async def item(self, item_id: str) -> StoredItem | None:
        await self._ask()
        return await self.inner.item(item_id)

    async def put_item(
        self, item: Item, *, deleted: bool = False, over: float | None = None
    ) -> StoredItem | None:
        await self._ask()
        return await self.inner.put_item(item, deleted=deleted, over=over)

    async def put_user(self, user: User) -> bool:
        await self._ask()
        return await self.inner.put_user(user)

    async def forget_user(self, user_id: str) -> tuple[bool, int]:
        await self._ask()
        return await self.inner.forget_user(user_id)

    async def watch_items(self, since: float) -> AsyncIterator[list[StoredItem]]:
        if self.mode != "works":
            raise StoreError("no MongoDB server answered")
        async for batch in self.inner.watch_items(since):
            yield batch

    async def ping(self) -> None:
        await self._ask()


@dataclass
class Clock:
    """What the guard takes for the time: it stands still until it is told to go on."""

    now: float = 100.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(state, "time", clock)
    return clock


@pytest.fixture
def switch(store: MemoryStore) -> Switchable:
    return Switchable(store)


def guard(switch: Switchable, **more: float) -> GuardedStore:
    seconds = {"read_seconds": 0.1, "write_seconds": 0.2, "retry_seconds": 0.3, **more}
    return GuardedStore(switch, **seconds)


@pytest.mark.parametrize("mode", ["hangs", "fails"])
def test_an_outage_costs_one_slow_call_and_ends_by_itself(
    switch: Switchable, clock: Clock, mode: str
) -> None:
    async def story() -> None:
        guarded = guard(switch)
        switch.mode = mode
        with pytest.raises(StoreError, match="within" if mode == "hangs" else "no MongoDB"):
            await guarded.recent("u1", 10)  # which ends, as what hangs never does
        for _ in range(100):
            with pytest.raises(StoreError, match="asked again in"):
                await guarded.append([])
        assert switch.asked == 1, "the others wait for nothing"
        switch.mode = "works"
        clock.now += 0.35
        assert len(await guarded.recent("u1", 10)) == 4
        assert guarded.resting == 0

    asyncio.run(story())


def test_a_user_who_changes_is_read_anew(switch: Switchable) -> None:
    async def story() -> None:
        guarded = guard(switch, user_seconds=60)
        assert (await guarded.user("u1")) == User(UserId("u1"), {"age": 21.0, "job": "cook"})
        assert not await guarded.put_user(User(UserId("u1"), {"age": 22.0}))
        assert (await guarded.user("u1")) == User(UserId("u1"), {"age": 22.0})
        assert await guarded.forget_user("u1") == (True, 4)
        assert await guarded.user("u1") is None

    asyncio.run(story())


def test_records_are_remembered_for_a_while_and_events_never(switch: Switchable, clock: Clock) -> None:
    async def story() -> None:
        guarded = guard(switch, user_seconds=0.2)
        for _ in range(5):
            assert await guarded.user("u1") is not None
            assert await guarded.user("nobody") is None
        assert switch.asked == 2
        clock.now += 0.25
        await guarded.user("u1")
        assert switch.asked == 3
        for expected in (4, 5):
            await guarded.recent("u1", 10)
            assert switch.asked == expected

    asyncio.run(story())


def test_a_state_is_the_record_and_the_known_events_in_order(switch: Switchable, bundle: Bundle) -> None:
    odd = [
        Interaction(UserId("u1"), ItemId("not in the bundle"), "click", 5000.0),
        Interaction(UserId("u1"), ItemId("i2"), "a type of tomorrow", 5001.0),
        event("u1", 3, 2500.0, "click"),
    ]

    schema = bundle.manifest.dataset_schema

    async def load_state(user: str, limit: int, before: float | None = None) -> UserState:
        return (await load(guard(switch), user, limit, before)).state(Names(bundle.items), schema)

    async def story() -> None:
        await switch.append(odd)
        state = await load_state("u1", 1000)
        assert state.user is not None
        assert state.user.features == {"age": 21.0, "job": "cook"}
        assert state.history.rows.tolist() == [1, 5, 3, 9, 13] == state.seen.tolist()
        assert state.history.types.tolist() == [1, 1, 2, 1, 1]
        np.testing.assert_array_equal(state.history.values, np.array([5, 5, np.nan, 5, 5], np.float32))
        assert state.history.times.tolist() == [1000, 2000, 2500, 3000, 4000]
        earlier = await load_state("u1", 1000, before=3000)
        assert earlier.history.rows.tolist() == [1, 5, 3]
        assert (await load_state("u1", 3)).history.rows.tolist() == [13]
        nobody = await load_state("nobody", 10)
        assert (nobody.user, len(nobody.history)) == (User(UserId("nobody")), 0)

    asyncio.run(story())
    assert len(to_history(Names(bundle.items), schema, EventColumns([], [], [], []))) == 0


class TestDegradedService:
    """Without the store: reads from the bundle alone, marked; writes refused with a time to come back."""

    @pytest.mark.parametrize("mode", ["hangs", "fails"])
    def test_the_ladder(self, bundle_path: Path, switch: Switchable, clock: Clock, mode: str) -> None:
        settings = Settings(
            bundle=bundle_path, read_seconds=0.2, write_seconds=0.2, retry_seconds=0.3, user_seconds=0
        )
        with client_of(settings, switch) as client:
            assert client.get("/v1/users/u1/recommendations").json()["degraded"] is False
            switch.mode, switch.asked = mode, 0
            for _ in range(20):
                answer = client.get("/v1/users/u1/recommendations")
                body = answer.json()
                assert (answer.status_code, body["degraded"]) == (200, True)
                assert body["degraded_reason"] == ["store"]
                assert len(body["items"]) == 10
            assert switch.asked == 1, "the first of twenty reads waits, and no other"
            rank = client.post("/v1/rank", json={"user_id": "u1", "candidates": ["i1", "zz"]})
            assert (rank.status_code, rank.json()["degraded"]) == (200, True)
            click = {"user_id": "u1", "item_id": "i1", "type": "click"}
            for refused in (
                client.post("/v1/interactions", json=click),
                client.get("/v1/users/u1/interactions"),
                client.post("/v1/items", json={"item_id": "new", "title": "New"}),
                client.delete("/v1/items/i1"),
                client.get("/v1/items/i1"),
                client.put("/v1/users/u1", json={}),
                client.delete("/v1/users/u1"),
            ):
                assert (refused.status_code, refused.headers["content-type"]) == (
                    503,
                    "application/problem+json",
                )
                assert int(refused.headers["retry-after"]) >= 1
            assert client.get("/v1/items/i1/similar").status_code == 200
            assert client.get("/v1/search?q=film").json()["items"]
            ready = client.get("/health/ready")
            assert (ready.status_code, ready.json()["store"]) == (200, "down")
            switch.mode = "works"
            clock.now += 0.35
            assert client.post("/v1/interactions", json=click).status_code == 200
            assert client.get("/v1/users/u1/recommendations").json()["degraded"] is False
