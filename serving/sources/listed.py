"""Sources that have one list for everybody: most popular first, best value first."""

from __future__ import annotations

import numpy as np

from catalog.records import Candidates, Floats, Ints
from index.protocol import Mask
from serving.sources.source import Demand


class Listed:
    """Proposes the head of one list that was put in order beforehand."""

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
        rows = self._rows[head(self._rows, demand.allowed, demand.k)]
        return Candidates(rows, self._scores[rows])


def head(rows: Ints, allowed: Mask, k: int) -> Ints:
    """Places of the first `k` allowed ones of rows that stand best first."""
    found = np.flatnonzero(allowed[rows[: 2 * k]])[:k]
    if len(found) < k and len(rows) > 2 * k:  # nearly always there are enough at the top
        found = np.flatnonzero(allowed[rows])[:k]
    return found
