"""Keeps a sample of what was shown, beside the answers: noting one takes microseconds and never fails.

Lists wait in memory and are written together once a second. Where the store is away, or slower than lists come, they
are dropped and counted.
"""

from __future__ import annotations

import asyncio
import logging
import time
from math import isfinite
from random import random

from catalog.errors import StoreError
from catalog.impressions import Impression, ImpressionStore
from serving.model import Model
from serving.observe.counts import IMPRESSIONS, Counts
from serving.recommend.query import Ranked

log = logging.getLogger(__name__)
MOST_WAITING = 5_000
EVERY_SECONDS = 1.0
WRITE_SECONDS = 5.0
"""Longest wait for the store."""


class Impressions:
    """Notes what is shown. Belongs to one event loop."""

    def __init__(self, store: ImpressionStore, counts: Counts, share: float) -> None:
        """Keep a sample.

        Args:
            store: where they are kept.
            counts: told of what was kept and what was dropped.
            share: of all lists, how many are noted: 0 … 1.
        """
        self.store = store
        self._counts = counts
        self._share = share
        self._waiting: list[Impression] = []

    def note(self, request_id: str, user_id: str, model: Model, ranked: Ranked) -> None:
        """A list of a model's was shown; scores that are not finite are none."""
        if random() >= self._share:
            return
        if len(self._waiting) >= MOST_WAITING:
            self._counts.add(IMPRESSIONS, "dropped")
            return
        ids = model.catalogue.ids
        scores = [round(score, 6) if isfinite(score) else None for score in ranked.scores.tolist()]
        self._waiting.append(
            Impression(
                request_id, user_id, time.time(), model.bundle.version,
                [ids[row] for row in ranked.rows.tolist()], scores, ranked.sources,
            )
        )  # fmt: skip

    async def follow(self) -> None:
        """Write what was noted, again and again, until cancelled."""
        while True:
            await asyncio.sleep(EVERY_SECONDS)
            await self.flush()

    async def flush(self) -> None:
        """Write what was noted until now, or drop it."""
        waiting, self._waiting = self._waiting, []
        if not waiting:
            return
        try:
            async with asyncio.timeout(WRITE_SECONDS):
                await self.store.append(waiting)
            self._counts.add(IMPRESSIONS, "kept", len(waiting))
        except (StoreError, TimeoutError) as exc:
            log.warning("%d lists that were shown are not kept: %s", len(waiting), exc)
            self._counts.add(IMPRESSIONS, "dropped", len(waiting))
        except Exception:
            log.exception("%d lists that were shown are not kept", len(waiting))
            self._counts.add(IMPRESSIONS, "dropped", len(waiting))
