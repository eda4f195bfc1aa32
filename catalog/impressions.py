"""What was shown to whom: lists with the scores that they were ranked by, for measuring what an order does.

Kept beside the events, but not as dearly: a list that is lost in a crash is one of a sample. They are forgotten after
some days by an index of the server.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Protocol

from pymongo.asynchronous.database import AsyncDatabase
from pymongo.errors import OperationFailure
from pymongo.write_concern import WriteConcern

from catalog.documents import Document
from catalog.mongo import store_errors

KEPT = 10_000
"""Lists that `MemoryImpressions` holds."""
INDEX = "forgotten"
OTHER_OPTIONS = 85
"""The server's code for an index of that name with other options."""


@dataclass(frozen=True, slots=True)
class Impression:
    """One list that was shown."""

    request_id: str
    """Events that answer to it bear the same."""
    user_id: str
    at: float
    """Seconds since the epoch."""
    model_version: str
    items: Sequence[str]
    """In the order in which they were shown, which is their positions."""
    scores: Sequence[float | None]
    """None where a list is blended of several, whose scores are of no common scale."""
    sources: Sequence[str]


@dataclass(frozen=True, slots=True)
class Shown:
    """What was shown since some moment."""

    lists: int
    counts: Mapping[str, int]
    """How often each item was on one."""


class ImpressionStore(Protocol):
    """Keeps impressions for a while."""

    async def append(self, impressions: Sequence[Impression]) -> None:
        """Keep some lists; StoreError where they cannot be."""

    async def shown(self, since: float, until: float | None = None) -> Shown:
        """What was shown from a moment on, and before another."""


class MemoryImpressions:
    """`ImpressionStore` in memory: the latest ones."""

    def __init__(self) -> None:
        self.kept: deque[Impression] = deque(maxlen=KEPT)

    async def append(self, impressions: Sequence[Impression]) -> None:
        """See `ImpressionStore.append`."""
        self.kept.extend(impressions)

    async def shown(self, since: float, until: float | None = None) -> Shown:
        """See `ImpressionStore.shown`."""
        found = [one for one in self.kept if one.at >= since and (until is None or one.at < until)]
        return Shown(len(found), Counter(item for one in found for item in one.items))


class MongoImpressions:
    """`ImpressionStore` in the collection `impressions`."""

    def __init__(self, database: AsyncDatabase[Document], days: float) -> None:
        """Keep them in a database for some days."""
        self._impressions = database.get_collection("impressions", write_concern=WriteConcern(w=1))
        self._database = database
        self._seconds = int(days * 86_400)
        self._indexed = False

    async def append(self, impressions: Sequence[Impression]) -> None:
        """See `ImpressionStore.append`."""
        rows: list[dict[str, Any]] = [
            {
                "request_id": one.request_id, "user_id": one.user_id, "at": datetime.fromtimestamp(one.at, UTC),
                "model_version": one.model_version, "items": list(one.items), "scores": list(one.scores),
                "sources": list(one.sources),
            }
            for one in impressions
        ]  # fmt: skip
        with store_errors("keeping what was shown"):
            if not self._indexed:
                await self._index()
                self._indexed = True
            await self._impressions.insert_many(rows, ordered=False)

    async def shown(self, since: float, until: float | None = None) -> Shown:
        """See `ImpressionStore.shown`; moments count in milliseconds, as the server keeps them."""
        bounds = {"$gte": datetime.fromtimestamp(since, UTC)}
        if until is not None:
            bounds["$lt"] = datetime.fromtimestamp(until, UTC)
        recent = {"at": bounds}
        stages: list[dict[str, Any]] = [
            {"$match": recent}, {"$project": {"_id": 0, "items": 1}}, {"$unwind": "$items"},
            {"$group": {"_id": "$items", "count": {"$sum": 1}}},
        ]  # fmt: skip
        with store_errors("counting what was shown"):
            lists = await self._impressions.count_documents(recent)
            cursor = await self._impressions.aggregate(stages, allowDiskUse=True)
            return Shown(lists, {row["_id"]: row["count"] async for row in cursor})

    async def _index(self) -> None:
        """Let the server forget; where it did so after another time until now, that is changed."""
        try:
            await self._impressions.create_index([("at", 1)], name=INDEX, expireAfterSeconds=self._seconds)
        except OperationFailure as error:
            if error.code != OTHER_OPTIONS:
                raise
            index = {"name": INDEX, "expireAfterSeconds": self._seconds}
            await self._database.command({"collMod": "impressions", "index": index})
