"""Boosted trees as a ranker, by CatBoost: the six features, and the side features of both sides."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from catalog.records import Floats, Ints
from training.answers import Scores
from training.baselines.affinity import six
from training.baselines.baseline import Learned
from training.baselines.second_stage import Features, examples, reranked
from training.baselines.tokens import item_tokens, user_tokens
from training.questions import Questions

MOST = 100
"""The most frequent side features of each side, one column each."""


@dataclass(frozen=True, slots=True)
class Boosted:
    """`trees` trees that learn to put what was taken above the rest of its list."""

    trees: int = 300
    depth: int = 6
    learning_rate: float = 0.1

    def fit(self, learned: Learned) -> Scores:
        """Boost.

        Raises:
            NotReadyError: too little to learn from.
        """
        from catboost import CatBoostRanker, Pool

        lists = examples(learned, described)
        model = CatBoostRanker(
            loss_function="QuerySoftMax", iterations=self.trees, depth=self.depth, learning_rate=self.learning_rate,
            random_seed=learned.seed, thread_count=1, verbose=False, allow_writing_files=False,
        )  # fmt: skip
        model.fit(Pool(lists.numbers, lists.taken.astype(np.float32), group_id=lists.lists))
        return reranked(learned, described, model.predict)


def described(learned: Learned) -> Features:
    """The six features and one column per frequent side feature."""
    cross = six(learned)
    items, users = item_tokens(learned), user_tokens(learned)
    items = items[:, np.argsort(-items.getnnz(0), kind="stable")[:MOST]].toarray()
    users = users[:, np.argsort(-users.getnnz(0), kind="stable")[:MOST]].toarray()

    def features(asked: Questions, question: int, rows: Ints, scores: Floats) -> Floats:
        user = int(asked.users[question])
        told = users[user] if user >= 0 else np.zeros(users.shape[1], np.float32)
        return np.hstack([cross(asked, question, rows, scores), items[rows], np.tile(told, (len(rows), 1))])

    return features
