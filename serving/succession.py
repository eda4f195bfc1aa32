"""Which model answers, and how another takes its place.

What answers is one reference. A request takes it once and works with it to the end, so replacing the reference
between two requests is all that a swap needs. Every worker watches which version is promoted; the one that is asked
to promote another opens it first, so that nothing is promoted that does not open.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from bundle import versions
from bundle.registry import Registry
from catalog.errors import BundleError, ConfigError, NotReadyError, RecommenderError
from embeddings.store import EmbeddingStore
from serving.live.state import GuardedStore
from serving.memory import give_back
from serving.observe.counts import SWAPS, Counts
from serving.online import Online
from serving.settings import Settings

log = logging.getLogger(__name__)
WATCH_SECONDS = 0.5
"""Between two looks at which version is promoted."""
REFUSED_SECONDS = 60.0
"""Until a promoted version that did not open is tried again."""


@dataclass(frozen=True, slots=True)
class Refused:
    """The promoted version, where this process does not answer with it because it does not verify."""

    version: str
    reason: str


@dataclass(slots=True)
class Succession:
    """The model that answers, and those that come after it. Belongs to one event loop."""

    settings: Settings
    store: GuardedStore
    embeddings: EmbeddingStore
    registry: Registry
    counts: Counts
    online: Online | None = None
    reason: str = "the model is being opened"
    """Why there is no model yet."""
    refused: Refused | None = None
    _one_swap: asyncio.Lock = field(default_factory=asyncio.Lock)
    _watcher: asyncio.Task[None] | None = None
    _retiring: set[asyncio.Task[None]] = field(default_factory=set)

    @property
    def present(self) -> Online:
        """What answers; NotReadyError before there is anything."""
        if self.online is None:
            raise NotReadyError(f"expected a model to answer with, found none: {self.reason}")
        return self.online

    async def start(self) -> None:
        """Open the configured model, else the promoted one, which is watched from then on.

        Where the promoted one does not verify, the latest that served before it and does answers instead.

        Raises:
            NotReadyError: nothing was promoted yet.
            BundleError: see `Model.open`.
        """
        try:
            async with self._one_swap:
                self._show(await self._first())
        finally:
            if self.settings.bundle is None:
                self._watcher = asyncio.create_task(self._watch())

    async def close(self) -> None:
        """Stop watching, and close all models."""
        if self._watcher is not None:
            self._watcher.cancel()
            with suppress(asyncio.CancelledError):
                await self._watcher
        await asyncio.gather(*self._retiring)
        if self.online is not None:
            await self.online.close()

    async def promote(self, version: str) -> str | None:
        """Let all workers answer with a version, this one at once; returns the one before it.

        Raises:
            BundleError: there is no such version, or it does not open; the old one goes on.
            ConfigError: this service is bound to one bundle.
        """
        self._must_watch()
        path = versions.folder_of(self.settings.bundles, version)
        return await self._change(path, lambda: self.registry.promote(version, "http"))

    async def rollback(self) -> str | None:
        """Let all workers answer with the version that served before; returns the one that is left.

        Raises:
            BundleError: there is none, or it does not open; the present one goes on.
            ConfigError: this service is bound to one bundle.
        """
        self._must_watch()
        earlier = versions.earlier(self.settings.bundles)
        if not earlier:
            raise BundleError("expected an earlier version to go back to, found none")
        path = self.settings.bundles / earlier[-1]
        return await self._change(path, lambda: self.registry.rollback("http"))

    def _must_watch(self) -> None:
        if self.settings.bundle is not None:
            raise ConfigError(
                f"expected a service that follows what is promoted, found one that is bound to "
                f"{self.settings.bundle}; start it without TOWERBRIDGE_SERVE_BUNDLE"
            )

    async def _change(self, path: Path, decide: Callable[[], Path]) -> str | None:
        """Open a version, let it be the promoted one, and answer with it from then on."""
        async with self._one_swap:
            before = versions.serving(self.settings.bundles)
            fresh = None if self._answers(path.name) else await self._open(path)
            try:
                await asyncio.to_thread(decide)
            except BaseException:
                if fresh is not None:
                    await fresh.close()
                raise
            if fresh is not None:
                self._show(fresh)
            self.refused = None
            return before

    async def _first(self) -> Online:
        """What a process that begins answers with."""
        if self.settings.bundle is not None:
            return await self._open(self.settings.bundle)
        promoted = versions.serving(self.settings.bundles)
        failed: BundleError | None = None
        for path in versions.in_turn(self.settings.bundles):
            try:
                fresh = await self._open(path)
            except BundleError as exc:
                failed = failed or exc
                continue
            if promoted is not None and path.name != promoted:
                self.refused = Refused(promoted, str(failed) if failed else "its folder is gone")
                log.error(
                    "%s answers, not %s, which is promoted: %s", path.name, promoted, self.refused.reason
                )
            return fresh
        assert failed is not None, "in_turn names a version or raises"
        raise failed

    async def _watch(self) -> None:
        """Follow what is promoted, by whomever, until cancelled."""
        tried = (self.refused.version, time.monotonic() + REFUSED_SECONDS) if self.refused else None
        confirmed: str | None = None
        while True:
            await asyncio.sleep(WATCH_SECONDS)
            try:
                name = await asyncio.to_thread(versions.serving, self.settings.bundles)
                if name is None or (tried is not None and tried[0] == name and time.monotonic() < tried[1]):
                    continue
                if not self._answers(name):
                    tried = (name, time.monotonic() + REFUSED_SECONDS)
                    await self._take(name)
                tried = self.refused = None
                if confirmed != name:
                    confirmed = name
                    await asyncio.to_thread(self.registry.confirm, name, "worker")
            except (RecommenderError, OSError) as exc:
                log.error("the promoted version is not taken, the old one goes on: %s", exc)
            except Exception:
                log.exception("watching the promoted version failed; trying again")

    async def _take(self, version: str) -> None:
        """Answer with a version that others promoted."""
        async with self._one_swap:
            if self._answers(version):
                return
            try:
                self._show(await self._open(versions.folder_of(self.settings.bundles, version)))
            except BundleError as exc:
                self.refused = Refused(version, str(exc))
                raise

    async def _open(self, path: Path) -> Online:
        """A model, ready beside the one that answers; the registry is told of one that does not open."""
        try:
            fresh = await Online.start(
                path, self.settings, self.store, self.embeddings, self.counts.recommended
            )
        except BundleError as exc:
            self.counts.add(SWAPS, "refused")
            if self.settings.bundle is None:
                await asyncio.to_thread(self.registry.refuse, path.name, "worker", str(exc))
            raise
        self.counts.add(SWAPS, "done")
        return fresh

    def _answers(self, version: str) -> bool:
        return self.online is not None and self.online.model.bundle.version == version

    def _show(self, fresh: Online) -> None:
        """From the next request on, answer with another model; the one before is closed when it is done."""
        before, self.online = self.online, fresh
        if before is not None:
            log.info("model %s answers after %s", fresh.model.bundle.version, before.model.bundle.version)
            retiring = asyncio.create_task(_retire(before, set(self._retiring)))
            self._retiring.add(retiring)
            retiring.add_done_callback(self._retiring.discard)


async def _retire(before: Online, earlier: set[asyncio.Task[None]]) -> None:
    """Close a model when nobody answers with it any more, and be left with the memory that it took.

    The `earlier` ones first: a request that began with one of them may have come to hold this one, uncounted.
    """
    if earlier:
        await asyncio.wait(earlier)
    await before.retire()
    del before
    await asyncio.to_thread(give_back)
