"""What relates a history to a candidate, in numbers: the features of the logistic and the boosted ranker."""

from __future__ import annotations

import numpy as np

from catalog.records import Floats, Ints
from training.baselines.baseline import Learned
from training.baselines.second_stage import Features
from training.baselines.tokens import item_tokens
from training.questions import Questions

RECENT = 20
"""Events that affinity and time look back on."""
DECAY = 5.0
NAMES = (
    "similarity", "item_popularity", "interaction_count", "history_size", "category_affinity", "time_since_last",
)  # fmt: skip
"""similarity: the first stage's score. interaction_count: how many items of the history share a side feature with the
candidate, each counted by how much of its features. category_affinity: the same over the latest events alone, as a
share and the latest loudest. time_since_last: log of the seconds since the history's last event on such an item."""


def six(learned: Learned) -> Features:
    """The features in the order of NAMES."""
    tokens, popularity = item_tokens(learned), np.log1p(learned.popularity)

    def features(asked: Questions, question: int, rows: Ints, scores: Floats) -> Floats:
        log = asked.data.log
        at = slice(int(asked.begin[question]), int(asked.end[question]))
        history, times = log.item_rows[at], log.times[at]
        shared = np.asarray((tokens[rows] @ tokens[history[-RECENT:]].T).todense())
        weights = np.exp(-np.arange(shared.shape[1])[::-1] / DECAY)
        since = np.where(shared > 0, times[-1:] - times[-RECENT:], np.inf).min(1, initial=np.inf)
        out = np.empty((len(rows), len(NAMES)), np.float32)
        out[:, 0] = scores
        out[:, 1] = popularity[rows]
        out[:, 2] = tokens[rows] @ np.asarray(tokens[history].sum(0)).ravel()
        out[:, 3] = np.log1p(len(history))
        out[:, 4] = shared @ weights / max(weights.sum(), 1e-12)
        out[:, 5] = np.log1p(np.minimum(since, 1e9))
        return out

    return features
