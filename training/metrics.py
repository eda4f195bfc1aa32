"""Ranking metrics for one or several right items per user, properties of whole lists, and the error of ratings.

A rank is the position, from 0, at which a right item was found; `MISSED` where it was not. Every ranking metric is
one number per user, so that means, slices and confidence intervals are made of the same numbers. It knows nothing of
models: tests compare it with independent libraries.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from catalog.records import Ints

Doubles = NDArray[np.float64]
MISSED = np.iinfo(np.int64).max
"""The rank of an item that was not among the answers."""


@dataclass(frozen=True, slots=True)
class Judged:
    """Where the right items of n users were found. Each user has at least one."""

    ranks: Ints
    """`[pairs]`"""
    owner: Ints
    """`[pairs]` user `0 … n-1` whom the item is right for, rising."""
    listed: Ints
    """`[n]` items in the user's answer."""
    candidates: Ints
    """`[n]` items that could have been in it, the right ones included."""

    @classmethod
    def single(cls, ranks: Ints, candidates: int) -> Judged:
        """One right item per user, and all candidates answered."""
        count = len(ranks)
        return cls(ranks, np.arange(count), *np.full((2, count), candidates))

    def __len__(self) -> int:
        """Number of users."""
        return len(self.listed)

    @property
    def right(self) -> Ints:
        """`[n]` right items per user."""
        return np.bincount(self.owner, minlength=len(self)).astype(np.int64)

    def total(self, values: NDArray[Any]) -> Doubles:
        """`[n]` sums over each user's right items."""
        return np.bincount(self.owner, values, len(self)).astype(np.float64)

    def take(self, pairs: NDArray[np.bool_]) -> Judged:
        """Only some of the right items, and the users who still have one."""
        users, owner = np.unique(self.owner[pairs], return_inverse=True)
        return Judged(self.ranks[pairs], owner, self.listed[users], self.candidates[users])


def ndcg_of(judged: Judged, k: int) -> Doubles:
    """NDCG@k (Järvelin & Kekäläinen 2002) with gain 1 for a right item."""
    discounts = 1.0 / np.log2(np.arange(k) + 2.0)
    gains = np.where(judged.ranks < k, discounts[np.minimum(judged.ranks, k - 1)], 0.0)
    ideal: Doubles = discounts.cumsum()[np.minimum(judged.right, k) - 1]
    return judged.total(gains) / ideal


def hits_of(judged: Judged, k: int) -> Doubles:
    """1 where any right item is among the first k."""
    return (judged.total(judged.ranks < k) > 0).astype(np.float64)


def precision_of(judged: Judged, k: int) -> Doubles:
    """Right items among the first k, over k."""
    return judged.total(judged.ranks < k) / k


def recall_of(judged: Judged, k: int) -> Doubles:
    """Right items among the first k, over all that are right."""
    return judged.total(judged.ranks < k) / judged.right


def reciprocal_rank_of(judged: Judged) -> Doubles:
    """1 / position, from 1, of the first right item; 0 where all were missed."""
    best = np.full(len(judged), MISSED)
    np.minimum.at(best, judged.owner, judged.ranks)
    found = best < MISSED
    return np.where(found, 1.0 / (np.where(found, best, 0) + 1.0), 0.0)


def auc_of(judged: Judged) -> Doubles:
    """The chance that a right item stands above a wrong one, over all candidates.

    An answer that was cut short says nothing about what it left out: a missed item is taken to stand in the middle
    of that. 1 where there is nothing wrong to stand above.
    """
    # Within each user by rank; owners stay where they are, as they rise already.
    ranks, right = judged.ranks[np.lexsort((judged.ranks, judged.owner))], judged.right
    nth = np.arange(len(ranks)) - (np.cumsum(right) - right)[judged.owner]
    found = ranks < MISSED
    wrong = judged.candidates - right
    wrong_listed = judged.listed - judged.total(found)
    left_out = (wrong_listed + wrong) / 2.0
    above = np.where(found, ranks - nth, left_out[judged.owner])
    below: Doubles = 1.0 - judged.total(above) / right / np.maximum(wrong, 1)
    return below


PER_USER: Mapping[str, Callable[[Judged], Doubles]] = {
    "ndcg@10": lambda judged: ndcg_of(judged, 10),
    "hit_rate@5": lambda judged: hits_of(judged, 5),
    "hit_rate@10": lambda judged: hits_of(judged, 10),
    "precision@10": lambda judged: precision_of(judged, 10),
    "recall@10": lambda judged: recall_of(judged, 10),
    "recall@50": lambda judged: recall_of(judged, 50),
    "recall@100": lambda judged: recall_of(judged, 100),
    "recall@500": lambda judged: recall_of(judged, 500),
    "mrr": reciprocal_rank_of,
    "auc": auc_of,
}
"""The metrics that every ranking report shows; DESIGN's order, the first decides."""


def per_user(judged: Judged) -> dict[str, Doubles]:
    """Every metric `[n]`."""
    return {name: metric(judged) for name, metric in PER_USER.items()}


def coverage(top: Ints, items: int) -> float:
    """Share of the items that occur in any list; `top [n, k]` holds rows, -1 where a list is shorter."""
    return len(np.unique(top[top >= 0])) / max(1, items)


def gini(top: Ints, among: NDArray[np.bool_]) -> float:
    """Gini coefficient of how often items `among [items]` are listed: 0 all alike, near 1 always the same few."""
    counts = np.sort(np.bincount(top[top >= 0], minlength=len(among))[among])
    places = 2.0 * np.arange(1, len(counts) + 1) - len(counts) - 1
    return float((places * counts).sum() / max(1, len(counts) * counts.sum()))


def novelty(top: Ints, takers: Ints, users: int) -> float:
    """Mean self-information, in bits, of the listed items (Zhou et al. 2010).

    An item tells -log2 of the share of `users` who took it; `takers [items]` counts them. What nobody took counts as
    taken once.
    """
    told = -np.log2(np.maximum(takers, 1) / max(1, users))
    listed = top >= 0
    return float(told[top[listed]].mean()) if listed.any() else 0.0


def rank_of(rows: Ints, wanted: int) -> int:
    """Position of the wanted row among the answer's, or MISSED."""
    found = np.flatnonzero(rows == wanted)
    return int(found[0]) if len(found) else MISSED


def ndcg(ranks: Ints, k: int) -> float:
    """Mean NDCG@k of users with one right item each."""
    return _mean(ndcg_of(Judged.single(ranks, k), k))


def summary(ranks: Sequence[int] | Ints) -> dict[str, float]:
    """Means over users with one right item each, of the metrics that need not know how many candidates there were."""
    judged = Judged.single(np.asarray(ranks, np.int64), 1)
    return {name: _mean(metric(judged)) for name, metric in PER_USER.items() if name != "auc"}


def rmse(values: NDArray[Any], predicted: NDArray[Any]) -> float:
    """Root mean squared error."""
    return float(np.sqrt(np.mean((np.asarray(values, np.float64) - np.asarray(predicted, np.float64)) ** 2)))


def _mean(values: Doubles) -> float:
    return float(values.mean()) if len(values) else 0.0
