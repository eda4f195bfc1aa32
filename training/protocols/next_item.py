"""Next item: each user's last event is asked for, knowing all before it; the catalogue is ranked in full."""

from __future__ import annotations

import numpy as np

from training.dataset import TrainingData
from training.protocols.exam import Exam
from training.questions import Questions
from training.split import next_item


def exam(data: TrainingData) -> Exam:
    """Shipped bundles learn from the training part of just this split."""
    split = next_item(data)
    users = np.flatnonzero(split.test >= 0)
    at = split.test[users]
    pairs = np.arange(len(users)), data.log.item_rows[at]
    asked = Questions.of(data, users, split.begin[users], at, pairs)
    return Exam(data, split, {"next_item": asked}, shipped=True)
