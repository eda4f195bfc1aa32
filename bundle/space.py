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
        placed = (vectors - self.mean) @ self.spread
        lengths = np.linalg.norm(placed, axis=1, keepdims=True)
        there = vectors.any(axis=1, keepdims=True) & (lengths > 0)
        unit: Floats = np.divide(placed, lengths, out=np.zeros_like(placed), where=there)
        return unit

    def save(self, folder: Path, name: str) -> None:
        """Write `<name>_mean.npy` and `<name>_spread.npy`."""
        np.save(folder / f"{name}_mean.npy", self.mean, allow_pickle=False)
        np.save(folder / f"{name}_spread.npy", self.spread, allow_pickle=False)

    @classmethod
    def load(cls, folder: Path, name: str, dim: int) -> ContentSpace:
        """Map the two files; BundleError where they do not fit."""
        mean = load_array(folder / f"{name}_mean.npy", np.float32, (dim,))
        return cls(mean, load_array(folder / f"{name}_spread.npy", np.float32, (dim, dim)))
