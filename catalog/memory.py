"""Both stores in memory: for tests, for reading without a server, and as the oracle of the real ones.

Records pass through the same documents as on MongoDB, so the same ids and features are refused.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from catalog import documents
from catalog.documents import Document
from catalog.records import BadRow, IdMap, Interaction, InteractionLog, Item, User
from catalog.schema import DatasetSchema
from catalog.store import LIVE, Counts, EventColumns, News, StoredItem, Told, Written

LOOK_SECONDS = 0.005
"""Between two looks for changed items."""


@dataclass(slots=True)
class _Tables:
    """Documents by identity."""

    schema: DatasetSchema | None = None
    edition: str | None = None
    items: dict[str, Document] = field(default_factory=dict)
    users: dict[str, Document] = field(default_factory=dict)
    events: dict[object, Document] = field(default_factory=dict)
    bad: dict[object, Document] = field(default_factory=dict)
    updated: dict[str, float] = field(default_factory=dict)
    """When each item was written, those written last at the end."""


def _by_id(table: Mapping[str, Document]) -> list[Document]:
    """In the order in which MongoDB sorts strings: by their bytes."""
    return [table[key] for key in sorted(table, key=str.encode)]


def _put(table: dict[str, Document], rows: Iterable[Document]) -> Written:
    inserted = updated = unchanged = 0
    for row in rows:
        old = table.get(row["_id"])
        inserted += old is None
        updated += old is not None and old != row
        unchanged += old == row
        table[row["_id"]] = row
    return Written(inserted, updated, unchanged)


def _insert(table: dict[object, Document], rows: Sequence[Document]) -> Written:
    before = len(table)
    for row in rows:
        table.setdefault(row["_id"], row)
    inserted = len(table) - before
    return Written(inserted, 0, len(rows) - inserted)


def _columns(events: Sequence[Interaction]) -> EventColumns:
    return EventColumns(
        [one.item_id for one in events],
        [one.type for one in events],
        [one.value for one in events],
        [one.timestamp for one in events],
    )


class MemoryStore:
    """`catalog.store.CatalogStore` in memory."""

    def __init__(self) -> None:
        self.tables = _Tables()

    def live(self) -> MemoryLiveStore:
        """The same records, as serving sees them."""
        return MemoryLiveStore(self.tables)

    def save_schema(self, schema: DatasetSchema) -> None:
        """Remember the declared schema of this data set."""
        self.tables.schema = schema

    def load_schema(self) -> DatasetSchema | None:
        """The schema saved at import, or None where nothing was imported."""
        return self.tables.schema

    def begin(self, edition: str) -> str:
        """Remember which edition of a data set is being imported, unless one is; the remembered one is returned."""
        if self.tables.edition is None:
            self.tables.edition = edition
        return self.tables.edition

    def clear(self) -> None:
        """Forget everything."""
        tables = self.tables
        tables.schema = tables.edition = None
        for table in (tables.items, tables.users, tables.events, tables.bad):
            table.clear()

    def put_items(self, items: Sequence[Item]) -> Written:
        """Insert or replace by id; where an id is repeated, the last one counts."""
        rows = [documents.item_to_document(item) for item in items]
        for row in rows:
            if self.tables.items.get(row["_id"]) != row:
                self.tables.updated.pop(row["_id"], None)
                self.tables.updated[row["_id"]] = time.time()
        return _put(self.tables.items, rows)

    def put_users(self, users: Sequence[User]) -> Written:
        """Insert or replace by id; where an id is repeated, the last one counts."""
        return _put(self.tables.users, [documents.user_to_document(user) for user in users])

    def put_interactions(self, interactions: Sequence[Interaction]) -> Written:
        """Insert what is not there yet."""
        return _insert(self.tables.events, [documents.event_to_document(event) for event in interactions])

    def put_quarantined(self, rows: Sequence[BadRow]) -> Written:
        """Keep rows that could not be read."""
        return _insert(self.tables.bad, [documents.bad_row_to_document(row) for row in rows])

    def quarantined(self) -> Iterator[BadRow]:
        """All rows kept aside, in order of file and line."""
        rows = sorted(
            self.tables.bad.values(), key=lambda row: (row["file"].encode(), row["line"], row["_id"])
        )
        return (documents.document_to_bad_row(row) for row in rows)

    def items(self) -> Iterator[Item]:
        """All items in order of id."""
        return (documents.document_to_item(row) for row in _by_id(self.tables.items))

    def users(self) -> Iterator[User]:
        """All users in order of id."""
        return (documents.document_to_user(row) for row in _by_id(self.tables.users))

    def log(self, users: IdMap, items: IdMap, schema: DatasetSchema) -> InteractionLog:
        """All events between known users and items, of declared types, sorted by (user row, time, sequence)."""
        rows = [
            (users.row(row["u"]), row["s"], row["n"], items.row(row["i"]), schema.type_code(row["t"]), row)
            for row in self.tables.events.values()
        ]
        rows = sorted(
            (row for row in rows if row[0] >= 0 and row[3] >= 0 and row[4] > 0), key=lambda r: r[:3]
        )
        return InteractionLog(
            np.array([row[0] for row in rows], np.int64),
            np.array([row[3] for row in rows], np.int64),
            np.array([row[4] for row in rows], np.int64),
            np.array([row[5].get("v", np.nan) for row in rows], np.float32),
            np.array([row[1] for row in rows], np.float64),
            np.array([row[5].get("f", 0) for row in rows], np.int64),
        )

    def counts(self) -> Counts:
        """Exact record counts."""
        tables = self.tables
        return Counts(len(tables.items), len(tables.users), len(tables.events), len(tables.bad))


class MemoryLiveStore:
    """`catalog.store.LiveStore` in memory, over the tables of a `MemoryStore`."""

    def __init__(self, tables: _Tables) -> None:
        self.tables = tables

    async def user(self, user_id: str) -> User | None:
        """The user's record, or None for somebody unknown."""
        row = self.tables.users.get(user_id)
        return None if row is None else documents.document_to_user(row)

    async def recent(
        self, user_id: str, limit: int, before: float | None = None, since: float | None = None
    ) -> list[Interaction]:
        """The user's latest `limit` events, oldest first, strictly before / not before the given times."""
        rows = [
            row
            for row in self.tables.events.values()
            if row["u"] == user_id
            and (before is None or row["s"] < before)
            and (since is None or row["s"] >= since)
        ]
        rows.sort(key=lambda row: (row["s"], row["n"]))
        return [documents.document_to_event(row) for row in rows[-limit:]] if limit > 0 else []

    async def columns(self, user_id: str, limit: int, before: float | None = None) -> EventColumns:
        """The user's latest `limit` events, oldest first, in columns."""
        return _columns(await self.recent(user_id, limit, before))

    async def news(self, since: int, limit: int) -> News:
        """The first `limit` live events at or after a moment."""
        rows = [row for row in self.tables.events.values() if row["n"] >= max(since, LIVE) and "q" not in row]
        rows = sorted(rows, key=lambda row: row["n"])[:limit]
        events = [documents.document_to_event(row) for row in rows]
        return News(_columns(events), [one.sequence for one in events], [row["_id"] for row in rows])

    async def append(self, interactions: Iterable[Interaction]) -> Written:
        """Add events."""
        return _insert(self.tables.events, [documents.event_to_document(event) for event in interactions])

    async def ping(self) -> None:
        """Always answers."""

    async def item(self, item_id: str) -> StoredItem | None:
        """The item's record, a deleted one too; None for one that never was."""
        return self._stored(item_id) if item_id in self.tables.items else None

    async def told(self, item_ids: Sequence[str]) -> dict[str, Told]:
        """Texts and addresses of pictures of many items, by id."""
        rows = [self.tables.items[name] for name in item_ids if name in self.tables.items]
        return {row["_id"]: Told(row["text"], documents.address_of(row["image"])) for row in rows}

    async def put_item(
        self, item: Item, *, deleted: bool = False, over: float | None = None
    ) -> StoredItem | None:
        """Insert or replace an item; see `RecordStore.put_item`."""
        row = documents.item_to_document(item) | ({"deleted": True} if deleted else {})
        if over is not None and self.tables.updated.get(item.item_id) != over:
            return None
        self.tables.items[item.item_id] = row
        self.tables.updated.pop(item.item_id, None)
        self.tables.updated[item.item_id] = time.time()
        return self._stored(item.item_id)

    async def watch_items(self, since: float) -> AsyncIterator[list[StoredItem]]:
        """Items that change; see `RecordStore.watch_items`."""
        told: dict[str, float] = {}
        while True:
            now = dict(self.tables.updated)
            changed = [name for name, at in now.items() if at >= since and told.get(name) != at]
            told = now
            if changed:
                yield [self._stored(name) for name in changed]
            yield []
            while self.tables.updated == told:
                await asyncio.sleep(LOOK_SECONDS)

    async def put_user(self, user: User) -> bool:
        """Insert or replace a user; True where there was none."""
        return _put(self.tables.users, [documents.user_to_document(user)]).inserted == 1

    async def forget_user(self, user_id: str) -> tuple[bool, int]:
        """Remove a user and all their events."""
        events = [key for key, row in self.tables.events.items() if row["u"] == user_id]
        for key in events:
            del self.tables.events[key]
        return self.tables.users.pop(user_id, None) is not None, len(events)

    def _stored(self, item_id: str) -> StoredItem:
        row = self.tables.items[item_id]
        item = documents.document_to_item(row)
        return StoredItem(item, self.tables.updated[item_id], "deleted" in row)
