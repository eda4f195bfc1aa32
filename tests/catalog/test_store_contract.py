"""The promises of CatalogStore and LiveStore, kept by every implementation."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import replace

import numpy as np
import pytest

from catalog.errors import DataError
from catalog.memory import MemoryStore
from catalog.mongo import MongoStore
from catalog.mongo_live import MongoLiveStore
from catalog.records import BadRow, IdMap, Interaction, Item, User
from catalog.schema import DatasetSchema, Feature, InteractionType
from catalog.store import CatalogStore, Counts, EventColumns, LiveStore, Written

SCHEMA = DatasetSchema(
    name="tiny",
    items={"genres": Feature(kind="multi")},
    interactions={"rating": InteractionType(value=True, minimum=1, maximum=5), "view": InteractionType()},
)
ODD_IDS = [
    "plain", " leading", "trailing ", "with space", "sl/ash", "back\\slash", "quo\"te'", "$dollar", "do.t",
    "🎬", "é", "e\u0301", "a\tb\nc", "null", "0", "-1", "ø" * 512, "\ufeff", "%2F", "<b>",
]  # fmt: skip
REFUSED_IDS = ["", "nul\0", "\ud800", "x" * 1025]

BothStores = tuple[CatalogStore, Callable[[], AbstractAsyncContextManager[LiveStore]]]


@pytest.fixture(params=["memory", pytest.param("mongo", marks=pytest.mark.mongo)])
def both(request: pytest.FixtureRequest) -> Iterator[BothStores]:
    """A store, and a way to open the live store over the same records."""
    if request.param == "memory":
        memory = MemoryStore()

        @asynccontextmanager
        async def live_memory() -> AsyncIterator[LiveStore]:
            yield memory.live()

        yield memory, live_memory
        return
    uri, database = request.getfixturevalue("mongo_uri"), request.getfixturevalue("mongo_database")
    with MongoStore.open(uri, database) as mongo:
        yield mongo, lambda: MongoLiveStore.open(uri, database)


@pytest.fixture
def store(both: BothStores) -> CatalogStore:
    return both[0]


def event(user: str, item: str, time: float, sequence: int = 0, **more: object) -> Interaction:
    return replace(Interaction(user, item, "view", time, sequence=sequence), **more)  # type: ignore[arg-type]


class TestCatalogStore:
    def test_a_fresh_store_is_empty(self, store: CatalogStore) -> None:
        assert store.load_schema() is None
        assert store.counts() == Counts(0, 0, 0, 0)
        assert list(store.items()) == []
        assert list(store.quarantined()) == []
        assert len(store.log(IdMap.of([]), IdMap.of([]), SCHEMA)) == 0

    def test_the_schema_comes_back_equal(self, store: CatalogStore) -> None:
        store.save_schema(SCHEMA)
        store.save_schema(SCHEMA)
        assert store.load_schema() == SCHEMA

    def test_the_first_edition_is_kept_until_everything_is_forgotten(self, store: CatalogStore) -> None:
        assert store.begin("one") == "one"
        assert store.begin("other") == "one"
        store.put_items([Item("1")])
        store.put_users([User("a")])
        store.put_interactions([event("a", "1", 1)])
        store.put_quarantined([BadRow("f", 1, "c", "v", "r", "cells")])
        store.save_schema(SCHEMA)
        store.clear()
        assert store.counts() == Counts(0, 0, 0, 0)
        assert store.load_schema() is None
        assert store.begin("") == ""
        assert store.begin("other") == ""

    def test_a_search_has_words_and_no_item(self, both: BothStores) -> None:
        store, live = both
        searches = [event("a", "", 1, query="red lamp"), event("a", "", 1, query="lamp"), event("a", "x", 2)]
        assert store.put_interactions(searches) == Written(3, 0, 0)
        assert store.put_interactions(searches) == Written(0, 0, 3)
        log = store.log(IdMap.of(["a"]), IdMap.of(["x"]), SCHEMA)
        assert log.times.tolist() == [2]

        async def read() -> list[Interaction]:
            async with live() as opened:
                return await opened.recent("a", 10)

        found = asyncio.run(read())
        assert {(each.item_id, each.query) for each in found} == {("", "red lamp"), ("", "lamp"), ("x", None)}

    def test_a_full_item_comes_back_equal(self, store: CatalogStore) -> None:
        item = Item("7", "Sevén", "text 🎬", "/a/b.jpg", {"genres": ("War", "Drama"), "year": 1995.0}, False)
        assert store.put_items([item]) == Written(1, 0, 0)
        assert list(store.items()) == [item]

    def test_what_is_not_known_of_an_item_is_left_out(self, store: CatalogStore) -> None:
        store.put_items([Item("7", features={"year": None, "genres": ()})])
        assert next(store.items()).features == {"genres": ()}

    def test_writing_again_tells_changed_from_unchanged(self, store: CatalogStore) -> None:
        items = [Item("1", "one"), Item("2", "two")]
        store.put_items(items)
        assert store.put_items(items) == Written(0, 0, 2)
        assert store.put_items([Item("1", "uno"), items[1], Item("3")]) == Written(1, 1, 1)
        assert [item.title for item in store.items()] == ["uno", "two", ""]

    def test_users_are_replaced_whole(self, store: CatalogStore) -> None:
        store.put_users([User("a", {"age": 30.0, "gender": "f"})])
        assert store.put_users([User("a", {"age": 31.0})]) == Written(0, 1, 0)
        assert list(store.users()) == [User("a", {"age": 31.0})]

    def test_odd_ids_come_back_exactly_and_in_order_of_their_bytes(self, store: CatalogStore) -> None:
        store.put_items([Item(name) for name in ODD_IDS])
        store.put_users([User(name) for name in ODD_IDS])
        expected = sorted(ODD_IDS, key=str.encode)
        assert [item.item_id for item in store.items()] == expected
        assert [user.user_id for user in store.users()] == expected

    @pytest.mark.parametrize("name", REFUSED_IDS, ids=["empty", "nul", "surrogate", "long"])
    def test_impossible_ids_are_refused_with_a_reason(self, store: CatalogStore, name: str) -> None:
        with pytest.raises(DataError, match="item id"):
            store.put_items([Item(name)])
        with pytest.raises(DataError, match="user id"):
            store.put_interactions([event(name, "i", 1)])
        assert store.counts() == Counts(0, 0, 0, 0)

    @pytest.mark.parametrize("name", ["$set", "a.b", "", "Größe", "A", "nul\0", "x" * 65])
    def test_feature_names_that_are_no_names_are_refused(self, store: CatalogStore, name: str) -> None:
        with pytest.raises(DataError, match="feature name"):
            store.put_items([Item("1", features={name: "x"})])

    def test_an_event_counts_once(self, store: CatalogStore) -> None:
        events = [event("a", "x", 1), event("a", "x", 2), event("a", "x", 1)]
        assert store.put_interactions(events) == Written(2, 0, 1)
        assert store.put_interactions(events) == Written(0, 0, 3)
        assert store.put_interactions([*events, event("b", "x", 1)]) == Written(1, 0, 3)
        assert store.put_interactions([event("c", "x", 1)]) == Written(1, 0, 0)
        assert store.counts().interactions == 4

    def test_each_part_of_an_event_makes_it_another_one(self, store: CatalogStore) -> None:
        base = Interaction("a", "x", "rating", 1.0, 3.0)
        others = [
            replace(base, user_id="b"), replace(base, item_id="y"), replace(base, type="view"),
            replace(base, timestamp=1.5), replace(base, value=4.0), replace(base, value=None),
            replace(base, user_id="ax"),
        ]  # fmt: skip
        assert store.put_interactions([base, *others]) == Written(8, 0, 0)
        assert store.put_interactions([replace(base, sequence=9, fold=2, request_id="r")]) == Written(0, 0, 1)

    def test_the_senders_identity_decides_where_there_is_one(self, store: CatalogStore) -> None:
        first = event("a", "x", 1, event_id="e1")
        again = event("a", "x", 99, event_id="e1")
        assert store.put_interactions([first, again, event("a", "x", 1)]) == Written(2, 0, 1)

    def test_the_log_is_sorted_by_user_row_time_and_sequence(self, store: CatalogStore) -> None:
        store.put_interactions(
            [
                event("b", "x", 5, 1),
                event("a", "y", 7, 3),
                event("a", "x", 7, 2),
                event("a", "z", 1, 9, type="rating", value=4.0, fold=3),
                event("b", "nobody's", 1, 1),
                event("stranger", "x", 1, 1),
                event("a", "x", 3, 1, type="undeclared"),
            ]
        )
        log = store.log(IdMap.of(["b", "a"]), IdMap.of(["x", "y", "z"]), SCHEMA)
        assert log.user_rows.tolist() == [0, 1, 1, 1]
        assert log.item_rows.tolist() == [0, 2, 0, 1]
        assert log.times.tolist() == [5, 1, 7, 7]
        assert log.types.tolist() == [2, 1, 2, 2]
        assert log.folds.tolist() == [0, 3, 0, 0]
        np.testing.assert_array_equal(log.values, np.array([np.nan, 4, np.nan, np.nan], np.float32))
        kinds = (log.user_rows, log.item_rows, log.types, log.values, log.times, log.folds)
        assert [column.dtype.str for column in kinds] == ["<i8", "<i8", "<i8", "<f4", "<f8", "<i8"]

    def test_times_that_are_no_numbers_are_refused(self, store: CatalogStore) -> None:
        with pytest.raises(DataError, match="finite"):
            store.put_interactions([event("a", "x", float("nan"))])

    def test_bad_rows_are_kept_once_and_in_order(self, store: CatalogStore) -> None:
        rows = [
            BadRow("u.data", 12, "rating", "six", "a number"),
            BadRow("u.data", 3, "", "\udcff", "not utf-8"),
        ]
        assert store.put_quarantined(rows) == Written(2, 0, 0)
        assert store.put_quarantined(rows) == Written(0, 0, 2)
        assert [row.line for row in store.quarantined()] == [3, 12]
        assert next(store.quarantined()).value == "\\xff"
        assert store.counts().quarantined == 2


class TestLiveStore:
    def test_it_sees_what_was_imported(self, both: BothStores) -> None:
        store, live = both
        store.put_users([User(name, {"age": 3.0}) for name in ODD_IDS])
        store.put_interactions([event(name, name, 1) for name in ODD_IDS])

        async def ask() -> None:
            async with live() as serving:
                await serving.ping()
                assert await serving.user("nobody") is None
                assert await serving.recent("nobody", 10) == []
                for name in ODD_IDS:
                    assert await serving.user(name) == User(name, {"age": 3.0})
                    assert await serving.recent(name, 10) == [event(name, name, 1)]

        asyncio.run(ask())

    def test_recent_is_the_latest_oldest_first_within_the_bounds(self, both: BothStores) -> None:
        store, live = both
        times = [3.0, 1.0, 2.0, 2.0, 4.0]
        store.put_interactions([event("a", f"i{n}", time, 10 - n) for n, time in enumerate(times)])

        async def ask() -> None:
            async with live() as serving:

                async def items(limit: int, **bounds: float) -> list[str]:
                    return [each.item_id for each in await serving.recent("a", limit, **bounds)]

                assert await items(10) == ["i1", "i3", "i2", "i0", "i4"]
                assert await items(20_000) == ["i1", "i3", "i2", "i0", "i4"]
                assert await items(2) == ["i0", "i4"]
                assert await items(0) == []
                assert await items(10, before=3.0) == ["i1", "i3", "i2"]
                assert await items(1, before=3.0) == ["i2"]
                assert await items(10, since=3.0) == ["i0", "i4"]
                assert await items(10, since=2.0, before=4.0) == ["i3", "i2", "i0"]

        asyncio.run(ask())

    def test_columns_are_the_same_events(self, both: BothStores) -> None:
        store, live = both
        rated = Interaction("a", "x", "rating", 2.5, 4.0, None, "req-1", 7, 2)
        store.put_interactions([rated, event("a", "y", 1), event("a", "z", 3), event("b", "w", 2)])

        async def ask() -> None:
            async with live() as serving:
                for limit, before in ((10, None), (2, None), (10, 3.0), (0, None)):
                    events = await serving.recent("a", limit, before)
                    assert await serving.columns("a", limit, before) == EventColumns(
                        [one.item_id for one in events], [one.type for one in events],
                        [one.value for one in events], [one.timestamp for one in events],
                    )  # fmt: skip
                assert (await serving.columns("a", 10)).items == ["y", "x", "z"]

        asyncio.run(ask())

    @pytest.mark.parametrize("limit", [1, 3, 4, 50])
    def test_users_read_at_the_same_time_get_their_own_events(self, both: BothStores, limit: int) -> None:
        """Some with more events than are asked for, some with none, some asked for twice."""
        store, live = both
        names = ["a b", *"ab", "é", "\U0001f600", "\uff5e", "nobody", "Z"]
        counts = dict(zip(names, (3, 9, 1, 4, 2, 5, 0, 40), strict=True))
        store.put_users([User(name, {"name": name}) for name in names if counts[name]])
        store.put_interactions(
            [event(name, f"{name}-{at}", at) for name, count in counts.items() for at in range(count)]
        )

        async def ask() -> None:
            async with live() as serving:
                for _ in range(2):  # the second time it is known whose histories are long
                    asked = [*names, "a", "Z"]
                    found = await asyncio.gather(*(serving.columns(name, limit) for name in asked))
                    for name, events in zip(asked, found, strict=True):
                        first = max(0, counts[name] - limit)
                        assert events.items == [f"{name}-{at}" for at in range(first, counts[name])]
                users = await asyncio.gather(*(serving.user(name) for name in names))
                assert users == [User(name, {"name": name}) if counts[name] else None for name in names]

        asyncio.run(ask())

    def test_what_is_appended_is_there_at_once_and_only_once(self, both: BothStores) -> None:
        store, live = both
        full = Interaction("a", "x", "rating", 2.5, 4.0, None, "req-1", 123_456_789_012_345_678, 2)

        async def ask() -> None:
            async with live() as serving:
                assert await serving.append([]) == Written(0, 0, 0)
                assert await serving.append([full, event("a", "y", 1), full]) == Written(2, 0, 1)
                assert await serving.append(iter([full])) == Written(0, 0, 1)
                assert await serving.recent("a", 5) == [event("a", "y", 1), full]
                with pytest.raises(DataError, match="item id"):
                    await serving.append([event("a", "z", 1), event("a", "", 1)])

        asyncio.run(ask())
        assert store.counts().interactions == 2

    def test_news_are_the_live_events_of_all_in_the_order_in_which_they_came(self, both: BothStores) -> None:
        store, live = both
        now = 1_700_000_000 * 10**9
        store.put_interactions([event("a", "imported", 5.0, 77)])

        def click(user: str, item: str, sequence: int, **more: object) -> Interaction:
            return Interaction(user, item, "click", 9.0, sequence=sequence, **more)  # type: ignore[arg-type]

        async def ask() -> None:
            async with live() as serving:
                assert (await serving.news(0, 10)).keys == []
                await serving.append(
                    [click("b", "y", now + 2), click("a", "x", now), click("c", "z", now + 1)]
                )
                await serving.append([click("a", "", now + 1, query="words")])
                found = await serving.news(0, 10)
                assert found.events == EventColumns(["x", "z", "y"], ["click"] * 3, [None] * 3, [9.0] * 3)
                assert found.sequences == [now, now + 1, now + 2]
                assert len(set(found.keys)) == 3
                assert (await serving.news(now + 1, 10)).keys == found.keys[1:]
                assert (await serving.news(0, 2)).keys == found.keys[:2]

        asyncio.run(ask())
