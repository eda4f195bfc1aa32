"""The catalogue in MongoDB, for serving: one user at a time, asynchronous, lean.

`columns` and `user` are on the path of every recommendation. Each is one command that walks an index and returns
in a single batch: no cursor object, no second round trip, no field that is not read. What several requests ask for
at the same moment is read by one such command.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable
from typing import Any, Self

import pymongo
from pymongo.errors import BulkWriteError

from catalog import documents
from catalog.documents import EVENT_FIELDS, Document
from catalog.mongo import (
    DURABLE,
    SELECTION_TIMEOUT_MS,
    address_errors,
    client_options,
    duplicates_only,
    store_errors,
)
from catalog.mongo_records import MongoRecords
from catalog.records import Interaction, User
from catalog.store import LIVE, EventColumns, News, Written
from catalog.together import Together

LARGEST_BATCH = 10_000
"""Documents that surely fit into one answer of 16 MiB; more are read with a cursor."""
COLUMN_FIELDS = {"_id": 0, "i": 1, "t": 1, "s": 1, "v": 1}
SHARED_FIELDS = {"u": 1, **COLUMN_FIELDS}
NEWS_FIELDS = {"n": 1, "i": 1, "t": 1, "s": 1, "v": 1}
ARRIVAL = pymongo.IndexModel([("n", 1)], name="arrival", partialFilterExpression={"n": {"$gte": LIVE}})
"""Of live events only, so that an import pays nothing for it."""
LATEST_FIRST = {"s": -1, "n": -1}
BY_USER = {"u": 1, "s": 1, "n": 1}
USERS_TOGETHER = 4
"""Users read by one command: more save little, and make one wait for another's long history."""
READS_BESIDE = 2
"""Such commands at the same time: while these are answered, the next ones gather."""
LARGEST_SHARED = 6_000
"""As LARGEST_BATCH, of documents with their user."""
REMEMBERED = 20_000
"""Users known to have long histories."""


class MongoLiveStore(MongoRecords):
    """`catalog.store.LiveStore` on one MongoDB database."""

    def __init__(self, client: pymongo.AsyncMongoClient[Document], database: str) -> None:
        self.client = client
        self.database = client.get_database(database, write_concern=DURABLE)
        self._user = Together(self._users, most=USERS_TOGETHER, beside=READS_BESIDE)
        self._histories: dict[int, Together[EventColumns]] = {}
        self._long: set[str] = set()
        self._news_indexed = False

    @classmethod
    def open(cls, uri: str, database: str, selection_timeout_ms: int = SELECTION_TIMEOUT_MS) -> Self:
        """A store that connects with its first question; indexes are made by `MongoStore.open` at import."""
        with store_errors(f"opening database {database}"), address_errors():
            client: pymongo.AsyncMongoClient[Document] = pymongo.AsyncMongoClient(
                uri, **client_options(selection_timeout_ms)
            )
        return cls(client, database)

    async def close(self) -> None:
        """Give the connections back."""
        await self.client.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exception: object) -> None:
        await self.close()

    async def user(self, user_id: str) -> User | None:
        """The user's record, or None for somebody unknown."""
        return await self._user(user_id)

    async def recent(
        self, user_id: str, limit: int, before: float | None = None, since: float | None = None
    ) -> list[Interaction]:
        """The user's latest `limit` events, oldest first, strictly before / not before the given times."""
        rows = await self._events(user_id, EVENT_FIELDS, limit, before, since)
        return [documents.document_to_event(row) for row in rows]

    async def columns(self, user_id: str, limit: int, before: float | None = None) -> EventColumns:
        """The user's latest `limit` events, oldest first, in columns."""
        if before is not None or not 0 < limit * USERS_TOGETHER <= LARGEST_SHARED or user_id in self._long:
            return _columns(await self._events(user_id, COLUMN_FIELDS, limit, before, None))
        together = self._histories.get(limit)
        if together is None:

            async def read(user_ids: list[str]) -> dict[str, EventColumns]:
                return await self._columns_of(user_ids, limit)

            together = self._histories[limit] = Together(read, most=USERS_TOGETHER, beside=READS_BESIDE)
        return await together(user_id)

    async def news(self, since: int, limit: int) -> News:
        """The first `limit` live events at or after a moment."""
        query = {"n": {"$gte": max(since, LIVE)}, "q": {"$exists": False}}
        with store_errors("reading what came of late"):
            if not self._news_indexed:
                await self.database["interactions"].create_indexes([ARRIVAL])
                self._news_indexed = True
            rows = await self._find("interactions", query, NEWS_FIELDS, limit, {"n": 1})
        return News(_columns(rows), [row["n"] for row in rows], [row["_id"] for row in rows])

    async def append(self, interactions: Iterable[Interaction]) -> Written:
        """Durably add events: returns once they are journaled and majority-committed."""
        rows = [documents.event_to_document(event) for event in interactions]
        if not rows:
            return Written(0, 0, 0)
        unchanged = 0
        with store_errors("writing interactions"):
            try:
                await self.database["interactions"].insert_many(rows, ordered=False)
            except BulkWriteError as error:
                unchanged = duplicates_only(error)
        return Written(len(rows) - unchanged, 0, unchanged)

    async def ping(self) -> None:
        """Return if the store answers; raise StoreError if not."""
        with store_errors("asking MongoDB for a sign of life"):
            await self.client.admin.command("ping")

    async def _users(self, user_ids: list[str]) -> dict[str, User | None]:
        """The records of some users."""
        with store_errors("reading users"):
            rows = await self._find(
                "users", {"_id": {"$in": user_ids}}, {"_id": 1, "features": 1}, len(user_ids)
            )
        found = {row["_id"]: documents.document_to_user(row) for row in rows}
        return {name: found.get(name) for name in user_ids}

    async def _columns_of(self, user_ids: list[str], limit: int) -> dict[str, EventColumns]:
        """The latest `limit` events of each of some users.

        The command cannot bound each user's events, only all together. Where that bound was met, whose events are
        missing is not known: each is read alone, and those with many are from then on.
        """
        most = limit * len(user_ids)
        query: Document = {"u": {"$in": user_ids}}
        if len(user_ids) > 1:
            with store_errors("reading histories"):
                rows = await self._find("interactions", query, SHARED_FIELDS, most, BY_USER)
            if len(rows) < most:
                return _split(rows, user_ids, limit)
        alone: dict[str, EventColumns] = {}
        for name in user_ids:
            alone[name] = _columns(await self._events(name, COLUMN_FIELDS, limit, None, None))
            if len(user_ids) > 1 and len(alone[name].items) == limit:
                if len(self._long) >= REMEMBERED:
                    self._long.clear()
                self._long.add(name)
        return alone

    async def _events(
        self, user_id: str, fields: Document, limit: int, before: float | None, since: float | None
    ) -> list[dict[str, Any]]:
        """Some fields of the user's latest `limit` events, oldest first."""
        if limit <= 0:
            return []
        query: Document = {"u": user_id}
        times = {}
        if before is not None:
            times["$lt"] = float(before)
        if since is not None:
            times["$gte"] = float(since)
        if times:
            query["s"] = times
        with store_errors("reading a history"):
            rows = await self._find("interactions", query, fields, limit, LATEST_FIRST)
        rows.reverse()
        return rows

    async def _find(
        self, collection: str, query: Document, fields: Document, limit: int, sort: Document | None = None
    ) -> list[dict[str, Any]]:
        """At most `limit` documents, in one round trip where they surely fit."""
        command: Document = {
            "find": collection, "filter": query, "projection": fields,
            "limit": limit, "batchSize": limit, "singleBatch": True,
        }  # fmt: skip
        if sort is not None:
            command["sort"] = sort
        if limit > LARGEST_BATCH:
            cursor = self.database[collection].find(query, fields).limit(limit)
            return await (cursor.sort(list(sort.items())) if sort else cursor).to_list()
        answer = await self.database.command(command)
        rows: list[dict[str, Any]] = answer["cursor"]["firstBatch"]
        return rows


def _columns(rows: list[dict[str, Any]]) -> EventColumns:
    """Documents as columns, in their order."""
    return EventColumns(
        [row["i"] for row in rows],
        [row["t"] for row in rows],
        [row.get("v") for row in rows],
        [row["s"] for row in rows],
    )


def _split(rows: list[dict[str, Any]], user_ids: list[str], limit: int) -> dict[str, EventColumns]:
    """Each user's latest `limit` of documents that are sorted by user."""
    # MongoDB compares the bytes of UTF-8, Python code points: the same order.
    owners = [row["u"] for row in rows]
    found = {}
    begin = 0
    for name in sorted(user_ids):
        end = bisect_right(owners, name, begin)
        found[name] = _columns(rows[max(begin, end - limit) : end])
        begin = end
    return found
