"""A model while it answers: opened beside the one before it, brought up to date, drained and closed.

What was written since the model was trained is in its catalogue before it answers anything. It is closed when the
last request that may hold it has ended.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from embeddings.store import EmbeddingStore
from serving.live.pulse import Pulse
from serving.live.state import GuardedStore
from serving.live.stock import Stock
from serving.model import Model
from serving.recommend.pipeline import Timed
from serving.settings import Settings

log = logging.getLogger(__name__)
CATCH_UP_SECONDS = 30.0
"""Longest wait, before the first answer, for the items that changed since the model was trained."""
DRAIN_SECONDS = 30.0
"""Longest wait for the requests that a model has begun to answer."""
LOOK_SECONDS = 0.02
"""Between two looks at how many they are."""


@dataclass(slots=True)
class Online:
    """A model, the stock that keeps its items as the store has them, and who works with both."""

    model: Model
    stock: Stock
    requests: int = 0
    """Begun while this was what answers, and not ended yet."""
    _followers: list[asyncio.Task[None]] = field(default_factory=list)

    @classmethod
    async def start(
        cls, path: Path, settings: Settings, store: GuardedStore, embeddings: EmbeddingStore, timed: Timed
    ) -> Online:
        """Open a bundle and bring it up to date with what was written since it was trained.

        Args:
            path: the folder of the bundle.
            settings: how to answer from it.
            store: where items are kept.
            embeddings: where the vectors of contents are kept.
            timed: told how long the stages of each recommendation took.

        Raises:
            BundleError: see `Model.open`.
        """
        model = await asyncio.to_thread(Model.open, path, settings, embeddings)
        model.pipeline.timed = timed
        online = cls(model, Stock(model.catalogue, model.senses, store, model.as_of))
        online._follow(online.stock.follow())
        if (trending := model.pipeline.trending) is not None:
            seconds = settings.trending_seconds
            pulse = Pulse(trending, model.catalogue.ids, model.schema, store, model.as_of, seconds)
            online._follow(pulse.follow())
        try:
            with suppress(TimeoutError):
                async with asyncio.timeout(CATCH_UP_SECONDS):
                    await online.stock.settled.wait()
        except BaseException:
            await online.close()
            raise
        return online

    async def retire(self) -> None:
        """Close once nobody answers with it any more."""
        loop = asyncio.get_running_loop()
        until = loop.time() + DRAIN_SECONDS
        while self.requests and loop.time() < until:
            await asyncio.sleep(LOOK_SECONDS)
        if self.requests:
            log.warning(
                "model %s is closed under %d requests that did not end in %.0f s",
                self.model.bundle.version, self.requests, DRAIN_SECONDS,
            )  # fmt: skip
        await self.close()

    async def close(self) -> None:
        """Stop following, and end the threads of the model."""
        while left := [task for task in self._followers if not task.done()]:
            # Until they are: `asyncio.wait_for`, which the driver uses, may swallow one (Python 3.11).
            for task in left:
                task.cancel()
            await asyncio.wait(left, timeout=0.2)
        await asyncio.to_thread(self.model.close)

    def _follow(self, endless: Coroutine[Any, Any, None]) -> None:
        self._followers.append(asyncio.create_task(endless))
