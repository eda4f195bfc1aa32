"""iALS: matrix factorisation of implicit feedback (Hu, Koren & Volinsky 2008), by the package `implicit`."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from catalog.records import Floats
from training.answers import Scores
from training.baselines.baseline import Learned
from training.questions import Questions


@dataclass(frozen=True, slots=True)
class Ials:
    """`factors` numbers per item; what was taken weighs `alpha` times as much as what was not."""

    factors: int = 64
    reg: float = 10.0
    alpha: float = 10.0
    iterations: int = 15

    def fit(self, learned: Learned) -> Scores:
        """Alternate; users are folded in from the history that they are asked with."""
        from implicit.cpu.als import AlternatingLeastSquares
        from threadpoolctl import threadpool_limits

        model = AlternatingLeastSquares(
            self.factors, regularization=self.reg, alpha=self.alpha, iterations=self.iterations, num_threads=1,
            random_state=learned.seed,
        )  # fmt: skip
        with threadpool_limits(1):
            model.fit(learned.matrix, show_progress=False)

        def scores(asked: Questions) -> Floats:
            factors = model.recalculate_user(np.arange(len(asked)), asked.histories())
            return np.asarray(factors @ model.item_factors.T, np.float32)

        return scores
