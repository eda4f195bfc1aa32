"""Records in MongoDB one at a time, for serving: read, written, and watched while others write them.

Where the server is a replica set a change stream tells of every written item within milliseconds; elsewhere the
items are asked for by the time of their last change, twice a second.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack
from typing import Any

from pymongo.asynchronous.change_stream import AsyncChangeStream
from pymongo.asynchronous.collection import AsyncCollection
from pymongo.asynchronous.database import AsyncDatabase
from pymongo.errors import OperationFailure

from catalog import documents
from catalog.documents import Document
from catalog.mongo import store_errors
from catalog.records import Item, ItemId, User
from catalog.store import StoredItem, Told

POLL_SECONDS = 0.4
OVERLAP_SECONDS = 10.0
"""How much the clocks of two writers may differ, and a write may take, where changes are asked for by time."""
READ_TOGETHER = 50
"""Items to a batch: each may hold a picture."""
_BEGINS = {"$substrCP": [{"$ifNull": ["$image", ""]}, 0, len(documents.WEB)]}
TOLD_FIELDS: Document = {
    "text": 1, "image": {"$cond": [{"$eq": [_BEGINS, documents.WEB]}, "$image", None]}
}  # fmt: skip
"""Pictures that are in the record stay where they are."""
NO_STREAMS = 40573
"""The server's code for "change streams need a replica set"."""


class MongoRecords:
    """`catalog.store.RecordStore` on one MongoDB database."""

    database: AsyncDatabase[Document]

    async def item(self, item_id: str) -> StoredItem | None:
        """The item's record, a deleted one too; None for one that never was."""
        with store_errors("reading an item"):
            row = await self.database["items"].find_one({"_id": item_id})
        return None if row is None else _stored(row)

    async def told(self, item_ids: Sequence[str]) -> dict[str, Told]:
        """Texts and addresses of pictures of many items, by id."""
        with store_errors("reading what items tell"):
            cursor = self.database["items"].find(
                {"_id": {"$in": list(item_ids)}}, TOLD_FIELDS, batch_size=max(1, len(item_ids))
            )
            return {row["_id"]: Told(row["text"], row["image"]) async for row in cursor}

    async def put_item(
        self, item: Item, *, deleted: bool = False, over: float | None = None
    ) -> StoredItem | None:
        """Insert or replace an item; see `RecordStore.put_item`."""
        row = documents.item_to_document(item) | {"updated": time.time()}
        if deleted:
            row["deleted"] = True
        present = {"_id": item.item_id} | ({} if over is None else {"updated": over})
        with store_errors("writing an item"):
            done = await self.database["items"].replace_one(present, row, upsert=over is None)
        return _stored(row) if done.matched_count or done.upserted_id is not None else None

    async def watch_items(self, since: float) -> AsyncIterator[list[StoredItem]]:
        """Items that change; see `RecordStore.watch_items`."""
        items = self.database["items"]
        async with AsyncExitStack() as stack:
            with store_errors("following the items"):
                await items.create_index([("updated", 1)], name="changes")
                stream = await _change_stream(items)
                if stream is not None:
                    # Open before the past is read, so that nothing falls between the two.
                    await stack.enter_async_context(stream)
                told: dict[str, float] = {}
                while True:
                    # A longer look back than asked for: clocks differ, and the told ones are left out.
                    async for batch in _changed(items, since - OVERLAP_SECONDS):
                        news = [one for one in batch if told.get(one.item.item_id) != one.updated]
                        told |= {one.item.item_id: one.updated for one in news}
                        since = max([since, *(one.updated for one in news)])
                        if news:
                            yield news
                    told = {name: at for name, at in told.items() if at >= since - OVERLAP_SECONDS}
                    yield []
                    if stream is not None:
                        break
                    await asyncio.sleep(POLL_SECONDS)
                async for change in stream:
                    if "documentKey" not in change:
                        return  # the collection itself is gone
                    yield [_changed_to(change)]

    async def put_user(self, user: User) -> bool:
        """Insert or replace a user; True where there was none."""
        row = documents.user_to_document(user) | {"updated": time.time()}
        with store_errors("writing a user"):
            done = await self.database["users"].replace_one({"_id": user.user_id}, row, upsert=True)
        return done.upserted_id is not None

    async def forget_user(self, user_id: str) -> tuple[bool, int]:
        """Remove a user and all their events: whether there was a record, and how many events."""
        with store_errors("forgetting a user"):
            record = await self.database["users"].delete_one({"_id": user_id})
            events = await self.database["interactions"].delete_many({"u": user_id})
        return record.deleted_count > 0, events.deleted_count


async def _change_stream(
    items: AsyncCollection[Document],
) -> AsyncChangeStream[dict[str, Any]] | None:
    try:
        return await items.watch(full_document="updateLookup")
    except OperationFailure as error:
        if error.code == NO_STREAMS:
            return None
        raise


async def _changed(items: AsyncCollection[Document], since: float) -> AsyncIterator[list[StoredItem]]:
    """Items written at or after a moment, in the order in which they were, in batches."""
    cursor = items.find({"updated": {"$gte": since}}, batch_size=READ_TOGETHER).sort("updated", 1)
    async with cursor:
        while batch := await cursor.to_list(READ_TOGETHER):
            yield [_stored(row) for row in batch]


def _changed_to(change: dict[str, Any]) -> StoredItem:
    row = change.get("fullDocument")
    if row is None:  # removed by hand; all that is left to say of it
        return StoredItem(Item(ItemId(change["documentKey"]["_id"]), available=False), time.time(), True)
    return _stored(row)


def _stored(row: Document) -> StoredItem:
    # Records of before `updated` was written have none.
    return StoredItem(documents.document_to_item(row), row.get("updated", 0.0), "deleted" in row)
