"""The items of each category, most popular first, as flat arrays: what sources that think in categories read.

Of the bundle's items only: what came later is not on a shelf yet.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from catalog.records import Floats, History, Ints
from index.protocol import Mask
from towers.cross import DECAY, RECENT, recency


class Shelves:
    """c categories and the items on each; an item may be on several."""

    def __init__(self, categories: Mapping[str, Ints], popularity: Floats) -> None:
        """Sort the items.

        Args:
            categories: rows per category value.
            popularity: `[n]` events in training.
        """
        self.names = tuple(categories)
        sizes = np.array([len(rows) for rows in categories.values()], np.int64)
        rows = np.concatenate([np.zeros(0, np.int64), *categories.values()])
        shelf = np.repeat(np.arange(len(sizes)), sizes)
        order = np.lexsort((-popularity[rows], shelf))
        self.rows = rows[order].astype(np.int32)
        """All shelves end to end,"""
        self.bounds = np.concatenate([[0], np.cumsum(sizes)])
        """`[c + 1]` and where each begins."""
        self.popularity = np.bincount(shelf, popularity[rows], len(sizes))
        """`[c]` events in training."""
        by_item = np.argsort(rows, kind="stable")
        self._of = shelf[by_item].astype(np.int32)
        self._of_bounds = np.searchsorted(rows[by_item], np.arange(len(popularity) + 1))
        self.shelved = np.diff(self._of_bounds) > 0
        """`[n]` whether an item is on any."""

    def visited(self, history: History) -> Floats:
        """`[c]` how much of the latest items' attention each category had, the latest loudest."""
        recent = history.last(RECENT).rows
        loud = recency(len(recent), DECAY)
        known = recent < len(self._of_bounds) - 1
        begin, end = self._of_bounds[recent[known]], self._of_bounds[recent[known] + 1]
        shelf = np.concatenate([np.zeros(0, np.int32), *map(self._slice, begin.tolist(), end.tolist())])
        weight = np.repeat(loud[known] / np.maximum(end - begin, 1), end - begin)
        return np.bincount(shelf, weight, len(self.names)).astype(np.float32)

    def heads(self, shelves: Ints, allowed: Mask, count: int) -> tuple[Ints, Ints, Ints]:
        """The first `count` allowed items of some shelves: rows, which of the shelves, and place on it from 0."""
        parts = []
        for shelf in shelves.tolist():
            on = self.rows[self.bounds[shelf] : self.bounds[shelf + 1]]
            some = on[: 2 * count]
            some = some[allowed[some]]
            parts.append((some if len(some) >= count or len(on) <= 2 * count else on[allowed[on]])[:count])
        sizes = [len(part) for part in parts]
        which = np.repeat(np.arange(len(parts)), sizes)
        place = np.concatenate([np.zeros(0, np.int64), *map(np.arange, sizes)])
        return np.concatenate([np.zeros(0, np.int64), *parts]).astype(np.int64), which, place

    def _slice(self, begin: int, end: int) -> np.ndarray[tuple[int], np.dtype[np.int32]]:
        return self._of[begin:end]
