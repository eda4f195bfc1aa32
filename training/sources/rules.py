"""Association rules: what sessions with an item hold as well, more often than chance would have it.

Frequent pairs are found by FP-Growth (Han, Pei & Yin 2000, "Mining frequent patterns without candidate generation",
SIGMOD; mlxtend's). Its time grows with the pairs of frequent items that sessions hold, so the least count is chosen
by them: as small as keeps those pairs, the rules that can come of them, and the table that is read within bounds.
"""

from __future__ import annotations

import numpy as np
from scipy import sparse

from training.neighbours import Table

KEEP = 30
"""Rules per item."""
LEAST = 3
"""Sessions that must hold both items, at least."""
PAIRS = 600_000
"""Pairs of frequent items over all sessions that are walked through, at most."""
RULES = 60_000
"""Frequent pairs that there can be, at most."""
CELLS = 200_000_000
"""Sessions times frequent items, at most: mlxtend makes a byte of each."""


def rules(held: sparse.csr_matrix, keep: int = KEEP) -> Table:
    """Of each item what goes with it: rows and confidences `[items, keep]`, strongest first.

    A rule A → B stands where B is likelier in sessions with A than in others (its lift is above 1).

    Args:
        held: `[sessions, items]` what each session holds.
        keep: rules per item, at most.
    """
    count = held.shape[1]
    least = least_count(held)
    frequent = np.flatnonzero(held.getnnz(0) >= least)
    if held.shape[0] == 0 or len(frequent) < 2:
        return np.zeros((count, 0), np.int32) - 1, np.zeros((count, 0), np.float32)
    found = _mined(held[:, frequent], least)
    rows, weights = np.full((count, keep), -1, np.int32), np.zeros((count, keep), np.float32)
    # By item, the surest first.
    found = found[np.lexsort((-found[:, 2], found[:, 0]))]
    item, other = frequent[found[:, 0].astype(np.int64)], frequent[found[:, 1].astype(np.int64)]
    place = np.arange(len(item)) - np.searchsorted(item, item)
    top = place < keep
    rows[item[top], place[top]], weights[item[top], place[top]] = other[top], found[top, 2]
    used = int(place[top].max(initial=-1)) + 1
    return rows[:, :used], weights[:, :used]


def least_count(held: sparse.csr_matrix) -> int:
    """A count of sessions, hardly larger than need be, that keeps the work within bounds."""
    takers, least = held.getnnz(0), LEAST
    while True:
        size = held.astype(np.int64) @ (takers >= least)
        pairs = int((size * (size - 1) // 2).sum())
        cells = held.shape[0] * int((takers >= least).sum())
        if pairs <= PAIRS and pairs // least <= RULES and cells <= CELLS:
            return least
        least = max(least + 1, int(least * 1.2))


def _mined(held: sparse.csr_matrix, least: int) -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
    """All rules as rows of item, other item and confidence."""
    import pandas
    from mlxtend.frequent_patterns import association_rules, fpgrowth

    table = pandas.DataFrame.sparse.from_spmatrix(held.astype(bool))
    sets = fpgrowth(table, min_support=(least - 0.5) / held.shape[0], max_len=2)
    if not (sets["itemsets"].map(len) == 2).any():
        return np.zeros((0, 3))
    found = association_rules(sets, metric="lift", min_threshold=1.0, return_metrics=["confidence", "lift"])
    found = found[found["lift"] > 1.0]
    sides = [
        np.fromiter((next(iter(s)) for s in found[name]), np.float64, len(found))
        for name in ("antecedents", "consequents")
    ]
    return np.column_stack([*sides, found["confidence"].to_numpy(np.float64)])
