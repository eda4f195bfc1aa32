"""Ranking metrics where one item is right, and the error of ratings.

A rank is the position, from 0, at which the right item was found; `MISSED` where it was not. All metrics are
means over users; tests compare them with an independent library.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from catalog.records import Ints

MISSED = np.iinfo(np.int64).max
"""The rank of an item that was not among the answers."""


def rank_of(rows: Ints, wanted: int) -> int:
    """Position of the wanted row among the answer's, or MISSED."""
    found = np.flatnonzero(rows == wanted)
    return int(found[0]) if len(found) else MISSED


def ndcg(ranks: Ints, k: int) -> float:
    """NDCG@k with one relevant item (Järvelin & Kekäläinen 2002): the ideal gain is 1."""
    gains = np.where(ranks < k, 1.0 / np.log2(np.minimum(ranks, k) + 2.0), 0.0)
    return float(gains.mean()) if len(ranks) else 0.0


def hit_rate(ranks: Ints, k: int) -> float:
    """Share of users whose item is among the first k; with one relevant item this is recall@k too."""
    return float((ranks < k).mean()) if len(ranks) else 0.0


def reciprocal_rank(ranks: Ints) -> float:
    """Mean reciprocal rank; 0 for an item that was missed."""
    return (
        float(np.where(ranks == MISSED, 0.0, 1.0 / (np.minimum(ranks, 2**53) + 1.0)).mean())
        if len(ranks)
        else 0.0
    )


def summary(ranks: Sequence[int] | Ints) -> dict[str, float]:
    """The metrics that every next-item report shows."""
    ranks = np.asarray(ranks, np.int64)
    return {
        "ndcg@10": ndcg(ranks, 10),
        "hit_rate@5": hit_rate(ranks, 5),
        "hit_rate@10": hit_rate(ranks, 10),
        "recall@100": hit_rate(ranks, 100),
        "recall@500": hit_rate(ranks, 500),
        "mrr": reciprocal_rank(ranks),
    }


def rmse(values: NDArray[Any], predicted: NDArray[Any]) -> float:
    """Root mean squared error."""
    return float(np.sqrt(np.mean((np.asarray(values, np.float64) - np.asarray(predicted, np.float64)) ** 2)))
