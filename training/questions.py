"""Who is asked about, as of when, and what was right: the same questions for whatever answers them.

A history is a stretch of the log, so a question is three positions and its right items. Methods that answer one
user at a time take states, those that score many at once take matrices of histories; both see the same events.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from catalog.records import Floats, Ints
from serving.recommend.query import UserState
from training.dataset import TrainingData
from training.split import Split

STRANGER = -1
"""The user of a question about somebody of whom there is no record."""


@dataclass(frozen=True, slots=True)
class Questions:
    """n moments in users' lives and what they took afterwards, each with at least one right item."""

    data: TrainingData
    """Its log holds the histories."""
    users: Ints
    """`[n]` user rows; STRANGER where nobody has a record of the user."""
    begin: Ints
    """`[n]` first event of the history."""
    end: Ints
    """`[n]` one past its last event."""
    right: Ints
    """`[pairs]` item rows."""
    owner: Ints
    """`[pairs]` question `0 … n-1` that the item is right for, rising."""
    among: NDArray[np.bool_]
    """`[items]` what may be answered, unless the history holds it."""

    @classmethod
    def of(
        cls, data: TrainingData, users: Ints, begin: Ints, end: Ints, pairs: tuple[Ints, Ints],
        among: NDArray[np.bool_] | None = None,
    ) -> Questions:  # fmt: skip
        """Questions that can be answered: right items that nobody may be shown are left out.

        Args:
            data: log and catalogue.
            users: `[n]`, with `begin` and `end` of their histories.
            begin: see the class.
            end: see the class.
            pairs: owners and rows of the right items.
            among: what may be answered besides being available; None for everything that is.
        """
        among = _available(data) if among is None else _available(data) & among
        owner, right = pairs
        order = np.argsort(owner, kind="stable")
        order = order[among[right[order]]]
        asked, owner = np.unique(owner[order], return_inverse=True)
        return cls(data, users[asked], begin[asked], end[asked], right[order], owner, among)

    def __len__(self) -> int:
        """Number of questions."""
        return len(self.users)

    @property
    def restricted(self) -> bool:
        """Whether only some of the available items may be answered."""
        return not np.array_equal(self.among, _available(self.data))

    def among_all(self) -> Questions:
        """The same, where everything that is available may be answered."""
        return replace(self, among=_available(self.data))

    def some(self, most: int) -> Questions:
        """At most so many of the questions, drawn evenly from all: always the same ones."""
        if len(self) <= most:
            return self
        chosen = np.linspace(0, len(self) - 1, most).astype(np.int64)
        place = np.full(len(self), -1)
        place[chosen] = np.arange(most)
        inside = place[self.owner] >= 0
        return replace(
            self, users=self.users[chosen], begin=self.begin[chosen], end=self.end[chosen],
            right=self.right[inside], owner=place[self.owner[inside]],
        )  # fmt: skip

    def state(self, question: int) -> UserState:
        """What serving would know at that moment."""
        user = int(self.users[question])
        history = self.data.log.history(int(self.begin[question]), int(self.end[question]))
        return UserState(
            None if user == STRANGER else self.data.users[user], history, np.unique(history.rows),
            self.time(question),
        )  # fmt: skip

    def time(self, question: int) -> float | None:
        """When the question is asked: as the user's next event begins, else at their last one; None of no events."""
        user, log = int(self.users[question]), self.data.log
        begin, end = int(self.begin[question]), int(self.end[question])
        if end < len(log) and (user == STRANGER or log.user_rows[end] == user):
            return float(log.times[end])
        return float(log.times[end - 1]) if end > begin else None

    def chunks(self, size: int) -> Iterator[Questions]:
        """The same questions, at most `size` at a time."""
        for at in range(0, len(self), size):
            inside = (self.owner >= at) & (self.owner < at + size)
            yield replace(
                self, users=self.users[at : at + size], begin=self.begin[at : at + size],
                end=self.end[at : at + size], right=self.right[inside], owner=self.owner[inside] - at,
            )  # fmt: skip

    def events(self) -> tuple[Ints, Ints, Ints]:
        """All events of all histories, oldest first: question, position in the log, and age (0 is the last)."""
        size = self.end - self.begin
        question = np.repeat(np.arange(len(self)), size)
        nth = np.arange(size.sum()) - np.repeat(np.cumsum(size) - size, size)
        return question, self.begin[question] + nth, size[question] - 1 - nth

    def seen(self) -> tuple[Ints, Ints]:
        """Questions and rows of all that must not be answered because the history holds it, each pair once."""
        question, at, _ = self.events()
        return divmod(np.unique(question * self._items + self.data.log.item_rows[at]), self._items)

    def candidates(self) -> Ints:
        """`[n]` items that may be answered."""
        question, row = self.seen()
        hidden = np.bincount(question, self.among[row], len(self)).astype(np.int64)
        return int(self.among.sum()) - hidden

    def histories(self, decay: float = np.inf) -> sparse.csr_matrix:
        """What was taken, `[n, items]`: exp(-age / decay) of the last event with each item, 1 without a decay.

        Events of types that say dislike are left out.
        """
        question, at, age = self.events()
        taken = taken_events(self.data)[at]
        # Newest first, so that of several events with an item the last one stands.
        question, row, age = question[taken][::-1], self.data.log.item_rows[at[taken]][::-1], age[taken][::-1]
        _, last = np.unique(question * self._items + row, return_index=True)
        weights = np.exp(-age[last] / decay).astype(np.float32)
        return sparse.csr_matrix((weights, (question[last], row[last])), shape=(len(self), self._items))

    def hide(self, scores: Floats) -> Floats:
        """Set the scores `[n, items]` of all that may not be answered to -inf, in place."""
        scores[:, ~self.among] = -np.inf
        scores[self.seen()] = -np.inf
        return scores

    @property
    def _items(self) -> int:
        return len(self.data.items)


def validation_questions(data: TrainingData, split: Split) -> Questions:
    """The validation events of a split, each asked with the history before it."""
    users = np.flatnonzero(split.validation >= 0)
    at = split.validation[users]
    pairs = np.arange(len(users)), data.log.item_rows[at]
    return Questions.of(data, users, split.begin[users], at, pairs)


def taken_events(data: TrainingData) -> NDArray[np.bool_]:
    """`[events]`: whether an event says that its item was taken, and not that it was disliked."""
    kinds = data.schema.interactions.values()
    taken = np.array([False, *(kind.polarity != "negative" for kind in kinds)])
    events: NDArray[np.bool_] = taken[data.log.types]
    return events


def _available(data: TrainingData) -> NDArray[np.bool_]:
    return np.array([item.available for item in data.items], bool)
