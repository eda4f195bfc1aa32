"""Random order: what every figure has to be read against."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from training.answers import Scores
from training.baselines.baseline import Learned


@dataclass(frozen=True, slots=True)
class Random:
    """A new order for everybody."""

    def fit(self, learned: Learned) -> Scores:
        """Nothing to learn."""
        rng = np.random.default_rng(learned.seed)
        return lambda asked: rng.random((len(asked), len(learned.data.items)), np.float32)
