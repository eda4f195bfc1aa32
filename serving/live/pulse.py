"""What users do now, whichever worker they tell: followed in the store, and told to the source that trends.

One small question every few seconds, not one per request: which live events came since the last one. Clocks of
workers differ and writes take their time, so each question looks back a little further, and what was told is known.
"""

from __future__ import annotations

import asyncio
import logging
import time

from catalog.errors import RecommenderError
from catalog.schema import DatasetSchema
from serving.live.state import GuardedStore, to_history
from serving.names import Names
from serving.sources.trending import Trending, worths

log = logging.getLogger(__name__)
TOGETHER = 5_000
"""Events that are read at once."""
LOOK_BACK = 5 * 10**9
"""Nanoseconds by which clocks may differ, and a write may take."""


class Pulse:
    """Follows live events for one model. Belongs to one event loop."""

    def __init__(
        self,
        trending: Trending,
        ids: Names,
        schema: DatasetSchema,
        store: GuardedStore,
        as_of: float,
        seconds: float,
    ) -> None:
        """Prepare to follow.

        Args:
            trending: told of all live events.
            ids: of the catalogue.
            schema: what types of events there are.
            store: where events are kept.
            as_of: up to when the bundle knows of events, in seconds since the epoch.
            seconds: between two questions.
        """
        self._trending = trending
        self._ids = ids
        self._schema = schema
        self._store = store
        now = time.time()
        self._since = int(max(min(as_of, now), now - trending.window) * 1e9)
        self._seconds = seconds
        self._told: dict[object, int] = {}

    async def follow(self) -> None:
        """Hear of what comes, until cancelled; where the store fails it is asked again."""
        while True:
            try:
                await self.catch_up()
            except RecommenderError as exc:
                log.warning("what trends is not heard of for now: %s", exc)
            except Exception:
                log.exception("following what users do failed; trying again")
            await asyncio.sleep(self._seconds)

    async def catch_up(self) -> None:
        """Hear of all that came so far.

        Raises:
            StoreError: the store does not answer.
        """
        since = self._since - LOOK_BACK
        while True:
            news = await self._store.news(since, TOGETHER)
            fresh = [at for at, key in enumerate(news.keys) if key not in self._told]
            self._told |= zip(news.keys, news.sequences, strict=True)
            history = to_history(self._ids, self._schema, news.events.take(fresh))
            self._trending.hear(
                history.rows, history.times, worths(self._schema, history.types, history.values)
            )
            # A crowd of events of one nanosecond would be read again for ever.
            since = max(since + 1, *news.sequences[-1:]) if news.sequences else since
            if len(news.keys) < TOGETHER:
                break
        self._since = max(self._since, since)
        self._told = {key: at for key, at in self._told.items() if at >= self._since - LOOK_BACK}
