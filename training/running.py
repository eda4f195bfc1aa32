"""Running statistics: how often something was met, and liked, before any moment. Nothing later is looked at."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from catalog.records import Ints
from towers.tabular import Counts

Times = NDArray[np.float64]


class Running:
    """Counts of events by key `0 … keys - 1`."""

    def __init__(self, of: Ints, times: Times, liked: NDArray[np.bool_], keys: int) -> None:
        """Sort events once.

        Args:
            of: `[events]` the key of each.
            times: `[events]`.
            liked: `[events]`.
            keys: how many there are.
        """
        self._moments = np.unique(times)
        place = np.searchsorted(self._moments, times)
        code = of * (len(self._moments) + 1) + place
        order = np.argsort(code, kind="stable")
        self._code = code[order]
        self._liked = np.concatenate([[0], np.cumsum(liked[order])])
        self._begin = np.searchsorted(self._code, np.arange(keys + 1) * (len(self._moments) + 1))

    def before(self, keys: Ints, time: float) -> Counts:
        """Counts of each key's events earlier than a moment."""
        place = np.searchsorted(self._moments, time)
        end = np.searchsorted(self._code, keys * (len(self._moments) + 1) + place)
        begin = self._begin[keys]
        return Counts(
            (end - begin).astype(np.float32), (self._liked[end] - self._liked[begin]).astype(np.float32)
        )

    def in_the_end(self) -> Counts:
        """Counts of all events, one entry per key."""
        return self.before(np.arange(len(self._begin) - 1), np.inf)
