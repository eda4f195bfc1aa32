"""BPR: matrix factorisation that puts what was taken above what was not (Rendle et al. 2009), by `implicit`."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from catalog.records import Floats
from training.answers import Scores
from training.baselines.baseline import Learned
from training.questions import Questions


@dataclass(frozen=True, slots=True)
class Bpr:
    """`factors` numbers per user and item, learned by stochastic gradient descent."""

    factors: int = 64
    learning_rate: float = 0.05
    reg: float = 0.01
    iterations: int = 100

    def fit(self, learned: Learned) -> Scores:
        """Descend; somebody unknown gets the items' biases."""
        from implicit.cpu.bpr import BayesianPersonalizedRanking
        from threadpoolctl import threadpool_limits

        model = BayesianPersonalizedRanking(
            self.factors, learning_rate=self.learning_rate, regularization=self.reg, iterations=self.iterations,
            num_threads=1, random_state=learned.seed,
        )  # fmt: skip
        with threadpool_limits(1):
            model.fit(learned.matrix, show_progress=False)
        known = np.diff(learned.matrix.indptr) > 0

        def scores(asked: Questions) -> Floats:
            factors = np.zeros((len(asked), model.user_factors.shape[1]), np.float32)
            factors[:, -1] = 1.0  # the column that meets the items' biases
            there = np.flatnonzero((asked.users >= 0) & known[asked.users])
            factors[there] = model.user_factors[asked.users[there]]
            return np.asarray(factors @ model.item_factors.T, np.float32)

        return scores
