"""Arithmetic on content vectors."""

from __future__ import annotations

import numpy as np

from catalog.records import Floats


def unit(vectors: Floats) -> Floats:
    """Rows `[n, dim]` scaled to length 1; rows of zeros stay so."""
    norms = np.linalg.norm(vectors, axis=1, keepdims=True)
    scaled: Floats = np.divide(vectors, norms, out=np.zeros_like(vectors), where=norms > 0)
    return scaled
