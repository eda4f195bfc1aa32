"""Parts of the questions that are looked at on their own: by length of history, by popularity of what was right."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from catalog.records import Floats
from training.questions import Questions

LENGTHS = (0, 1, 10, 50, 200)
"""Where the slices of history length begin."""
COLD = 5
"""Training events below which an item is cold."""
HEAD, MIDDLE = 0.5, 0.8
"""Share of the training events that the most popular items hold: up to which an item is head, and middle."""


def slices(asked: Questions, popularity: Floats) -> Iterator[tuple[str, str, NDArray[np.bool_]]]:
    """Kind, name and right items `[pairs]` of each slice that has any; the slices of a kind do not overlap.

    Args:
        asked: the questions.
        popularity: `[items]` training events.
    """
    length = (asked.end - asked.begin)[asked.owner]
    for low, high in zip(LENGTHS, (*LENGTHS[1:], None), strict=True):
        name = f"{low} and more" if high is None else f"{low}" if high == low + 1 else f"{low} to {high - 1}"
        inside = (length >= low) & (length < (np.inf if high is None else high))
        if inside.any():
            yield "history", name, inside
    group = popularity_groups(popularity)[asked.right]
    for code, name in enumerate(("cold", "tail", "middle", "head")):
        if (group == code).any():
            yield "item", name, group == code


def popularity_groups(popularity: Floats) -> NDArray[np.int8]:
    """`[items]` 0 cold, 1 tail, 2 middle, 3 head."""
    order = np.argsort(-popularity, kind="stable")
    # Of all events, the share that more popular items hold.
    before = (np.cumsum(popularity[order]) - popularity[order]) / max(float(popularity.sum()), 1.0)
    groups = np.empty(len(popularity), np.int8)
    groups[order] = np.where(before < HEAD, 3, np.where(before < MIDDLE, 2, 1))
    groups[popularity < COLD] = 0
    return groups
