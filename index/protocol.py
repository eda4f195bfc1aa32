"""What a vector index promises, whatever finds the neighbours."""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from catalog.errors import DataError
from catalog.records import Candidates, Floats, Ints

Mask = NDArray[np.bool_]


class VectorIndex(Protocol):
    """Inner-product search over n item vectors of D numbers."""

    @property
    def shape(self) -> tuple[int, int]:
        """(n, D)."""

    def search(self, queries: Floats, k: int, allowed: Mask | None = None) -> list[Candidates]:
        """The k best rows of each query among those allowed.

        Best first, equal scores by row; never padded: fewer than k come back where fewer are allowed. Which
        of several equal rows make the cut is the index's own affair.

        Args:
            queries: `[B, D]` finite float32.
            k: at least 0; more than n means all.
            allowed: `[n]`, or None for all rows.

        Raises:
            DataError: a shape does not fit or a query is not finite.
        """


def check_search(shape: tuple[int, int], queries: Floats, k: int, allowed: Mask | None) -> Floats:
    """Queries as FAISS wants them (float32, contiguous), or DataError: see `VectorIndex.search`."""
    n, dim = shape
    queries = np.ascontiguousarray(queries, np.float32)
    if queries.ndim != 2 or queries.shape[1] != dim or not np.isfinite(queries).all():
        raise DataError(
            f"expected finite queries [any, {dim}] for the index, found {list(queries.shape)} with "
            f"{int((~np.isfinite(queries)).sum())} numbers not finite; use the towers it was built with"
        )
    if k < 0:
        raise DataError(f"expected k of at least 0, found {k}")
    if allowed is not None and (allowed.dtype != np.bool_ or allowed.shape != (n,)):
        raise DataError(f"expected a mask bool [{n}], found {allowed.dtype} {list(allowed.shape)}")
    return queries


def check_vectors(vectors: Floats) -> Floats:
    """Vectors to index, `[n, D]` with D of at least 1, finite; DataError otherwise."""
    vectors = np.ascontiguousarray(vectors, np.float32)
    if vectors.ndim != 2 or vectors.shape[1] < 1 or not np.isfinite(vectors).all():
        raise DataError(
            f"expected finite vectors [n, D] to index, found {list(vectors.shape)} with "
            f"{int((~np.isfinite(vectors)).sum())} numbers that are not finite"
        )
    return vectors


def distinct(rows: Ints) -> Ints:
    """The different ones of some rows, in the order in which each comes first."""
    once: Ints = rows[np.sort(np.unique(rows, return_index=True)[1])]
    return once


def best(rows: Ints | None, scores: Floats, k: int) -> Candidates:
    """The k best of some scored rows in the promised order; rows None means 0 … n-1."""
    keys = order_keys(np.arange(len(scores)) if rows is None else rows, scores)
    if k < len(keys):
        if k:
            keys.partition(k)
        keys = keys[:k]
    keys.sort()
    return Candidates(keys & ROW_BITS, scores_of(keys))


ROW_BITS = (1 << 32) - 1
"""The lower half of an order key holds the row."""


def order_keys(rows: Ints, scores: Floats) -> Ints:
    """One integer per row, `[n]`, that sorts best score first and equal scores by row.

    The score's bits, turned so that they sort as the numbers do, stand above the row: sorting whole integers is
    several times faster than sorting by two columns. Rows are below 2³², scores finite.
    """
    # Taken from zero they fall where they rose, and -0 and 0 have the same bits.
    bits = np.subtract(0, scores, dtype=np.float32).view(np.int32)
    bits ^= (bits >> 31) & 0x7FFFFFFF
    keys = bits.astype(np.int64)
    keys <<= 32
    keys |= rows
    return keys


def scores_of(keys: Ints) -> Floats:
    """The scores that order keys were made of."""
    bits = (keys >> 32).astype(np.int32)
    bits ^= (bits >> 31) & 0x7FFFFFFF
    scores: Floats = np.float32(0) - bits.view(np.float32)
    return scores


def best_first(scores: Floats) -> Ints:
    """Positions `[n]` by falling score, equal scores in the order given."""
    keys = order_keys(np.arange(len(scores)), scores)
    keys.sort()
    return keys & ROW_BITS
