"""What is done with a ranked list before it is shown: diversity, and room for what is new."""

from __future__ import annotations

from collections import deque

import numpy as np

from catalog.records import Floats, Ints
from index.protocol import Mask


def diversify(vectors: Floats, scores: Floats, diversity: float, count: int) -> Ints:
    """Positions `[min(count, n)]` chosen by maximal marginal relevance, first choice first.

    Each choice maximises `(1 - diversity) · score - diversity · (cosine to the nearest chosen one)`, with
    scores scaled to 0 … 1 over the list. The best-scored item is always first.

    Args:
        vectors: `[n, D]` of the listed items.
        scores: `[n]`, higher is better.
        diversity: 0 … 1.
        count: how many to choose.
    """
    n = len(scores)
    if not n:
        return np.zeros(0, np.int64)
    spread = float(scores.max() - scores.min()) or 1.0
    value = (1 - diversity) * (scores - scores.min()) / spread
    directions = unit(vectors)
    nearest_chosen = np.full(n, -1.0, np.float32)
    left = np.ones(n, bool)
    chosen = np.empty(min(count, n), np.int64)
    for i in range(len(chosen)):
        gain = value - diversity * nearest_chosen if i else scores
        chosen[i] = pick = int(np.argmax(np.where(left, gain, -np.inf)))
        left[pick] = False
        np.maximum(nearest_chosen, directions @ directions[pick], out=nearest_chosen)
    return chosen


def make_room(new: Mask, every: int) -> Ints:
    """Positions `[n]` in an order in which of each `every` places one is a newcomer's, as long as there are any.

    A ranker is right to put what nobody has taken below what many took, and nobody would ever take it. Where a
    newcomer stands among the `every` by its own rank nothing moves; where none does, the best comes last among them.

    Args:
        new: `[n]` which of a ranked list, best first, are newcomers.
        every: at least 1.
    """
    known, newcomers = deque(np.flatnonzero(~new).tolist()), deque(np.flatnonzero(new).tolist())
    order: list[int] = []
    owed = False
    while newcomers:
        if len(order) % every == 0:
            owed = True
        due = owed and len(order) % every == every - 1
        if due or not known or newcomers[0] < known[0]:
            order.append(newcomers.popleft())
            owed = False
        else:
            order.append(known.popleft())
    return np.array([*order, *known], np.int64)


def unit(vectors: Floats) -> Floats:
    """Rows scaled to length 1; rows of zeros stay so."""
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return (vectors / np.where(lengths > 0, lengths, 1)).astype(np.float32, copy=False)
