"""Cold item: a tenth of the items, by hash of their id, is taken wholly out of training and then asked for.

The items are in the bundle as a new item is: with text, picture and side features, and without an id embedding. Each
user is asked with everything else that they took; right are all held-out items that they took. They are ranked among
themselves, and among all.
"""

from __future__ import annotations

import numpy as np

from training.dataset import TrainingData
from training.protocols.exam import Exam, one_in
from training.questions import Questions
from training.split import next_item

PARTS = 10


def exam(data: TrainingData) -> Exam:
    """No event with a held-out item is left to be learned from, or in any history."""
    cold = one_in(PARTS, data.item_ids.ids)
    warm = data.with_log(data.log.take(~cold[data.log.item_rows]))
    bounds = warm.log.user_bounds(len(data.users))
    asked = data.targets() & cold[data.log.item_rows]
    asked &= (bounds[1:] > bounds[:-1])[data.log.user_rows]
    pairs = data.log.user_rows[asked], data.log.item_rows[asked]
    users = np.arange(len(data.users))
    alone = Questions.of(warm, users, bounds[:-1], bounds[1:], pairs, cold)
    among_all = Questions.of(warm, users, bounds[:-1], bounds[1:], pairs)
    tables = {"cold_item": alone, "cold_item_among_all": among_all}
    return Exam(warm, next_item(warm), tables, beside=("content", "most_popular", "random"))
