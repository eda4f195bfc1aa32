"""What a baseline is: knobs that learn from training events and then score whole catalogues.

Every baseline is one file with one frozen dataclass; `registry` names them. All of them see the same events as the
towers, and the same history at the moment they are asked.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
from scipy import sparse

from catalog.errors import NotReadyError
from catalog.records import Floats, InteractionLog, Ints
from training.answers import Scores
from training.dataset import TrainingData
from training.questions import Questions, taken_events
from training.split import Split

Predicted = Callable[[Ints, Ints], Floats]
"""Ratings `[n]` of users `[n]` for items `[n]`, both as rows."""
DENSE = 20_000
"""Items above which no baseline makes a matrix of items by items."""


@dataclass(frozen=True, slots=True)
class Learned:
    """What may be learned from."""

    data: TrainingData
    split: Split
    log: InteractionLog
    """The training events that say an item was taken."""
    matrix: sparse.csr_matrix
    """`[users, items]` 1 where a user took an item."""
    seed: int

    @classmethod
    def of(cls, data: TrainingData, split: Split, seed: int = 0) -> Learned:
        """The training part of a split."""
        log = data.log.take(split.training(data.log) & taken_events(data))
        shape = (len(data.users), len(data.items))
        pairs = np.unique(log.user_rows * shape[1] + log.item_rows)
        ones = np.ones(len(pairs), np.float32)
        return cls(data, split, log, sparse.csr_matrix((ones, divmod(pairs, shape[1])), shape=shape), seed)

    @property
    def popularity(self) -> Floats:
        """`[items]` training events."""
        return np.bincount(self.log.item_rows, minlength=len(self.data.items)).astype(np.float32)

    def now(self, asked: Questions) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
        """`[n]` when each question is asked: at the last event of its history, or of all, where there is none."""
        last = asked.data.log.times[np.maximum(asked.end - 1, 0)]
        newest = self.log.times.max(initial=0.0)
        return np.where(asked.end > asked.begin, last, newest)

    def values(self) -> InteractionLog:
        """The training events that carry a rating.

        Raises:
            NotReadyError: the data set has none.
        """
        name = self.data.schema.rating_type()
        if name is None:
            raise NotReadyError(f"expected ratings in {self.data.schema.name}, found no type with values")
        rated = (self.log.types == self.data.schema.type_code(name)) & ~np.isnan(self.log.values)
        if not rated.any():
            raise NotReadyError(f"expected ratings among {len(self.log)} training events, found none")
        return self.log.take(rated)

    def few_items(self) -> None:
        """Refuse a catalogue whose items by items do not fit.

        Raises:
            NotReadyError: there are more than DENSE.
        """
        if len(self.data.items) > DENSE:
            raise NotReadyError(
                f"expected at most {DENSE} items for a dense matrix of items by items, "
                f"found {len(self.data.items)}"
            )


class Baseline(Protocol):
    """Knobs of one method."""

    def fit(self, learned: Learned) -> Scores:
        """Learn; what comes back scores everybody who is asked about.

        Raises:
            NotReadyError: the data set lacks what the method reads.
        """


@runtime_checkable
class RatingBaseline(Protocol):
    """A baseline that predicts ratings as well."""

    def fit_ratings(self, learned: Learned) -> Predicted:
        """Learn; what comes back predicts ratings, not yet held to their range."""
