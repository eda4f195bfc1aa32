"""What a serving process holds: the open model, the guarded store, the settings.

The model is one reference. A request takes it once and works with it to the end, so that replacing the reference
between two requests is all that a swap needs.
"""

from __future__ import annotations

import asyncio
import gc
import logging
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from functools import cached_property, partial

import numpy as np
from fastapi import Request

from bundle.reader import Bundle
from bundle.versions import current
from catalog.errors import DataError, NotReadyError, StoreError
from catalog.mongo import database_name
from catalog.mongo_live import MongoLiveStore
from catalog.records import History, Ints
from catalog.schema import DatasetSchema
from catalog.store import LiveStore
from embeddings.mongo import MongoEmbeddingStore
from embeddings.store import EmbeddingStore, MemoryEmbeddingStore
from serving.catalogue import Catalogue
from serving.inputs import ListIn, PageIn, RecommendationsIn
from serving.likeness import Profile, Weights
from serving.pipeline import NO_ROWS, Pipeline, PipelineConfig, Query, Ranked, UserState
from serving.senses import LARGE, Senses
from serving.settings import Settings
from serving.state import GuardedStore, Known, load, stranger
from serving.stock import Stock
from serving.titles import Titles

log = logging.getLogger(__name__)
GC_AFTER = 20_000
"""Objects made before the collector looks for cycles among the young ones."""
CATCH_UP_SECONDS = 30.0
"""Longest wait, before the first answer, for the items that changed since the model was trained."""
WARM_UP = 20
"""Answers computed before the first request, so that it is not the slow one."""


class Model:
    """One bundle, ready to answer."""

    def __init__(self, bundle: Bundle, pipeline: Pipeline, senses: Senses) -> None:
        self.bundle = bundle
        self.pipeline = pipeline
        self.senses = senses

    @classmethod
    def open(cls, settings: Settings, embeddings: EmbeddingStore) -> Model:
        """Open, verify and warm up the configured bundle, else the promoted one of the data set.

        Args:
            settings: which bundle, and how to answer from it.
            embeddings: where the vectors of contents are kept.

        Raises:
            NotReadyError: nothing was promoted yet.
            BundleError: the bundle does not verify, or its probes drift.
        """
        started = time.perf_counter()
        bundle = Bundle.open(settings.bundle or current(settings.bundles))
        drift = bundle.replay_probes()
        pipeline = Pipeline(bundle, PipelineConfig(candidates=settings.candidates))
        model = cls(bundle, pipeline, Senses.open(bundle, embeddings))
        model.warm_up()
        # What is loaded now stays: the collector need not walk it again. A request makes some hundred short-lived
        # objects without cycles, so looking for cycles after every 700 would find nothing several times per request.
        gc.collect()
        gc.freeze()
        gc.set_threshold(GC_AFTER, 20, 20)
        log.info(
            "model %s of %s: %d items, probes within %.1e, ready in %.2f s",
            bundle.version, bundle.manifest.dataset, len(bundle.items), max(drift.values()),
            time.perf_counter() - started,
        )  # fmt: skip
        return model

    @property
    def catalogue(self) -> Catalogue:
        """The items that it answers with."""
        return self.pipeline.catalogue

    @property
    def schema(self) -> DatasetSchema:
        """What the data set declares."""
        return self.bundle.manifest.dataset_schema

    @property
    def as_of(self) -> float:
        """When the items of the bundle were read for training; bundles that do not say were made at once."""
        moment = self.bundle.manifest.training.get("as_of")
        return float(moment) if isinstance(moment, int | float) else self.bundle.manifest.created.timestamp()

    def query(self, asked: PageIn) -> Query:
        """Filters and page of a request, in rows.

        Raises:
            DataError: a category is asked for, and the data set declares none.
        """
        if asked.category and self.schema.category is None:
            raise DataError(
                f"expected no category: the data set {self.bundle.manifest.dataset} declares none; "
                f"found {asked.category[0]!r}"
            )
        if not isinstance(asked, ListIn):
            return Query(asked.limit, asked.offset, categories=tuple(asked.category))
        excluded = self.catalogue.ids.rows(asked.exclude) if asked.exclude else NO_ROWS
        return Query(
            asked.limit, asked.offset, excluded[excluded >= 0], tuple(asked.category), asked.diversity,
            isinstance(asked, RecommendationsIn) and asked.explain,
        )  # fmt: skip

    async def alike(self, profile: Profile, weights: Weights, query: Query, seen: Ints) -> Ranked:
        """`Pipeline.alike`, in a thread where it takes long."""
        items = self.catalogue.now
        dims = self.bundle.manifest.dims
        alike = partial(self.pipeline.alike, profile, weights, query, seen)
        if len(items) * (dims.text + dims.image + dims.vector) > LARGE:
            return await self.senses.beside(alike)
        return alike()

    def close(self) -> None:
        """End its threads."""
        self.senses.close()
        self.catalogue.index.close()

    @cached_property
    def titles(self) -> Titles:
        """Rows by title, made with the first question for one."""
        return Titles(self.catalogue)

    def state(self, known: Known) -> UserState:
        """What is known of a user, in rows of the catalogue as it is now."""
        return known.state(self.catalogue.ids, self.schema)

    def warm_up(self) -> None:
        """Answer some requests of a made-up user with a history."""
        count = min(len(self.bundle.items), self.bundle.manifest.dims.history)
        rows = np.arange(count, dtype=np.int64)
        history = History(
            rows, np.ones(count, np.int64), np.full(count, np.nan, np.float32), rows.astype(np.float64)
        )
        for _ in range(WARM_UP):
            self.pipeline.recommend(UserState(None, history, rows), Query(explain=True, diversity=0.5))


@dataclass(slots=True)
class Service:
    """The process's state; requests reach it through `service_of`. Belongs to one event loop."""

    settings: Settings
    store: GuardedStore
    embeddings: EmbeddingStore
    loaded: Model | None = None
    reason: str = "the model is being opened"
    """Why there is no model yet."""
    kept: Stock | None = None
    _follower: asyncio.Task[None] | None = None

    @property
    def model(self) -> Model:
        """The model that answers; NotReadyError before there is one."""
        if self.loaded is None:
            raise NotReadyError(f"expected a model to answer with, found none: {self.reason}")
        return self.loaded

    @property
    def stock(self) -> Stock:
        """Writes and follows the items of the model; NotReadyError before there is one."""
        if self.kept is None:
            raise NotReadyError(f"expected a model to write to, found none: {self.reason}")
        return self.kept

    async def start(self) -> None:
        """Open the model and bring it up to date with what was written since it was trained.

        Raises:
            NotReadyError, BundleError: see `Model.open`.
        """
        model = await asyncio.to_thread(Model.open, self.settings, self.embeddings)
        self.kept = Stock(model.catalogue, model.senses, self.store, model.as_of)
        self._follower = asyncio.create_task(self.kept.follow())
        with suppress(TimeoutError):
            async with asyncio.timeout(CATCH_UP_SECONDS):
                await self.kept.settled.wait()
        self.loaded = model

    async def close(self) -> None:
        """Stop following, and end the threads of the model."""
        while self._follower is not None and not self._follower.done():
            # Until it is: `asyncio.wait_for`, which the driver uses, may swallow one (Python 3.11).
            self._follower.cancel()
            await asyncio.wait([self._follower], timeout=0.2)
        if self.loaded is not None:
            await asyncio.to_thread(self.loaded.close)

    async def known(self, user_id: str, before: float | None = None) -> Known:
        """What is known of a user; nothing, and marked as that, where the store does not answer."""
        try:
            return await load(self.store, user_id, self.settings.history_limit, before)
        except StoreError as exc:
            log.warning("answering from the bundle alone: %s", exc)
            return stranger(user_id)


@asynccontextmanager
async def opened(
    settings: Settings, store: LiveStore | None = None, embeddings: EmbeddingStore | None = None
) -> AsyncIterator[Service]:
    """A service on its stores while the context is open; its model is opened by `start`.

    Args:
        settings: how to answer, and where MongoDB is.
        store: instead of MongoDB.
        embeddings: where content vectors are kept, beside a `store` that is given; in memory by default.
    """
    async with AsyncExitStack() as stack:
        if store is None:
            assert settings.mongodb_uri is not None, "settings name a MongoDB where no store is given"
            database = database_name(settings.dataset)
            reading, writing = (
                max(1, int(s * 1000)) for s in (settings.read_seconds, settings.write_seconds)
            )
            store = await stack.enter_async_context(
                MongoLiveStore.open(settings.mongodb_uri, database, reading)
            )
            embeddings = stack.enter_context(
                MongoEmbeddingStore.open(settings.mongodb_uri, database, writing)
            )
        guarded = GuardedStore(
            store, read_seconds=settings.read_seconds, write_seconds=settings.write_seconds,
            retry_seconds=settings.retry_seconds, user_seconds=settings.user_seconds,
        )  # fmt: skip
        service = Service(settings, guarded, embeddings or MemoryEmbeddingStore())
        stack.push_async_callback(service.close)
        yield service


def service_of(request: Request) -> Service:
    """The service of the app that a request came to."""
    service: Service = request.app.state.service
    return service
