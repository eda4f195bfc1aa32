"""What a serving process holds: the open model, the guarded store, the settings.

The model is one reference. A request takes it once and works with it to the end, so that replacing the reference
between two requests is all that a swap needs.
"""

from __future__ import annotations

import gc
import logging
import time
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from fastapi import Request

from bundle.reader import Bundle
from bundle.versions import current
from catalog.errors import NotReadyError, StoreError
from catalog.records import History
from serving.catalogue import Catalogue
from serving.pipeline import Pipeline, PipelineConfig, Query, UserState
from serving.settings import Settings
from serving.state import GuardedStore, Known, load, stranger
from serving.titles import Titles

log = logging.getLogger(__name__)
GC_AFTER = 20_000
"""Objects made before the collector looks for cycles among the young ones."""
WARM_UP = 20
"""Answers computed before the first request, so that it is not the slow one."""


class Model:
    """One bundle, ready to answer."""

    def __init__(self, bundle: Bundle, pipeline: Pipeline) -> None:
        self.bundle = bundle
        self.pipeline = pipeline

    @classmethod
    def open(cls, settings: Settings) -> Model:
        """Open, verify and warm up the configured bundle, else the promoted one of the data set.

        Raises:
            NotReadyError: nothing was promoted yet.
            BundleError: the bundle does not verify, or its probes drift.
        """
        started = time.perf_counter()
        bundle = Bundle.open(settings.bundle or current(settings.bundles))
        drift = bundle.replay_probes()
        model = cls(bundle, Pipeline(bundle, PipelineConfig(candidates=settings.candidates)))
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

    @cached_property
    def titles(self) -> Titles:
        """Rows by title, made with the first question for one."""
        return Titles(self.catalogue)

    def state(self, known: Known) -> UserState:
        """What is known of a user, in rows of the catalogue as it is now."""
        return known.state(self.catalogue.ids, self.bundle.manifest.dataset_schema)

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
    """The process's state; requests reach it through `service_of`."""

    settings: Settings
    store: GuardedStore
    loaded: Model | None = None
    reason: str = "the model is being opened"
    """Why there is no model yet."""

    @property
    def model(self) -> Model:
        """The model that answers; NotReadyError before there is one."""
        if self.loaded is None:
            raise NotReadyError(f"expected a model to answer with, found none: {self.reason}")
        return self.loaded

    async def known(self, user_id: str, before: float | None = None) -> Known:
        """What is known of a user; nothing, and marked as that, where the store does not answer."""
        try:
            return await load(self.store, user_id, self.settings.history_limit, before)
        except StoreError as exc:
            log.warning("answering from the bundle alone: %s", exc)
            return stranger(user_id)


def service_of(request: Request) -> Service:
    """The service of the app that a request came to."""
    service: Service = request.app.state.service
    return service
