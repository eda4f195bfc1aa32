"""A map of the items: where their vectors lie, seen from where they differ most."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from catalog.records import Floats, Ints
from serving.model import Model
from serving.observe.named import named


def chart(model: Model, limit: int, seed: int = 0) -> dict[str, Any]:
    """At most `limit` available items with their places on the plane of the two first principal components."""
    now = model.catalogue.now
    rows: Ints = np.flatnonzero(now.available)
    of = len(rows)
    if of > limit:
        rows = np.sort(np.random.default_rng(seed).choice(rows, limit, replace=False))
    places, explained = plane(now.vectors[rows])
    category = model.schema.category
    return {
        "items": [
            {
                **named(model, row),
                "category": _first(model.catalogue.shown(row).get(category)) if category else None,
                "x": round(x, 5), "y": round(y, 5),
            }
            for row, (x, y) in zip(rows.tolist(), places.tolist(), strict=True)
        ],
        "explained": explained, "of": of,
    }  # fmt: skip


def plane(vectors: Floats) -> tuple[NDArray[np.float64], list[float]]:
    """Principal component analysis onto two axes (Pearson 1901), by the eigenvectors of the covariance.

    Args:
        vectors: `[n, D]`.

    Returns:
        Places `[n, 2]`, each axis turned so that its largest absolute weight is positive; and the share of the
        variance that each axis explains.
    """
    centred = vectors.astype(np.float64) - (vectors.mean(0) if len(vectors) else 0)
    values, axes = np.linalg.eigh(centred.T @ centred)
    axes = axes[:, ::-1][:, :2]
    values = np.maximum(values[::-1], 0)
    axes = axes * np.sign(axes[np.abs(axes).argmax(0), np.arange(axes.shape[1])])
    whole = float(values.sum()) or 1.0
    places = np.zeros((len(vectors), 2))
    places[:, : axes.shape[1]] = centred @ axes
    return places, [round(float(value) / whole, 6) for value in values[:2]]


def _first(value: object) -> str | None:
    """One category to colour by, of an item that may have several."""
    if isinstance(value, list | tuple):
        return str(value[0]) if value else None
    return None if value is None else str(value)
