"""How alike two items are by content: the cosine after centring and spreading, and not the bare one.

Vectors of one encoder crowd into a cone, because all of a catalogue's texts (or pictures) have much in common; and
what sets apart a few of them weighs as much as what orders many. So the mean is taken away (Mu & Viswanath 2018),
and every principal direction is scaled by a power of the catalogue's spread along it. Their rule, to remove the top
directions, is the opposite: it makes neighbours of films worse, as those directions are what films are about
(docs/LOG.md). A positive power asks of two items to agree in what orders the catalogue.

This is for items against items. A query has another mean than items have: it is compared by the bare cosine.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from bundle.columns import load_array
from catalog.records import Floats

_ROWS = 65_536
POWER = 0.5
"""Of the standard deviation along a principal direction. 0 only centres."""


@dataclass(frozen=True, slots=True)
class ContentSpace:
    """One modality's space, fitted to one catalogue."""

    mean: Floats
    """`[dim]`"""
    spread: Floats
    """`[dim, dim]`, symmetric."""

    @classmethod
    def fit(cls, vectors: Floats, power: float = POWER) -> ContentSpace:
        """Fit to the vectors `[n, dim]` of the items that have any."""
        dim = vectors.shape[1]
        if len(vectors) < 2:
            return cls(np.zeros(dim, np.float32), np.eye(dim, dtype=np.float32))
        mean = vectors.mean(axis=0, dtype=np.float64)
        centred = vectors - mean
        variances, directions = np.linalg.eigh(centred.T @ centred / len(vectors))
        scales = np.maximum(variances, 0) ** (power / 2)
        spread = (directions * scales) @ directions.T
        return cls(mean.astype(np.float32), (spread / max(scales.max(), 1e-12)).astype(np.float32))

    def place(self, vectors: Floats) -> Floats:
        """Unit vectors `[n, dim]` whose products are the likenesses; zero where a vector is the mean or zero."""
        lengths = self.lengths(vectors)[:, None]
        placed = (vectors - self.mean) @ self.spread
        unit: Floats = np.divide(placed, lengths, out=np.zeros_like(placed), where=lengths > 0)
        return unit

    def lengths(self, vectors: Floats) -> Floats:
        """`[n]`: how far from the mean, by the spread, vectors lie; 0 where one is zero."""
        found = np.zeros(len(vectors), np.float32)
        for begin in range(0, len(vectors), _ROWS):
            some = vectors[begin : begin + _ROWS]
            found[begin : begin + _ROWS] = np.linalg.norm(
                (some - self.mean) @ self.spread, axis=1
            ) * some.any(1)
        return found

    def cosines(self, vectors: Floats, lengths: Floats, place: Floats) -> Floats:
        """Products `[n]` of one place with those of vectors whose lengths are known, which need not be placed."""
        direction = self.spread @ place
        products = vectors @ direction - self.mean @ direction
        cosines: Floats = np.divide(products, lengths, out=np.zeros_like(products), where=lengths > 0)
        return cosines

    def save(self, folder: Path, name: str) -> None:
        """Write `<name>_mean.npy` and `<name>_spread.npy`."""
        np.save(folder / f"{name}_mean.npy", self.mean, allow_pickle=False)
        np.save(folder / f"{name}_spread.npy", self.spread, allow_pickle=False)

    @classmethod
    def load(cls, folder: Path, name: str, dim: int) -> ContentSpace:
        """Map the two files; BundleError where they do not fit."""
        mean = load_array(folder / f"{name}_mean.npy", np.float32, (dim,))
        return cls(mean, load_array(folder / f"{name}_spread.npy", np.float32, (dim, dim)))
