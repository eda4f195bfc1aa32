"""The nouns: items, users, interactions, and the columnar forms that the chain computes on.

Ids are opaque strings outside and dense rows inside. `IdMap` is the only place where one becomes the
other. Everything here is immutable; arrays live in structs rather than structs in lists.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import repeat
from typing import NewType

import numpy as np
from numpy.typing import NDArray

ItemId = NewType("ItemId", str)
UserId = NewType("UserId", str)
FeatureValue = str | float | tuple[str, ...] | None
"""A categorical value, a number, a set of categories, or nothing known."""

Ints = NDArray[np.int64]
Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Item:
    """One thing of the catalogue, as it is stored and shown."""

    item_id: ItemId
    title: str = ""
    text: str = ""
    """Description, plot or caption: what the text encoder reads after the title."""
    image: str | None = None
    """A file path or a `data:` URI; None where there is no picture."""
    features: Mapping[str, FeatureValue] = field(default_factory=dict)
    available: bool = True


@dataclass(frozen=True, slots=True)
class User:
    """One person, with whatever side features the data set declares."""

    user_id: UserId
    features: Mapping[str, FeatureValue] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Interaction:
    """One event. `sequence` orders events of equal time: the row of the file, or nanoseconds when live."""

    user_id: UserId
    item_id: ItemId
    type: str
    timestamp: float
    """Seconds since the epoch."""
    value: float | None = None
    event_id: str | None = None
    """The sender's own identity of the event; a second write with the same one changes nothing."""
    request_id: str | None = None
    sequence: int = 0
    fold: int = 0
    """The official test fold of a public data set that the event belongs to; 0 where there is none."""
    query: str | None = None
    """The words of an event that is a search; it has no item, and `item_id` is empty."""


@dataclass(frozen=True, slots=True)
class BadRow:
    """A row of a raw file that could not become a record, and why. It is kept, counted and shown."""

    file: str
    line: int
    """Counted from 1; the line on which the row ends."""
    column: str
    value: str
    reason: str
    kind: str = field(default="", compare=False)
    """What sort of problem it is: a key of `catalog.problems.ADVICE`. Follows from the reason."""


@dataclass(frozen=True, slots=True)
class InteractionLog:
    """All events in columns, sorted by (user, time, sequence). Rows index the id maps they were read with."""

    user_rows: Ints
    item_rows: Ints
    types: Ints
    """Codes of `DatasetSchema.type_code`, from 1."""
    values: Floats
    """NaN where an event has no value."""
    times: NDArray[np.float64]
    folds: Ints

    def __len__(self) -> int:
        """Number of events."""
        return len(self.user_rows)

    def take(self, where: NDArray[np.bool_] | Ints) -> InteractionLog:
        """The events that a mask or positions choose, in the same order."""
        return InteractionLog(
            self.user_rows[where], self.item_rows[where], self.types[where],
            self.values[where], self.times[where], self.folds[where],
        )  # fmt: skip

    def history(self, begin: int, end: int) -> History:
        """Events begin … end-1, which must belong to one user, as that user's history."""
        return History(
            self.item_rows[begin:end], self.types[begin:end], self.values[begin:end], self.times[begin:end]
        )

    def user_bounds(self, users: int) -> Ints:
        """Offsets `[users + 1]`: the events of user u are bounds[u] … bounds[u + 1] - 1."""
        return np.searchsorted(self.user_rows, np.arange(users + 1)).astype(np.int64)


@dataclass(frozen=True, slots=True)
class History:
    """What one user did, oldest first. Events on items outside the catalogue have been left out."""

    rows: Ints
    types: Ints
    values: Floats
    times: NDArray[np.float64]

    def __len__(self) -> int:
        """Number of events."""
        return len(self.rows)

    def last(self, count: int) -> History:
        """The most recent `count` events."""
        if len(self) <= count:
            return self
        return History(self.rows[-count:], self.types[-count:], self.values[-count:], self.times[-count:])

    @classmethod
    def empty(cls) -> History:
        """The history of somebody who has done nothing yet."""
        return cls(
            np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0, np.float32), np.zeros(0, np.float64)
        )


@dataclass(frozen=True, slots=True)
class Candidates:
    """The answer to one query, best first; no padding."""

    rows: Ints
    scores: Floats

    def __len__(self) -> int:
        """Number of candidates."""
        return len(self.rows)


@dataclass(frozen=True, slots=True)
class IdMap:
    """External ids and the dense rows 0 … n-1 that stand for them inside."""

    ids: tuple[str, ...]
    _rows: Mapping[str, int] = field(repr=False)

    @classmethod
    def of(cls, ids: Iterable[str]) -> IdMap:
        """Number the ids in the order given; a repeated id is a programming error."""
        ids = tuple(ids)
        rows = {name: row for row, name in enumerate(ids)}
        assert len(rows) == len(ids), f"{len(ids) - len(rows)} of {len(ids)} ids are repeated"
        return cls(ids, rows)

    def __len__(self) -> int:
        """Number of ids."""
        return len(self.ids)

    def __contains__(self, name: object) -> bool:
        """Whether the id is known."""
        return name in self._rows

    def row(self, name: str) -> int:
        """The row of an id, or -1 where it is not known."""
        return self._rows.get(name, -1)

    def rows(self, names: Sequence[str]) -> Ints:
        """Rows `[n]` of ids, -1 where one is not known."""
        return np.fromiter(map(self._rows.get, names, repeat(-1)), np.int64, len(names))
