"""What is taken now: each event counts its worth, less by a factor with every hour since.

    score = Σ worth · decay ^ hours since the event            (decay 0.95: half is gone after 13.5 hours)

Training events come from the bundle, summed by hour; live ones are heard while serving, so the list moves without a
retrain. Asked as of a moment, only what happened before it counts. Where the bundle's events are old news, what
trended last is shown until something newer does: their age is held at the hours after which `FADED` of an event is
left, so a single live event outweighs them all, and their order stays.
"""

from __future__ import annotations

import time
from math import log

import numpy as np
from numpy.typing import NDArray

from bundle.proposals import Trends
from catalog.records import Candidates, Floats, Ints
from catalog.schema import DatasetSchema
from serving.sources.listed import head
from serving.sources.shares import DECAY
from serving.sources.source import Demand

HOUR = 3_600.0
FADED = 1e-6
"""Of an event's worth, what is too little to count."""
MOST = 100_000
"""Live events that are kept, one by one or summed by item and hour."""
Doubles = NDArray[np.float64]


class Trending:
    """Proposes what is taken most of late. Not to be told and asked by two threads at once."""

    name = "trending"
    reads_towers = False

    def __init__(self, seeds: Trends | None, decay: float = DECAY) -> None:
        """Begin with what the bundle knows.

        Args:
            seeds: training events, where their times are known.
            decay: between 0 and 1.
        """
        self._decay = log(decay)
        self.window = HOUR * log(FADED) / self._decay
        """Seconds after which an event has faded."""
        self._seeds = seeds
        self._rows: Ints = np.zeros(0, np.int64)
        self._times: Doubles = np.zeros(0)
        self._worth: Doubles = np.zeros(0)
        self._now: Candidates | None = None
        self._then: dict[float, Candidates] = {}

    def hear(self, rows: Ints, times: Doubles, worth: Doubles) -> None:
        """Add live events `[e]`; what is dated later than now happened now."""
        times, counts = np.minimum(times, time.time()), worth > 0
        if not counts.any():
            return
        self._rows = np.concatenate([self._rows, rows[counts]])
        self._times = np.concatenate([self._times, times[counts]])
        self._worth = np.concatenate([self._worth, worth[counts]])
        if len(self._rows) > MOST:
            self._condense()
        self._now = None
        self._then.clear()

    def find(self, demand: Demand) -> Candidates:
        """The most taken before the moment of the demand, where one is given."""
        listed = self._listed(demand.time)
        place = head(np.arange(len(listed)), demand.allowed[listed.rows], demand.k)
        return Candidates(listed.rows[place], listed.scores[place])

    def _listed(self, moment: float | None) -> Candidates:
        """All items that anything speaks for, best first."""
        if moment is None:
            if self._now is None:  # its order does not change while nothing is heard
                self._now = self._scored(time.time(), np.inf)
            return self._now
        if moment not in self._then:
            if len(self._then) >= 16:
                self._then.clear()
            self._then[moment] = self._scored(moment, moment)
        return self._then[moment]

    def _scored(self, now: float, before: float) -> Candidates:
        live = self._times < before
        rows, aged = [self._rows[live]], [self._worth[live] * self._left(now - self._times[live])]
        if self._seeds is not None:
            seeds = self._seeds
            end = len(seeds.hours) if before == np.inf else int(np.searchsorted(seeds.hours, before // HOUR))
            latest = int(seeds.hours[end - 1]) if end else 0
            begin = int(np.searchsorted(seeds.hours, latest - self.window / HOUR))
            hours = seeds.hours[begin:end].astype(np.float64)
            since = min(max(now - (latest + 1) * HOUR, 0), self.window)
            rows.append(seeds.rows[begin:end].astype(np.int64))
            age = (latest - hours) * HOUR + since
            aged.append(seeds.worth[begin:end].astype(np.float64) * self._left(age))
        found, place = np.unique(np.concatenate(rows), return_inverse=True)
        scores = np.bincount(place, np.concatenate(aged), len(found))
        order = np.lexsort((found, -scores))
        return Candidates(found[order], scores[order].astype(np.float32))

    def _left(self, age: Doubles) -> Doubles:
        """What is left of an event after so many seconds."""
        left: Doubles = np.exp(np.maximum(age, 0) / HOUR * self._decay)
        return left

    def _condense(self) -> None:
        """Sum events by item and hour, and let go of those that have faded and, beyond `MOST` / 2, of the oldest."""
        hours = np.floor(self._times / HOUR).astype(np.int64)
        span = int(self._rows.max()) + 1
        cells, place = np.unique(hours * span + self._rows, return_inverse=True)
        worth = np.bincount(place, self._worth).astype(np.float64)
        times = np.bincount(place, self._worth * self._times) / worth
        kept = np.flatnonzero(times > times.max() - self.window)[-MOST // 2 :]
        self._rows, self._times, self._worth = cells[kept] % span, times[kept], worth[kept]


def worths(schema: DatasetSchema, types: Ints, values: Floats) -> Doubles:
    """What each of some events speaks for its item, `[e]`: see `InteractionType.worth`.

    Args:
        schema: declares the types.
        types: `[e]` codes, 0 for types that are not declared.
        values: `[e]`, NaN where an event has none.
    """
    kinds = list(schema.interactions.values())
    worth = np.array([0.0, *(kind.worth() for kind in kinds)])
    least = [kind.positive_from for kind in kinds]
    liked = np.array([-np.inf, *(-np.inf if each is None else each for each in least)])
    found: Doubles = np.where(values < liked[types], 0.0, worth[types])
    return found
