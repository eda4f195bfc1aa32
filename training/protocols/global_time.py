"""Global time: what happened before a moment is learned from, what each user took after a later one is asked for.

The first 80 % of the events are training, the next 10 % validation, the last 10 % test. Unlike in the next-item
protocol nothing that is learned from lies in the future of any question, and many users of the test are new.
"""

from __future__ import annotations

import numpy as np

from catalog.errors import NotReadyError
from catalog.records import Ints
from training.dataset import TrainingData
from training.protocols.exam import Exam
from training.questions import Questions
from training.split import Split

TRAINING, VALIDATION = 0.8, 0.1
"""Shares of the events."""


def exam(data: TrainingData) -> Exam:
    """All items that a user takes in the test part are right, asked as of its beginning.

    Raises:
        NotReadyError: the data set knows an order of events, and no times.
    """
    if not data.schema.timed:
        raise NotReadyError(
            f"expected real times of events in {data.schema.name}, found only the order of each user's: "
            "there is no moment that is the same for all; ask for the protocol next-item"
        )
    bounds = data.log.user_bounds(len(data.users))
    begin, stop = bounds[:-1], bounds[1:]
    end, later = (begin + _before(data, share) for share in (TRAINING, TRAINING + VALIDATION))
    targets = np.flatnonzero(data.targets())
    upto = np.searchsorted(targets, later)
    last = np.where(upto > 0, targets[upto - 1] if len(targets) else -1, -1)
    # When to stop a fit is told by the last item before the test part: who has a history then has most of it.
    split = Split(begin, end, np.where(last >= end, last, -1), np.full(len(begin), -1))
    owner = data.log.user_rows[targets]

    def taken(since: Ints, until: Ints) -> Questions:
        """What each user takes between two of their events, as of the first of them."""
        asked = (targets >= since[owner]) & (targets < until[owner])
        pairs = owner[asked], data.log.item_rows[targets[asked]]
        return Questions.of(data, np.arange(len(begin)), begin, since, pairs)

    # All else is chosen by the question of the test, put a tenth earlier: what comes next is another question.
    before = taken(end, later)
    return Exam(data, split, {"global_time": taken(later, stop)}, validation=before, deciding=before)


def _before(data: TrainingData, share: float) -> Ints:
    """Events `[users]` of each user before the moment when `share` of all events have happened."""
    moment = np.quantile(data.log.times, share, method="higher") if len(data.log) else 0.0
    return np.bincount(data.log.user_rows[data.log.times < moment], minlength=len(data.users)).astype(
        np.int64
    )
