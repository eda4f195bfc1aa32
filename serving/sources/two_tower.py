"""What the towers say: the items nearest the user, and those too new for anybody else to vouch for."""

from __future__ import annotations

from math import ceil

import numpy as np

from catalog.records import Candidates
from index.protocol import best
from serving.sources.source import NOTHING, Demand


class TwoTower:
    """The items whose vectors are nearest the user's."""

    name = "two_tower"

    def find(self, demand: Demand) -> Candidates:
        """Nearest by inner product; nobody where there is no user vector."""
        viewer = demand.viewer
        if viewer.failed:
            return NOTHING
        return viewer.items.index.search(viewer.vector[None], demand.k, demand.allowed)[0]


class New:
    """What came after the model was trained and suits the user best: nobody has taken it, so nothing else vouches
    for it, and its vector is shorter than those of items that are often wanted.
    """

    name = "new"

    def __init__(self, share: float) -> None:
        """Let newcomers in beside the others, not instead of them: at most `share` of a pool, gaps or not."""
        self._share = share

    def find(self, demand: Demand) -> Candidates:
        """New items by inner product, at most their share of the pool; nobody where there is no user vector."""
        items, viewer = demand.viewer.items, demand.viewer
        if items.bundled == len(items) or viewer.failed:
            return NOTHING
        rows = items.bundled + np.flatnonzero(demand.allowed[items.bundled :])
        return best(rows, items.vectors[rows] @ viewer.vector, ceil(self._share * demand.k))
