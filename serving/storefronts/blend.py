"""Several ranked lists as one, each with its share from the first place on."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from catalog.records import Ints


def blend(lists: Sequence[tuple[Ints, float]], limit: int) -> tuple[Ints, Ints]:
    """The first `limit` different rows of some lists, taken in turns, and the list that each was taken from.

    The next row is of the list that is furthest behind its share of what was taken; of several the first. So every
    beginning of the blend holds the shares as nearly as whole rows can, and a list at its end leaves its share to
    the others.

    Args:
        lists: rows, best first, and the share of each, above 0.
        limit: at least 0.
    """
    rows: dict[int, int] = {}
    queues = [iter(each.tolist()) for each, _ in lists]
    shares = [share for _, share in lists]
    taken = [0] * len(lists)
    left = set(range(len(lists)))
    while left and len(rows) < limit:
        total = sum(shares[at] for at in left)
        given = sum(taken[at] for at in left) + 1
        turn = max(sorted(left), key=lambda at: given * shares[at] / total - taken[at])
        row = next((row for row in queues[turn] if row not in rows), None)
        if row is None:
            left.remove(turn)
            continue
        rows[row] = turn
        taken[turn] += 1
    return np.array(list(rows), np.int64), np.array(list(rows.values()), np.int64)
