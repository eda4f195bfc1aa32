"""What is taken now: each event counts its worth, less by a factor with every hour since.

    score = Σ worth · decay ^ hours since the event            (decay 0.95: half is gone after 13.5 hours)

Training events come from the bundle, summed by hour; live ones are heard while serving, so the list moves without a
retrain. Asked as of a moment, only what happened before it counts. Where the bundle's events are old news, what
trended last is shown until something newer does: their age is held at the hours after which `FADED` of an event is
left, so a single live event outweighs them all, and their order stays.
"""

from __future__ import annotations

import time
from math import exp, log

import numpy as np
from numpy.typing import NDArray

from bundle.proposals import Trends
from catalog.records import Candidates, Floats, Ints
from catalog.schema import DatasetSchema
from index.protocol import best
from serving.sources.listed import head
from serving.sources.shares import DECAY
from serving.sources.source import Demand

HOUR = 3_600.0
FADED = 1e-6
"""Of an event's worth, what is too little to count."""
MOST = 100_000
"""Live events that are kept, one by one or summed by item and hour."""
STALE = 60.0
"""Seconds after which the scores of live events are computed anew, though none came."""
Doubles = NDArray[np.float64]


class Trending:
    """Proposes what is taken most of late. Not to be told and asked by two threads at once."""

    name = "trending"

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
        self._seeded = np.zeros(0) if seeds is None else self._summed(seeds, len(seeds.hours))
        """What the bundle's events were worth as of the last of them, by row,"""
        there = np.flatnonzero(self._seeded)
        self._order: Ints = there[np.argsort(-self._seeded[there], kind="stable")]
        """and the rows best first."""
        self._rows: Ints = np.zeros(0, np.int64)
        self._times: Doubles = np.zeros(0)
        self._worth: Doubles = np.zeros(0)
        self._fresh: Candidates | None = None
        self._until = 0.0

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
        self._fresh = None

    def find(self, demand: Demand) -> Candidates:
        """The most taken before the moment of the demand, where one is given."""
        return self._now(demand) if demand.time is None else self._as_of(demand, demand.time)

    def _now(self, demand: Demand) -> Candidates:
        """Of what users did of late and of what the bundle knows, each in its order, the best of both."""
        now = time.time()
        if self._fresh is None or now > self._until:
            self._fresh, self._until = self._heard(now), now + STALE
        fresh, order = self._fresh, self._order
        first = head(fresh.rows, demand.allowed, demand.k)
        others = demand.allowed.copy()
        others[fresh.rows] = False
        old = order[head(order, others, demand.k)]
        rows = np.concatenate([fresh.rows[first], old])
        scores = np.concatenate([fresh.scores[first], self._seeded[old] * self._left_of_seeds(now)])
        return best(rows, scores.astype(np.float32), demand.k)

    def _as_of(self, demand: Demand, moment: float) -> Candidates:
        live = self._times < moment
        aged = self._worth[live] * self._left(moment - self._times[live])
        scores: Doubles = np.bincount(self._rows[live], aged, len(demand.allowed)).astype(np.float64)
        if self._seeds is not None:
            end = int(np.searchsorted(self._seeds.hours, moment // HOUR))
            seeded = self._summed(self._seeds, end)
            scores[: len(seeded)] += seeded * self._left_of_seeds(moment, end)
        rows = np.flatnonzero(demand.allowed & (scores > 0))
        return best(rows, scores[rows].astype(np.float32), demand.k)

    def _heard(self, now: float) -> Candidates:
        """All items of live events that have not faded, best first."""
        lately = self._times > now - self.window
        rows, place = np.unique(self._rows[lately], return_inverse=True)
        aged = self._worth[lately] * self._left(now - self._times[lately])
        scores = np.bincount(place, aged, len(rows)).astype(np.float64)
        known = rows < len(self._seeded)
        scores[known] += self._seeded[rows[known]] * self._left_of_seeds(now)
        order = np.argsort(-scores, kind="stable")
        return Candidates(rows[order], scores[order].astype(np.float32))

    def _summed(self, seeds: Trends, end: int) -> Doubles:
        """What the first `end` training events were worth by row, as of the hour of the last of them."""
        if not end:
            return np.zeros(0)
        latest = int(seeds.hours[end - 1])
        begin = int(np.searchsorted(seeds.hours, latest - self.window / HOUR))
        left = self._left(HOUR * np.arange(latest - int(seeds.hours[begin]) + 1, dtype=np.float64))
        aged = seeds.worth[begin:end] * left.take(latest - seeds.hours[begin:end])
        return np.bincount(seeds.rows[begin:end], aged).astype(np.float64)

    def _left_of_seeds(self, now: float, end: int | None = None) -> float:
        """What is left of training events since the hour of the last of them: they do not fade beyond `FADED`."""
        if self._seeds is None or end == 0 or not len(self._seeds.hours):
            return 0.0
        latest = int(self._seeds.hours[-1 if end is None else end - 1])
        age = min(max(now - (latest + 1) * HOUR, 0.0), self.window)
        return exp(age / HOUR * self._decay)

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
