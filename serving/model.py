"""One bundle, open and ready to answer: graphs, catalogue, encoders, and what they need of a request."""

from __future__ import annotations

import asyncio
import gc
import logging
import time
from functools import cached_property, partial
from pathlib import Path

import numpy as np

from bundle.reader import Bundle
from catalog.errors import DataError
from catalog.records import History, Ints
from catalog.schema import DatasetSchema
from embeddings.store import EmbeddingStore
from serving.catalogue import Catalogue
from serving.http.inputs import ListIn, PageIn, RecommendationsIn
from serving.live.state import Known
from serving.recommend.likeness import Profile, Weights
from serving.recommend.pipeline import Pipeline
from serving.recommend.query import NO_ROWS, PipelineConfig, Query, Ranked, UserState
from serving.search.expand import Expansion
from serving.search.senses import LARGE, Senses
from serving.search.synonyms import Synonyms
from serving.search.titles import Titles
from serving.settings import Settings

log = logging.getLogger(__name__)
GC_AFTER = 20_000
"""Objects made before the collector looks for cycles among the young ones."""
WARM_UP = 20
"""Answers computed before the first request, so that it is not the slow one."""


class Model:
    """One bundle, ready to answer."""

    def __init__(self, bundle: Bundle, pipeline: Pipeline, senses: Senses, synonyms: Synonyms) -> None:
        self.bundle = bundle
        self.pipeline = pipeline
        self.senses = senses
        self.expansion = Expansion(pipeline.catalogue, senses, synonyms)
        self._titles: asyncio.Task[Titles] | None = None

    @classmethod
    def open(cls, path: Path, settings: Settings, embeddings: EmbeddingStore) -> Model:
        """Open, verify and warm up a bundle; takes its time, and may take it in a thread.

        Args:
            path: the folder of the bundle.
            settings: how to answer from it.
            embeddings: where the vectors of contents are kept.

        Raises:
            BundleError: the bundle does not verify, or its probes drift.
            ConfigError: the file of synonyms cannot be read.
        """
        started = time.perf_counter()
        bundle = Bundle.open(path)
        drift = bundle.replay_probes()
        config = PipelineConfig(
            candidates=settings.candidates,
            new_every=settings.new_every,
            shares=tuple(settings.shares.items()),
            decay=settings.trending_decay,
        )
        pipeline = Pipeline(bundle, config)
        synonyms = Synonyms.open(settings.synonyms, bundle.path)
        model = cls(bundle, pipeline, Senses.open(bundle, embeddings), synonyms)
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
            asked.time if isinstance(asked, RecommendationsIn) else None,
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

    async def titles(self) -> Titles:
        """Rows by title, read with the first question for one; in a thread, because there may be a million."""
        if self._titles is None:
            self._titles = asyncio.create_task(asyncio.to_thread(Titles, self.catalogue))
        return await asyncio.shield(self._titles)

    @cached_property
    def top_categories(self) -> list[str]:
        """The categories of the bundle's items, those first whose items were taken most."""
        popularity = self.bundle.popularity
        taken = {name: float(popularity[rows].sum()) for name, rows in self.bundle.categories.items()}
        return sorted(taken, key=lambda name: (-taken[name], name))

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
