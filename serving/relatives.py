"""Trained items that speak for new ones, until people do.

How often an item is taken, and what is taken together with it, is not zero for a new item: it is not known. A ranker
that is told zero puts every new item below all others, because in training whatever nobody took was never right.
So a new item is given what its nearest relatives among the trained items have, in proportion to their likeness
(item-based k-nearest-neighbours, as for cold items in Sarwar et al. 2001).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from bundle.room import Column
from catalog.records import Floats

if TYPE_CHECKING:
    from serving.catalogue import Catalogue

RELATIVES = 5
LOOKED_AT = 100
"""Items with the largest inner products, among which those with the largest cosines are found."""


class Relatives:
    """The relatives of the items of rows `bundled`, `bundled + 1`, …"""

    def __init__(self, bundled: int) -> None:
        self._bundled = bundled
        self._rows = Column(np.zeros((0, RELATIVES), np.int64))
        self._weights = Column(np.zeros((0, RELATIVES), np.float32))

    def put(self, row: int, catalogue: Catalogue) -> None:
        """Find the relatives of a row that is in the catalogue and its index."""
        trained = catalogue.columns.popularity > 0
        trained[self._bundled :] = False
        vector = catalogue.vectors[row]
        (found,) = catalogue.index.search(vector[None], LOOKED_AT, trained)
        length = max(float(catalogue.lengths[row]), 1e-12)
        cosines = found.scores / (catalogue.lengths[found.rows] * length)
        nearest = np.argsort(-cosines, kind="stable")[:RELATIVES]
        rows, weights = np.zeros(RELATIVES, np.int64), np.zeros(RELATIVES, np.float32)
        rows[: len(nearest)] = found.rows[nearest]
        weights[: len(nearest)] = np.maximum(cosines[nearest], 0) / max(1, len(nearest))
        self._rows.put(row - self._bundled, rows)
        self._weights.put(row - self._bundled, weights)

    def popularity(self, row: int, popularity: Floats) -> float:
        """Events that the item of a row would have had in training: the relatives' mean, of logarithms."""
        at = row - self._bundled
        return float(np.expm1(np.log1p(popularity[self._rows.rows[at]]) @ self._weights.rows[at]))

    def hear(self, said: Floats) -> None:
        """Let what a history says about the relatives be said about the new items, in place: `[…, items]`."""
        if said.shape[-1] > self._bundled:
            said[..., self._bundled :] = (said[..., self._rows.rows] * self._weights.rows).sum(-1)
