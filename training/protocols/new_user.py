"""New user: a fifth of the users, by hash of their id, is never trained on and then asked about.

The service knows nothing of them but what they did: no record, no id embedding. Their last event is asked for,
knowing all before it.
"""

from __future__ import annotations

import numpy as np

from training.dataset import TrainingData
from training.protocols.exam import Exam, part_of
from training.questions import STRANGER, Questions
from training.split import next_item

PARTS = 5


def exam(data: TrainingData) -> Exam:
    """The other users are learned from as ever."""
    stranger = part_of(PARTS, data.user_ids.ids) == 0
    others = data.with_log(data.log.take(~stranger[data.log.user_rows]))
    split = next_item(data)
    users = np.flatnonzero(stranger & (split.test >= 0))
    at = split.test[users]
    pairs = np.arange(len(users)), data.log.item_rows[at]
    asked = Questions.of(data, np.full(len(users), STRANGER), split.begin[users], at, pairs)
    return Exam(others, next_item(others), {"new_user": asked})
