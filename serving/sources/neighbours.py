"""Sources that have a table: what each item says of others, and the user's latest items are asked for it.

TF-IDF over title and category, association rules: `training.sources` says how the tables come about.
"""

from __future__ import annotations

import numpy as np

from bundle.proposals import Table
from catalog.records import Candidates
from index.protocol import best
from serving.sources.source import NOTHING, Demand
from towers.cross import DECAY, RECENT, recency


class Neighbours:
    """Proposes what the latest items' neighbours are, the latest item loudest."""

    def __init__(self, name: str, table: Table) -> None:
        self.name = name
        self._table = table

    def find(self, demand: Demand) -> Candidates:
        """Neighbours by the sum of what is said of them; nothing without a history."""
        near, weights = self._table.rows, self._table.weights
        recent = demand.viewer.history.last(RECENT).rows
        loud = recency(len(recent), DECAY)
        known = recent < len(near)  # items that came later have no neighbours here
        if not known.any():
            return NOTHING
        rows = near.take(recent[known], 0).ravel()
        said = (weights.take(recent[known], 0) * loud[known, None]).ravel()
        there = rows >= 0
        # The few that are named, and not a column of all items.
        found, place = np.unique(rows[there].astype(np.int64), return_inverse=True)
        scores = np.bincount(place, said[there], len(found)).astype(np.float32)
        good = demand.allowed[found]
        return best(found[good], scores[good], demand.k)
