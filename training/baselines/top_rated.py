"""Top rated: the best mean rating, drawn towards the overall mean where an item has few."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from catalog.records import Floats
from training.answers import Scores
from training.baselines.baseline import Learned, Predicted


@dataclass(frozen=True, slots=True)
class TopRated:
    """Bayesian-smoothed mean rating: `prior` ratings at the overall mean are added to each item's own."""

    prior: float = 25.0

    def fit(self, learned: Learned) -> Scores:
        """Average."""
        means = self._means(learned)
        return lambda asked: np.tile(means, (len(asked), 1))

    def fit_ratings(self, learned: Learned) -> Predicted:
        """The same mean is what it would predict."""
        means = self._means(learned)
        return lambda users, items: means[items]

    def _means(self, learned: Learned) -> Floats:
        log, count = learned.values(), len(learned.data.items)
        total = np.bincount(log.item_rows, log.values, count) + self.prior * log.values.mean()
        means: Floats = total / (np.bincount(log.item_rows, minlength=count) + self.prior)
        return means.astype(np.float32)
