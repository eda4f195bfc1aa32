"""What new items read and look like: the one thing that can be said of them before anybody takes them.

The ranker hears of a candidate from the user's latest items, through tables of neighbours that training made. Nobody
took a new item together with another one, so it is in no table; but which items it is like is seen at once, by the
measure that training used (`training.neighbours.alike`). What other tables say of it stays zero, which the ranker
has learned to take for "not known".
"""

from __future__ import annotations

import numpy as np

from bundle.reader import Content
from catalog.records import Floats, History, Ints
from index.protocol import Mask, best
from towers.cross import HEARD, NEIGHBOUR_FEATURES, Int32s, ItemColumns, recency

CONTENT = HEARD.index("content")


class Resemblance:
    """Finds which items of a bundle others are like, by text and picture together, each less its mean."""

    def __init__(self, content: Content, keep: int) -> None:
        """Prepare to compare with items.

        Args:
            content: of the items that are compared with.
            keep: neighbours to find of an item.
        """
        self._keep = keep
        self._mask = content.mask
        self._parts = [_Part(content.text, content.mask[:, 0]), _Part(content.image, content.mask[:, 1])]

    def near(self, content: Content, own: Ints) -> tuple[Int32s, Floats]:
        """Rows and cosines `[w, keep]` of what each of w items is most like, -1 and 0 where there is less.

        Args:
            content: of the w items.
            own: `[w]` the rows of those that are themselves compared with, -1 of the others.
        """
        rows = np.full((len(own), self._keep), -1, np.int32)
        weights = np.zeros((len(own), self._keep), np.float32)
        modalities = np.sqrt(np.maximum(self._mask.sum(1), 1), dtype=np.float32)
        for i, (present, row) in enumerate(zip(content.mask, own.tolist(), strict=True)):
            total = np.zeros(len(self._mask), np.float32)
            for part, vectors, there in zip(self._parts, (content.text, content.image), present, strict=True):
                if there:
                    total += part.cosines(vectors[i])
            if row >= 0:
                total[row] = 0.0
            found = best(None, total / (modalities * np.sqrt(np.float32(max(1, present.sum())))), self._keep)
            near = int((found.scores > 0).sum())
            rows[i, :near], weights[i, :near] = found.rows[:near], found.scores[:near]
        return rows, weights


class _Part:
    """One modality of all items, to be compared less its mean."""

    def __init__(self, vectors: Floats, mask: Mask) -> None:
        self._vectors = vectors
        self._mean: Floats = vectors[mask].mean(0) if mask.any() else vectors.sum(0)
        # |v - m|² of unit vectors, without a second copy of all of them.
        squares = 1 - 2 * (vectors @ self._mean) + self._mean @ self._mean
        self._lengths: Floats = np.where(mask, np.sqrt(np.maximum(squares, 1e-12)), np.inf).astype(np.float32)

    def cosines(self, vector: Floats) -> Floats:
        """`[n]` with one vector; 0 for items that have none."""
        centred = vector - self._mean
        products = self._vectors @ centred - self._mean @ centred
        cosines: Floats = products / (self._lengths * np.float32(max(float(np.linalg.norm(centred)), 1e-9)))
        return cosines


def hear_of_new(said: Floats, history: History, items: ItemColumns, first: int) -> None:
    """Fill in, in place, what a history's content says of new items.

    Args:
        said: `[HEARD, items]` of `towers.cross.heard`.
        history: one user's events, oldest first.
        items: the catalogue.
        first: row of the first new item.
    """
    if first < said.shape[1] and items.alike_rows.shape[1] and len(history):
        feature = NEIGHBOUR_FEATURES["content"]
        recent = history.last(feature.events)
        loudness = np.bincount(recent.rows, recency(len(recent), feature.decay), said.shape[1] + 1)
        # Padding, -1, is the last place, which no event is of.
        said[CONTENT, first:] = (loudness[items.alike_rows[first:]] * items.alike_weights[first:]).sum(1)
