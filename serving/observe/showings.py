"""What was shown lately, summed up as it comes: a list is read once, however often and by however many it is asked.

The days are cut into parts. What settled is added to the open part, parts that are full are kept as sparse sums, and
those that are too old are subtracted again; only the latest seconds, in which lists may still be on their way to the
store, are read anew with each look.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from math import floor

import numpy as np

from catalog.impressions import ImpressionStore, Shown
from catalog.records import Ints

DAY = 86_400.0
PARTS = 144
"""Of a day ten minutes each. Days begin with a part, so up to one more of them is counted than was asked for."""
SETTLED_SECONDS = 15.0
"""Until a list that was shown is in the store, or never will be: it waits for a second, and writing for a few."""
SPANS = 2
"""Different numbers of days of which sums are kept."""


@dataclass(frozen=True, slots=True)
class _Part:
    """Sums of one part."""

    index: int
    lists: int
    places: Ints
    counts: Ints


class Showings:
    """What was shown in the last days, for all who look. Belongs to one event loop."""

    def __init__(self, store: ImpressionStore) -> None:
        self._store = store
        self._lately: dict[float, Lately] = {}

    async def look(self, days: float) -> Shown:
        """What was shown in so many days; StoreError where the store does not answer."""
        lately = self._lately.pop(days, None) or Lately(self._store, days)
        self._lately[days] = lately
        while len(self._lately) > SPANS:
            del self._lately[next(iter(self._lately))]
        return await lately.look()


class Lately:
    """Running sums of what was shown in some days up to now."""

    def __init__(self, store: ImpressionStore, days: float, clock: Callable[[], float] = time.time) -> None:
        """Know nothing yet.

        Args:
            store: where lists are kept.
            days: how far back.
            clock: seconds since the epoch.
        """
        self._store = store
        self._clock = clock
        self._seconds = days * DAY
        self._width = self._seconds / PARTS
        self._one_look = asyncio.Lock()
        self._index = 0
        """Of the part that is being filled."""
        self._read = 0.0
        """Up to when all is summed."""
        self._items: dict[str, int] = {}
        """The place of an item in all sums."""
        self._parts: deque[_Part] = deque()
        self._full: Ints = np.zeros(0, np.int64)
        """Sums of all full parts,"""
        self._open: Ints = np.zeros(0, np.int64)
        """and of the one that is being filled."""
        self._open_lists = 0

    async def look(self) -> Shown:
        """What was shown, to the last list that the store has.

        What was read stays read when a look is cancelled, because it took too long: the next one goes on.
        """
        async with self._one_look:
            now = self._clock()
            self._forget(floor((now - self._seconds) / self._width))
            while self._read < now - SETTLED_SECONDS:
                end = (self._index + 1) * self._width
                until = min(end, now - SETTLED_SECONDS)
                self._add(await self._store.shown(self._read, until))
                self._read = until
                if until == end:
                    self._close()
            latest = await self._store.shown(self._read)
            total = self._full + self._open
            counts = {name: int(total[place]) for name, place in self._items.items() if total[place]}
            for name, count in latest.counts.items():
                counts[name] = counts.get(name, 0) + count
            lists = self._open_lists + sum(part.lists for part in self._parts) + latest.lists
            return Shown(lists, counts)

    def _restart(self, index: int) -> None:
        """Begin with a part, and nothing."""
        self._index = index
        self._read = index * self._width
        self._parts.clear()
        self._items.clear()
        self._full = self._open = np.zeros(0, np.int64)
        self._open_lists = 0

    def _forget(self, first: int) -> None:
        """Let go of all parts before one."""
        if self._index < first:
            self._restart(first)
        while self._parts and self._parts[0].index < first:
            old = self._parts.popleft()
            self._full[old.places] -= old.counts

    def _add(self, shown: Shown) -> None:
        places = np.array([self._items.setdefault(name, len(self._items)) for name in shown.counts], np.int64)
        more = len(self._items) - len(self._open)
        if more > 0:  # for twice as many, so that a growing catalogue is not copied with each look
            self._full, self._open = (
                np.concatenate([sums, np.zeros(len(self._items), np.int64)])
                for sums in (self._full, self._open)
            )
        self._open[places] += np.fromiter(shown.counts.values(), np.int64, len(places))
        self._open_lists += shown.lists

    def _close(self) -> None:
        """The open part is full: the next one begins."""
        places = np.flatnonzero(self._open)
        counts = self._open[places]
        self._full[places] += counts
        self._parts.append(
            _Part(self._index, self._open_lists, places.astype(np.int32), counts.astype(np.int32))
        )
        self._open[:] = 0
        self._open_lists = 0
        self._index += 1
