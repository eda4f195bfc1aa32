"""What a recommender has to beat. Each baseline answers a user's state with all unseen items, best first."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from catalog.records import Ints
from serving.pipeline import UserState
from training.dataset import TrainingData
from training.split import Split

Baseline = Callable[[UserState], Ints]


def most_popular(data: TrainingData, split: Split) -> Baseline:
    """Items by their number of training events, the same for everybody but for what each has seen."""
    learned = data.log.item_rows[split.training(data.log)]
    order = np.argsort(-np.bincount(learned, minlength=len(data.items)), kind="stable")

    def answer(state: UserState) -> Ints:
        unseen: Ints = order[~np.isin(order, state.seen)]
        return unseen

    return answer
