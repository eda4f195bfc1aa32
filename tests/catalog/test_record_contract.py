"""The promises of RecordStore: records one at a time, and everybody hears of changed items."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AbstractAsyncContextManager, aclosing, asynccontextmanager

import pytest

from catalog import mongo_records
from catalog.errors import DataError, StoreError
from catalog.memory import MemoryStore
from catalog.mongo import MongoStore
from catalog.mongo_live import MongoLiveStore
from catalog.records import Interaction, Item, User
from catalog.store import CatalogStore, LiveStore, StoredItem, Told
from tests.patience import PATIENCE, eventually_here

Open = Callable[[], AbstractAsyncContextManager[LiveStore]]
FULL = Item("7/é", "Sevén", "text 🎬", "data:,x", {"genres": ("War", "Drama"), "year": 1995.0}, False)


@pytest.fixture(
    params=[
        "memory",
        pytest.param("change stream", marks=pytest.mark.mongo),
        pytest.param("polling", marks=pytest.mark.mongo),
    ]
)
def stores(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> Iterator[tuple[CatalogStore, Open]]:
    """A store, and a way to open the live store over the same records."""
    if request.param == "memory":
        memory = MemoryStore()

        @asynccontextmanager
        async def live_memory() -> AsyncIterator[LiveStore]:
            yield memory.live()

        yield memory, live_memory
        return
    if request.param == "polling":

        async def none(_: object) -> None:
            """What a server that stands alone answers."""

        monkeypatch.setattr(mongo_records, "_change_stream", none)
        monkeypatch.setattr(mongo_records, "POLL_SECONDS", 0.02)
    uri, database = request.getfixturevalue("mongo_uri"), request.getfixturevalue("mongo_database")
    with MongoStore.open(uri, database) as mongo:
        yield mongo, lambda: MongoLiveStore.open(uri, database)


def run(stores: tuple[CatalogStore, Open], story: Callable[[LiveStore], Awaitable[None]]) -> None:
    async def tell() -> None:
        async with stores[1]() as live:
            await story(live)

    asyncio.run(tell())


def test_an_item_is_written_and_read_back(stores: tuple[CatalogStore, Open]) -> None:
    async def story(live: LiveStore) -> None:
        assert await live.item("7/é") is None
        before = time.time()
        stored = await live.put_item(FULL)
        assert stored is not None
        assert stored.item == FULL
        assert before <= stored.updated <= time.time()
        assert await live.item("7/é") == stored
        again = await live.put_item(FULL)
        assert again is not None
        assert again.updated > stored.updated
        with pytest.raises(DataError, match="feature name"):
            await live.put_item(Item("x", features={"$set": "x"}))

    run(stores, story)
    assert list(stores[0].items()) == [FULL]


def test_many_records_tell_their_texts_and_where_pictures_are(stores: tuple[CatalogStore, Open]) -> None:
    """Only what is on the web has an address: not a picture in the record, a file of the import, or none."""
    pictures = ["https://x.example/ü.jpg", "data:image/png;base64,AA==", "posters/1.jpg", "ü", None]
    stores[0].put_items([Item(f"p{i}", "t", f"text {i}", image) for i, image in enumerate(pictures)])

    async def story(live: LiveStore) -> None:
        told = await live.told(["p4", "p0", "nobody", "p1", "p2", "p3"])
        assert told == {f"p{i}": Told(f"text {i}", pictures[0] if i == 0 else None) for i in range(5)}
        assert await live.told([]) == {}

    run(stores, story)


def test_a_deleted_item_is_kept_aside(stores: tuple[CatalogStore, Open]) -> None:
    async def story(live: LiveStore) -> None:
        await live.put_item(FULL)
        gone = await live.put_item(FULL, deleted=True)
        assert gone is not None
        assert gone.deleted
        assert await live.item("7/é") == gone
        back = await live.put_item(FULL)
        assert back is not None
        assert await live.item("7/é") == back
        assert not back.deleted
        await live.put_item(FULL, deleted=True)

    run(stores, story)
    assert list(stores[0].items()) == [FULL], "training still learns from what users did with it"
    assert stores[0].put_items([FULL]).updated == 1, "an import that has it brings it back"


def test_of_two_who_change_the_same_version_one_loses(stores: tuple[CatalogStore, Open]) -> None:
    async def story(live: LiveStore) -> None:
        first = await live.put_item(Item("1", "one"))
        assert first is not None
        assert await live.put_item(Item("1", "two"), over=first.updated) is not None
        assert await live.put_item(Item("1", "three"), over=first.updated) is None
        assert await live.put_item(Item("2"), over=first.updated) is None
        assert await live.item("2") is None
        found = await live.item("1")
        assert found is not None
        assert found.item.title == "two"

    run(stores, story)


def test_users_are_written_and_forgotten_with_all_they_did(stores: tuple[CatalogStore, Open]) -> None:
    async def story(live: LiveStore) -> None:
        assert await live.put_user(User("a/b", {"age": 3.0}))
        assert not await live.put_user(User("a/b", {"age": 4.0, "job": "cook"}))
        assert await live.user("a/b") == User("a/b", {"age": 4.0, "job": "cook"})
        await live.append(
            [Interaction(who, "x", "view", at) for who in ("a/b", "other") for at in (1.0, 2.0)]
        )
        assert await live.forget_user("a/b") == (True, 2)
        assert await live.forget_user("a/b") == (False, 0)
        assert await live.user("a/b") is None
        assert await live.recent("a/b", 9) == []
        assert len(await live.recent("other", 9)) == 2

    run(stores, story)


class Listener:
    """Hears the changes of items in a task of its own."""

    def __init__(self, live: LiveStore, since: float) -> None:
        self.heard: dict[str, list[StoredItem]] = {}
        self.caught_up = asyncio.Event()
        self._task = asyncio.create_task(self._listen(live, since))

    async def _listen(self, live: LiveStore, since: float) -> None:
        async with aclosing(live.watch_items(since)) as changes:  # type: ignore[type-var]
            async for batch in changes:
                for stored in batch:
                    self.heard.setdefault(stored.item.item_id, []).append(stored)
                if not batch:
                    self.caught_up.set()

    async def until(self, name: str, title: str) -> None:
        """Wait until a title was heard."""

        def heard() -> bool:
            assert not self._task.done(), self._task
            return any(stored.item.title == title for stored in self.heard.get(name, []))

        await eventually_here(heard)

    async def ended(self) -> None:
        """Wait until there is nothing to hear any more."""
        await eventually_here(self._task.done)

    async def close(self) -> None:
        while not self._task.done():  # the driver's use of `wait_for` may swallow one (Python 3.11)
            self._task.cancel()
            await asyncio.wait([self._task], timeout=0.2)


def test_everybody_hears_of_changed_items(stores: tuple[CatalogStore, Open]) -> None:
    """Those of before the listening began, then those of another process as they come, the deleted too."""
    stores[0].put_items([Item("early", "early")])

    async def story(live: LiveStore) -> None:
        async with stores[1]() as other:
            listener = Listener(live, time.time() - PATIENCE)
            await asyncio.wait_for(listener.caught_up.wait(), PATIENCE)
            assert [one.item.title for one in listener.heard["early"]] == ["early"]
            for title in ("one", "two", "🎬"):
                stored = await other.put_item(Item("new", title))
                await listener.until("new", title)
                assert listener.heard["new"][-1] == stored
            await other.put_item(Item("new", "gone"), deleted=True)
            await listener.until("new", "gone")
            assert listener.heard["new"][-1].deleted
            stores[0].put_items([Item("imported", "by a job")])
            await listener.until("imported", "by a job")
            await listener.close()

    run(stores, story)


def test_only_what_changed_since_is_told(
    stores: tuple[CatalogStore, Open], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mongo_records, "OVERLAP_SECONDS", 0.0)
    stores[0].put_items([Item("old")])
    time.sleep(0.02)
    since = time.time()
    stores[0].put_items([Item(f"n{i}") for i in range(120)])

    async def story(live: LiveStore) -> None:
        listener = Listener(live, since)
        await asyncio.wait_for(listener.caught_up.wait(), PATIENCE)
        assert sorted(listener.heard) == sorted(f"n{i}" for i in range(120))
        await listener.close()

    run(stores, story)


@pytest.mark.mongo
def test_an_item_removed_by_hand_is_told_as_deleted(mongo_uri: str, mongo_database: str) -> None:
    async def story() -> None:
        async with MongoLiveStore.open(mongo_uri, mongo_database) as live:
            await live.put_item(Item("x", "there"))
            listener = Listener(live, time.time() - PATIENCE)
            await listener.until("x", "there")
            await live.database["items"].delete_one({"_id": "x"})
            await listener.until("x", "")
            assert listener.heard["x"][-1].deleted
            assert not listener.heard["x"][-1].item.available
            await live.database["items"].drop()
            await listener.ended()  # to be started again

    asyncio.run(story())


@pytest.mark.mongo
def test_an_absent_server_is_a_store_error() -> None:
    async def story() -> None:
        async with MongoLiveStore.open("mongodb://127.0.0.1:9", "x", 50) as live:
            with pytest.raises(StoreError, match="reading an item"):
                await live.item("x")
            with pytest.raises(StoreError, match="writing an item"):
                await live.put_item(FULL)
            with pytest.raises(StoreError, match="following the items"):
                await anext(live.watch_items(0))
            with pytest.raises(StoreError, match="forgetting"):
                await live.forget_user("x")

    asyncio.run(story())
