"""What was taken in one sitting: a user's events with pauses of less than half an hour between them.

Where a data set's times are no times, or its users are sessions already, all events of a user are one sitting.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from training.dataset import TrainingData
from training.questions import taken_events

GAP = 1_800.0
"""Seconds without an event after which another session begins."""
LATEST = 50_000
"""Sessions that are looked at."""
LONGEST = 30
"""Different items of a session that are looked at, the first ones: who takes more leafs through a catalogue."""


def sessions(data: TrainingData, learned: NDArray[np.bool_]) -> sparse.csr_matrix:
    """`[sessions, items]`: 1 where a session holds an item; the latest sessions with two items or more.

    Args:
        data: log and schema.
        learned: `[events]` which of them count.
    """
    log = data.log.take(learned & taken_events(data))
    if not len(log):
        return sparse.csr_matrix((0, len(data.items)), dtype=bool)
    later = np.diff(log.times) > GAP if data.schema.timed else np.zeros(len(log) - 1, bool)
    session = np.concatenate([[0], np.cumsum((np.diff(log.user_rows) > 0) | later)])
    pair = session * len(data.items) + log.item_rows
    first = np.sort(np.unique(pair, return_index=True)[1])
    session, rows, times = session[first], log.item_rows[first], log.times[first]
    begins = np.searchsorted(session, session)  # where the session of each event begins
    short = np.arange(len(session)) - begins < LONGEST
    session, rows, times = session[short], rows[short], times[short]
    size = np.bincount(session)
    ended = np.full(len(size), -np.inf)
    np.maximum.at(ended, session, times)
    ended[size < 2] = -np.inf
    chosen = np.argsort(-ended, kind="stable")[: min(LATEST, int((size >= 2).sum()))]
    place = np.full(len(size), -1)
    place[np.sort(chosen)] = np.arange(len(chosen))
    kept = place[session] >= 0
    return sparse.csr_matrix(
        (np.ones(int(kept.sum()), bool), (place[session[kept]], rows[kept])),
        shape=(len(chosen), len(data.items)),
    )
