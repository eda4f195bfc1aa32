"""The items of a model, kept as the store has them: written here, or by anybody else.

An item that is posted here is encoded, stored, and in the catalogue when the answer leaves. What other workers and
jobs write is told by the store. After a restart everything that changed since the model was trained is told again.
Whatever the order in which versions of an item arrive, the last one told is the one that the store has.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from functools import partial

from catalog.errors import RecommenderError
from catalog.records import Item
from catalog.store import StoredItem
from serving.catalogue import Arrivals, Catalogue
from serving.live.state import GuardedStore
from serving.search.senses import Sensed, Senses

log = logging.getLogger(__name__)
RETRY_SECONDS = 1.0
TOGETHER = 32
"""Items that go through encoders and tower together; those that come meanwhile wait so long."""


@dataclass(frozen=True, slots=True)
class Taken:
    """What became of an item that was written."""

    stored: StoredItem
    sensed: Sensed


class Stock:
    """Writes items to the store and the catalogue, and follows what others write. Belongs to one event loop."""

    def __init__(self, catalogue: Catalogue, senses: Senses, store: GuardedStore, as_of: float) -> None:
        """Prepare to follow the store.

        Args:
            catalogue: written to by nobody else.
            senses: those of the same bundle.
            store: where items are kept.
            as_of: when the items of the bundle were read, in seconds since the epoch.
        """
        self.settled = asyncio.Event()
        """Set when all changes so far are in the catalogue, or the store did not answer."""
        self.lag: float | None = None
        """Seconds from the last write of an item to its being in the catalogue, by the clocks of both.

        Of writes since it follows: catching up tells how old a model is, not how long a write takes.
        """
        self._catalogue = catalogue
        self._senses = senses
        self._store = store
        self._since = as_of
        self._versions: dict[str, float] = {}
        """Which version of an item the catalogue has, of those that are not the bundle's."""

    async def put(self, item: Item, over: float | None = None) -> Taken | None:
        """Encode, store and show an item.

        Args:
            item: as it is to be.
            over: replace only that version; None comes back where it is not the present one.

        Raises:
            StoreError: it could not be stored; it is not shown then.
        """
        self._store.check()
        before = self._versions.get(item.item_id)
        sensed, arrivals = await self._senses.in_turn(partial(self._prepare, [item]))
        stored = await self._store.put_item(item, over=over)
        if stored is None:
            return None
        if self._versions.get(item.item_id) == before:
            self._show(arrivals, [stored])
        else:  # somebody else's version was told meanwhile, and only the store knows which is the later one
            await self._take([await self._store.item(item.item_id) or stored])
        return Taken(stored, sensed)

    async def delete(self, item_id: str) -> bool:
        """Let an item be gone; False where there is none.

        Raises:
            StoreError: the store does not answer; the item stays then.
        """
        found = await self._store.item(item_id)
        if found is None or found.deleted:
            return False
        item = replace(found.item, available=False)
        stored = await self._store.put_item(item, deleted=True)
        assert stored is not None, "a write over whatever is there always succeeds"
        self._hide(stored)
        return True

    async def follow(self) -> None:
        """Show what others write, until cancelled; the store is asked again and again where it fails."""
        while True:
            try:
                async with aclosing(self._store.watch_items(self._since)) as changes:  # type: ignore[type-var]
                    async for batch in changes:
                        await self._take(batch)
                        if not batch:
                            self.settled.set()
                log.warning("the store told no more of items that change; asking again")
            except RecommenderError as exc:
                log.warning("items that others change are not heard of for now: %s", exc)
            except Exception:
                log.exception("following the items failed; trying again")
            self.settled.set()
            await asyncio.sleep(RETRY_SECONDS)

    async def _take(self, batch: Sequence[StoredItem]) -> None:
        """Bring stored items into the catalogue, those that are not in it yet."""
        news = [one for one in batch if self._versions.get(one.item.item_id) != one.updated]
        for begin in range(0, len(news), TOGETHER):
            some = news[begin : begin + TOGETHER]
            kept = [one for one in some if not one.deleted]
            before = [self._versions.get(one.item.item_id) for one in some]
            arrivals = None
            if kept:
                _, arrivals = await self._senses.in_turn(partial(self._prepare, [one.item for one in kept]))
            after = [self._versions.get(one.item.item_id) for one in some]
            if (
                before != after
            ):  # written here meanwhile, and only the store knows which version is the later one
                present = [await self._store.item(one.item.item_id) for one in some]
                await self._take([one for one in present if one is not None])
                continue
            if arrivals is not None:
                self._show(arrivals, kept)
            for one in some:
                if one.deleted:
                    self._hide(one)
        self._since = max([self._since, *(one.updated for one in batch)])

    def _prepare(self, items: Sequence[Item]) -> tuple[Sensed, Arrivals]:
        sensed = self._senses.sense(items)
        return sensed, self._catalogue.arrivals(items, sensed.content)

    def _show(self, arrivals: Arrivals, stored: Sequence[StoredItem]) -> None:
        self._catalogue.put(arrivals)
        self._versions.update({one.item.item_id: one.updated for one in stored})
        if self.settled.is_set():
            self.lag = max(0.0, time.time() - max(one.updated for one in stored))

    def _hide(self, stored: StoredItem) -> None:
        self._catalogue.hide(stored.item.item_id)
        self._versions[stored.item.item_id] = stored.updated
