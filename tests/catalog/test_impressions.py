"""What was shown is kept for a while and counted, in memory and in MongoDB."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio
import pymongo
import pytest

from catalog.errors import StoreError
from catalog.impressions import Impression, ImpressionStore, MemoryImpressions, MongoImpressions

NOW = time.time()


def impression(at: float, *items: str) -> Impression:
    return Impression(
        "r", "u/1", at, "20260101-000000-aaaaaa", items, [1.0] * len(items), ["popular"] * len(items)
    )


@asynccontextmanager
async def opened(kind: str, uri: str, database: str) -> AsyncIterator[ImpressionStore]:
    if kind == "memory":
        yield MemoryImpressions()
        return
    async with pymongo.AsyncMongoClient[dict[str, object]](uri) as client:
        yield MongoImpressions(client[database], days=30)


@pytest.mark.mongo
@pytest.mark.parametrize("kind", ["memory", "mongo"])
def test_what_was_shown_since_a_moment_is_counted(kind: str, mongo_uri: str, mongo_database: str) -> None:
    async def check() -> None:
        async with opened(kind, mongo_uri, mongo_database) as store:
            assert (await store.shown(0.0)).lists == 0
            await store.append([impression(NOW - 100, "a", "b"), impression(NOW - 50, "b", "ü")])
            await store.append([impression(NOW, "b")])
            shown = await store.shown(NOW - 60)
            assert (shown.lists, dict(shown.counts)) == (2, {"b": 2, "ü": 1})
            assert dict((await store.shown(0.0)).counts) == {"a": 1, "b": 3, "ü": 1}
            # Two halves are the whole, wherever it is cut: at the very moment of a list, or a microsecond beside it.
            for cut in (NOW - 50, NOW - 50 + 1e-6, NOW - 50 - 1e-6, NOW, NOW + 1):
                halves = [await store.shown(0.0, cut), await store.shown(cut)]
                assert sum(half.lists for half in halves) == 3
                assert sum(half.counts.get("b", 0) for half in halves) == 3
            assert (await store.shown(NOW - 100, NOW - 100)).lists == 0

    anyio.run(check)


@pytest.mark.mongo
def test_the_server_forgets_after_as_many_days_as_are_set_last(mongo_uri: str, mongo_database: str) -> None:
    async def check() -> None:
        async with pymongo.AsyncMongoClient[dict[str, object]](mongo_uri) as client:
            for days in (30.0, 7.0):
                await MongoImpressions(client[mongo_database], days).append([impression(NOW, "a")])
                index = (await client[mongo_database]["impressions"].index_information())["forgotten"]
                assert index["expireAfterSeconds"] == days * 86_400

    anyio.run(check)


def test_a_database_that_is_away_is_a_store_error() -> None:
    async def check() -> None:
        uri = "mongodb://127.0.0.1:1/?directConnection=true&serverSelectionTimeoutMS=50"
        async with pymongo.AsyncMongoClient[dict[str, object]](uri) as client:
            with pytest.raises(StoreError):
                await MongoImpressions(client["x"], 1).append([impression(NOW, "a")])

    anyio.run(check)
