"""Co-visitation: what was seen together with the user's latest items, the latest loudest."""

from __future__ import annotations

import numpy as np

from catalog.records import Candidates, Ints
from index.protocol import best
from serving.sources.source import Demand
from towers.cross import HEARD

COVISITATION = HEARD.index("covisitation")
"""Of what the history's neighbours say, what proposes candidates."""


class ItemItem:
    """What was seen together with the user's latest items."""

    name = "item_item"

    def find(self, demand: Demand) -> Candidates:
        """Co-visited items; nothing without a history."""
        scores = demand.viewer.said[COVISITATION]
        rows: Ints = np.flatnonzero((scores > 0) & demand.allowed)
        return best(rows, scores[rows], demand.k)
