"""EASE: a linear item-item model with a closed form (Steck 2019), the strongest simple baseline there is."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from training.answers import Scores
from training.baselines.baseline import Learned
from training.neighbours import ease


@dataclass(frozen=True, slots=True)
class Ease:
    """Ridge regression of each item on all others, with penalty `reg`."""

    reg: float = 500.0

    def fit(self, learned: Learned) -> Scores:
        """Invert one matrix."""
        learned.few_items()
        weights = ease(learned.matrix, self.reg).astype(np.float32)
        return lambda asked: asked.histories() @ weights
