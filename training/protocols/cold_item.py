"""Cold item: a tenth of the items, by hash of their id, is taken wholly out of training and then asked for.

The items are in the bundle as a new item is: with text, picture and side features, and without an id embedding. Each
user is asked with everything else that they took; right are all held-out items that they took. They are ranked among
themselves, and among all.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from training.dataset import TrainingData
from training.protocols.exam import Exam, part_of
from training.questions import Questions
from training.split import next_item

PARTS = 10


def exam(data: TrainingData) -> Exam:
    """No event with a held-out item is left to be learned from, or in any history."""
    part = part_of(PARTS, data.item_ids.ids)
    warm = data.with_log(data.log.take((part != 0)[data.log.item_rows]))
    asked = _questions(data, part == 0)
    return Exam(
        warm, next_item(warm),
        {"cold_item": asked, "cold_item_among_all": asked.among_all()},
        beside=("content", "sbert_knn", "most_popular", "random"),
        # Another tenth, as if it were cold too. Whoever learns has seen it; the content baseline, whose knobs matter
        # here, learns nothing.
        validation=_questions(warm, part == 1), decisive="recall@50",
    )  # fmt: skip


def _questions(data: TrainingData, cold: NDArray[np.bool_]) -> Questions:
    """Which of the items each user took, knowing all others that they took."""
    held = cold[data.log.item_rows]
    rest = data.with_log(data.log.take(~held))
    bounds = rest.log.user_bounds(len(data.users))
    asked = data.targets() & held & (bounds[1:] > bounds[:-1])[data.log.user_rows]
    pairs = data.log.user_rows[asked], data.log.item_rows[asked]
    return Questions.of(rest, np.arange(len(data.users)), bounds[:-1], bounds[1:], pairs, cold)
