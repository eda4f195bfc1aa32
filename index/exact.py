"""Exact search in numpy: the oracle for other indexes, and the way to search few rows."""

from __future__ import annotations

import numpy as np

from catalog.records import Candidates, Floats, Ints
from index.protocol import Mask, best, check_search, check_vectors


class ExactIndex:
    """Scores every allowed row."""

    def __init__(self, vectors: Floats) -> None:
        """Search among `vectors [n, D]`; they are not copied where they already are contiguous float32."""
        self._vectors = check_vectors(vectors)

    @property
    def shape(self) -> tuple[int, int]:
        """(n, D)."""
        return self._vectors.shape[0], self._vectors.shape[1]

    def search(self, queries: Floats, k: int, allowed: Mask | None = None) -> list[Candidates]:
        """The k best allowed rows of each query; see `VectorIndex.search`."""
        queries = check_search(self.shape, queries, k, allowed)
        return search_allowed(self._vectors, queries, k, allowed)


def search_allowed(vectors: Floats, queries: Floats, k: int, allowed: Mask | None) -> list[Candidates]:
    """Exact search among the rows that a mask allows; None allows all."""
    if allowed is None:
        return search_rows(vectors, queries, k, None)
    rows = np.flatnonzero(allowed)
    if 2 * len(rows) < len(vectors):
        return search_rows(vectors, queries, k, rows)
    # Scoring a few rows too many is cheaper than copying all the others together.
    return [best(rows, scores[rows], k) for scores in queries @ vectors.T]


def search_rows(vectors: Floats, queries: Floats, k: int, rows: Ints | None) -> list[Candidates]:
    """Exact search among some rows of `vectors`, or among all."""
    among = vectors if rows is None else vectors[rows]
    return [best(rows, scores, k) for scores in queries @ among.T]
