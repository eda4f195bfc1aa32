"""Training batches of the towers: windows of each user's events, with the next item asked at every position.

Long histories are cut at another place in every epoch, so that each event is predicted from contexts of all
lengths. It knows nothing of TensorFlow: batches are dictionaries of arrays.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from catalog.records import Floats, Ints
from towers.features import FeatureSpace, time_gaps
from training.config import TrainConfig
from training.dataset import TrainingData
from training.split import Split

Batch = dict[str, NDArray[Any]]
NARROW = (4, 8, 16, 32)
"""Widths of batches of short histories, besides the whole one."""
DAY = 86_400.0
"""Seconds."""


@dataclass(frozen=True, slots=True)
class UserColumns:
    """The users' own inputs, one row each."""

    row: NDArray[np.int32]
    tokens: NDArray[np.int32]

    @classmethod
    def of(cls, space: FeatureSpace, data: TrainingData, trained: NDArray[np.bool_]) -> UserColumns:
        """Users with enough training events `[users]` are numbered from 1; 0 stands for all others."""
        tokens = [space.user_inputs(user, 0)["user_tokens"] for user in data.users]
        row = np.where(trained, np.cumsum(trained), 0).astype(np.int32)
        return cls(row, np.concatenate(tokens) if tokens else np.zeros((0, space.user_slots), np.int32))

    @property
    def ids(self) -> int:
        """Rows of a user id embedding, row 0 (unknown) included."""
        return int(self.row.max(initial=0)) + 1


class Windows:
    """Cuts the training part of a log into windows of `history` events."""

    def __init__(
        self, data: TrainingData, split: Split, space: FeatureSpace, users: UserColumns, config: TrainConfig
    ) -> None:
        log = data.log
        self._size = space.history
        self._users = users
        used = np.flatnonzero(split.end > split.begin)
        self._user, self._begin, self._end = used, split.begin[used], split.end[used]
        self._rows = log.item_rows.astype(np.int32)
        self._types = log.types.astype(np.int32)
        self._values = space.scaled_values(log.types, log.values)
        self._gaps = log_gaps(log.times, split.begin)
        weights = example_weights(data, split, space, config)
        self._asked = data.targets() & (weights > 0)
        self._weights = weights
        # Where most of a whole window would be padding, windows of like length are put together.
        packed = len(used) > 0 and np.minimum(self._end - self._begin, self._size).mean() < self._size / 2
        self._widths = np.array([*(width for width in NARROW if packed and width < self._size), self._size])

    @property
    def examples(self) -> int:
        """Next items that can be asked for."""
        return int(sum(self._asked[b:e].sum() for b, e in zip(self._begin, self._end, strict=True)))

    def steps(self, batch_size: int) -> int:
        """Batches of an epoch, about: the number of windows varies a little with where they are cut."""
        if len(self._widths) > 1:
            return len(self._cut_and_packed(batch_size, np.random.default_rng(0)))
        size = self._end - self._begin
        return int(np.ceil(np.ceil(size / self._size).sum() / batch_size))

    def epoch(self, batch_size: int, rng: np.random.Generator) -> Iterator[Batch]:
        """Batches of one epoch in random order, each asking for something.

        Args:
            batch_size: whole windows in a batch; of narrower ones as many more as make up for their width.
            rng: draws where to cut, and the order.
        """
        for window, last, width in self._cut_and_packed(batch_size, rng):
            batch = self.batch(window, last, width)
            # A few windows left over may hold only what is not asked for: dislikes, and what was taken before.
            if (batch["target_rows"] >= 0).any():
                yield batch

    def batch(self, window: Ints, last: Ints, width: int | None = None) -> Batch:
        """Arrays of some windows.

        Args:
            window: `[batch]` positions in the list of users that have training events.
            last: `[batch]` position in the log of the last event that is asked for.
            width: events of the longest of their histories or more; all that the tower reads where not given.

        Returns:
            history_* `[batch, width]` left-padded, target_rows `[batch, 1 + width]` (-1 = not asked) and
            target_weights: entry 0 asks for the user's first event, entry t for the one after history t - 1.
        """
        width = width or self._size
        begin, user = self._begin[window], self._user[window]
        at = last[:, None] - width + np.arange(width)[None, :]
        present = at >= begin[:, None]
        at = np.where(present, at, 0)
        first = begin >= last - width
        target = np.concatenate([np.where(first, begin, 0)[:, None], np.where(present, at + 1, 0)], axis=1)
        asked = np.concatenate([first[:, None], present], axis=1) & self._asked[target]
        return {
            "user_row": self._users.row[user],
            "user_tokens": self._users.tokens[user],
            "history_rows": np.where(present, self._rows[at], 0),
            "history_types": np.where(present, self._types[at], 0),
            "history_values": np.where(present, self._values[at], np.float32(0)),
            "history_gaps": np.where(present, self._gaps[at], 0),
            "target_rows": np.where(asked, self._rows[target], -1),
            "target_weights": np.where(asked, self._weights[target], np.float32(0)),
        }

    def _cut_and_packed(self, batch_size: int, rng: np.random.Generator) -> list[tuple[Ints, Ints, int]]:
        """The batches of one epoch: which windows, their last positions, and the width that all of them fit."""
        window, last = self._cut(rng)
        fits = np.searchsorted(self._widths, np.minimum(last - self._begin[window], self._size))
        order = rng.permutation(len(window))
        batches = []
        for at, width in enumerate(self._widths.tolist()):
            some, count = order[fits[order] == at], batch_size * self._size // width
            batches += [some[begin : begin + count] for begin in range(0, len(some), count)]
        if len(self._widths) > 1:
            batches = [batches[at] for at in rng.permutation(len(batches))]
        return [(window[some], last[some], int(self._widths[fits[some[0]]])) for some in batches]

    def _cut(self, rng: np.random.Generator) -> tuple[Ints, Ints]:
        """Windows of one epoch: which user, and the last position asked for."""
        size = self._end - self._begin
        shift = np.where(size > self._size, rng.integers(0, self._size, len(size)), 0)
        further = np.maximum(0, np.ceil((size - 1 - shift) / self._size).astype(np.int64))
        more = np.where(shift > 0, further, np.maximum(0, further - 1))
        window = np.concatenate([np.arange(len(size)), np.repeat(np.arange(len(size)), more)])
        nth = np.arange(more.sum()) - np.repeat(np.cumsum(more) - more, more)
        back = np.repeat(np.where(shift > 0, shift, self._size), more) + nth * self._size
        last = np.concatenate([self._end - 1, np.repeat(self._end - 1, more) - back])
        return window, last


def example_weights(data: TrainingData, split: Split, space: FeatureSpace, config: TrainConfig) -> Floats:
    """`[events]` how much each counts when it is asked for: by its type, its age and its rating.

    Ages are counted from the last event that is learned from. What weighs nothing is context and not asked for.
    """
    log = data.log
    weights = np.array([0.0, *space.type_weights], np.float32)[log.types]
    if config.half_life:
        latest = log.times[split.training(log)].max(initial=-np.inf)
        weights *= (0.5 ** (np.maximum(latest - log.times, 0.0) / (DAY * config.half_life))).astype(
            np.float32
        )
    if config.rating_weight:
        weights *= 1.0 + config.rating_weight * space.scaled_values(log.types, log.values)
    return weights


def log_gaps(times: NDArray[np.float64], begin: Ints) -> NDArray[np.int32]:
    """Gap buckets `[events]` of a whole log: a user's first event has the longest gap."""
    gaps = time_gaps(times)
    starts = begin[begin < len(times)]
    gaps[starts] = time_gaps(times[:1])[0] if len(times) else 0
    return gaps


def history_batch(
    space: FeatureSpace, data: TrainingData, vectors: Floats, ranges: list[tuple[int, int]]
) -> Batch:
    """The user tower's history inputs for events begin … end-1 of the log, one row per range."""
    rows = [space.history_inputs(data.log.history(b, e), vectors) for b, e in ranges]
    return {name: np.concatenate([row[name] for row in rows]) for name in rows[0]}
