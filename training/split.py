"""Which events are learned from, which are chosen on, and which are asked at the very end.

Next item: of each user's events that can be asked for, the last is the test and the one before it the
validation; training is everything before those. So every user's training part is a prefix of their
events, and a split is three positions per user.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from catalog.records import InteractionLog, Ints
from training.dataset import TrainingData

ENOUGH = 3
"""Events that can be asked for, below which a user is only learned from."""


@dataclass(frozen=True, slots=True)
class Split:
    """Positions in the log, one entry per user."""

    begin: Ints
    """`[users]` first event."""
    end: Ints
    """`[users]` one past the last training event."""
    validation: Ints
    """`[users]` position of the validation event, -1 where the user has none."""
    test: Ints
    """`[users]` position of the test event, -1 where the user has none."""

    def training(self, log: InteractionLog) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
        """`[events]`: whether each event is learned from."""
        position = np.arange(len(log))
        inside: np.ndarray[tuple[int], np.dtype[np.bool_]] = position < self.end[log.user_rows]
        return inside

    def held_back(self, data: TrainingData, count: int) -> Split:
        """An earlier split: the last `count` training events, at most half of them, are not learned from."""
        size = self.end - self.begin
        return Split(self.begin, self.end - np.minimum(count, size // 2), self.validation, self.test)


def next_item(data: TrainingData) -> Split:
    """The next-item protocol: last event = test, the one before = validation, all before = training."""
    bounds = data.log.user_bounds(len(data.users))
    begin, end = bounds[:-1].copy(), bounds[1:].copy()
    positions = np.flatnonzero(data.targets())
    asked = np.searchsorted(positions, bounds)
    enough = asked[1:] - asked[:-1] >= ENOUGH
    test = np.full(len(begin), -1, np.int64)
    validation = test.copy()
    test[enough] = positions[asked[1:][enough] - 1]
    validation[enough] = positions[asked[1:][enough] - 2]
    end[enough] = validation[enough]
    return Split(begin, end, validation, test)


def everything(data: TrainingData) -> Split:
    """All events are learned from; each user's last one that can be asked for is the validation as well.

    Only for protocols that have taken their test events out of the data themselves.
    """
    bounds = data.log.user_bounds(len(data.users))
    split = next_item(data)
    return Split(bounds[:-1].copy(), bounds[1:].copy(), split.test, np.full(len(data.users), -1, np.int64))
