"""Sources that have one list for everybody: most popular first, best value first."""

from __future__ import annotations

import numpy as np

from catalog.records import Candidates, Floats, Ints
from index.protocol import Mask
from serving.sources.source import Demand


class Listed:
    """Proposes the head of one list that was put in order beforehand."""

    reads_towers = False

    def __init__(self, name: str, rows: Ints, scores: Floats) -> None:
        """Prepare to read a list.

        Args:
            name: of the source.
            rows: best first.
            scores: `[n]` of all rows of the bundle.
        """
        self.name = name
        self._rows = rows
        self._scores = scores

    def find(self, demand: Demand) -> Candidates:
        """The first of the list that are allowed."""
        rows = head(self._rows, demand.allowed, demand.k)
        return Candidates(rows, self._scores[rows])


def head(rows: Ints, allowed: Mask, k: int) -> Ints:
    """The first `k` allowed ones of rows that stand best first."""
    found = rows[:0]
    for some in (rows[: 2 * k], rows):  # nearly always there are enough at the top
        found = some[allowed[some]][:k]
        if len(found) == k:
            break
    return np.asarray(found, np.int64)
