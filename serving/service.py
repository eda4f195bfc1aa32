"""What a serving process holds: the model that answers, the guarded store, the settings, and what it notes."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass

from fastapi import Request

from bundle.registry import Registry
from catalog.errors import StoreError
from catalog.impressions import ImpressionStore, MemoryImpressions, MongoImpressions
from catalog.ledger import Ledger, MemoryLedger
from catalog.mongo import database_name
from catalog.mongo_ledger import MongoLedger
from catalog.mongo_live import MongoLiveStore
from catalog.store import LiveStore
from embeddings.mongo import MongoEmbeddingStore
from embeddings.store import EmbeddingStore, MemoryEmbeddingStore
from serving.live.impressions import Impressions
from serving.live.state import GuardedStore, Known, load, stranger
from serving.live.stock import Stock
from serving.model import Model
from serving.observe.counts import Counts
from serving.observe.overview import Window
from serving.observe.showings import Showings
from serving.online import Online
from serving.settings import Settings
from serving.succession import Succession

log = logging.getLogger(__name__)


@dataclass(slots=True)
class Service:
    """The process's state; requests reach it through `service_of`. Belongs to one event loop."""

    settings: Settings
    store: GuardedStore
    registry: Registry
    succession: Succession
    counts: Counts
    impressions: Impressions
    window: Window
    showings: Showings
    _keeper: asyncio.Task[None] | None = None

    @property
    def online(self) -> Online | None:
        """What answers; None before there is anything."""
        return self.succession.online

    @property
    def model(self) -> Model:
        """The model that answers; NotReadyError before there is one."""
        return self.succession.present.model

    @property
    def stock(self) -> Stock:
        """Writes and follows the items of the model; NotReadyError before there is one."""
        return self.succession.present.stock

    async def start(self) -> None:
        """Keep what is shown from now on, and open the model; see `Succession.start`."""
        self._keeper = asyncio.create_task(self.impressions.follow())
        await self.succession.start()

    async def close(self) -> None:
        """Keep what was shown, and close all models."""
        if self._keeper is not None:
            self._keeper.cancel()
            with suppress(asyncio.CancelledError):
                await self._keeper
        await self.impressions.flush()
        await self.succession.close()

    async def known(self, user_id: str, before: float | None = None) -> Known:
        """What is known of a user; nothing, and marked as that, where the store does not answer."""
        began = time.perf_counter()
        try:
            known = await load(self.store, user_id, self.settings.history_limit, before)
        except StoreError as exc:
            log.warning("answering from the bundle alone: %s", exc)
            return stranger(user_id)
        self.counts.fetched(time.perf_counter() - began)
        return known


@asynccontextmanager
async def opened(
    settings: Settings,
    store: LiveStore | None = None,
    embeddings: EmbeddingStore | None = None,
    ledger: Ledger | None = None,
    counts: Counts | None = None,
) -> AsyncIterator[Service]:
    """A service on its stores while the context is open; its model is opened by `start`.

    Args:
        settings: how to answer, and where MongoDB is.
        store: instead of MongoDB.
        embeddings: where content vectors are kept, beside a `store` that is given; in memory by default.
        ledger: where the stories of models are kept, likewise.
        counts: what is counted; by default no request is.
    """
    async with AsyncExitStack() as stack:
        if store is None:
            assert settings.mongodb_uri is not None, "settings name a MongoDB where no store is given"
            database = database_name(settings.dataset)
            reading, writing = (
                max(1, int(s * 1000)) for s in (settings.read_seconds, settings.write_seconds)
            )
            store = live = await stack.enter_async_context(
                MongoLiveStore.open(settings.mongodb_uri, database, reading)
            )
            embeddings = stack.enter_context(
                MongoEmbeddingStore.open(settings.mongodb_uri, database, writing)
            )
            ledger = stack.enter_context(MongoLedger.open(settings.mongodb_uri, database, writing))
            impressions: ImpressionStore = MongoImpressions(live.database, settings.impression_days)
        else:
            impressions = MemoryImpressions()
        guarded = GuardedStore(
            store, read_seconds=settings.read_seconds, write_seconds=settings.write_seconds,
            retry_seconds=settings.retry_seconds, user_seconds=settings.user_seconds,
        )  # fmt: skip
        registry = Registry(settings.bundles, ledger or MemoryLedger())
        counts = counts or Counts()
        succession = Succession(settings, guarded, embeddings or MemoryEmbeddingStore(), registry, counts)
        service = Service(
            settings, guarded, registry, succession, counts,
            Impressions(impressions, counts, settings.impressions), Window(counts), Showings(impressions),
        )  # fmt: skip
        stack.push_async_callback(service.close)
        yield service


def service_of(request: Request) -> Service:
    """The service of the app that a request came to."""
    service: Service = request.app.state.service
    return service
