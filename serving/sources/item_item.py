"""Co-visitation: what the same users took as what the user took, of late or all along."""

from __future__ import annotations

import numpy as np

from catalog.records import Candidates, Ints
from index.protocol import best
from serving.sources.source import Demand


class ItemItem:
    """What was seen together with items of the history."""

    def __init__(self, name: str, heard: str) -> None:
        """Propose by one of the features that are heard from neighbours.

        Args:
            name: of the source.
            heard: one of `towers.cross.HEARD`: over which horizon the history speaks.
        """
        self.name = name
        self._heard = heard

    def find(self, demand: Demand) -> Candidates:
        """Co-visited items; nothing without a history."""
        scores = demand.viewer.hear(self._heard)
        rows: Ints = np.flatnonzero((scores > 0) & demand.allowed)
        return best(rows, scores[rows], demand.k)
