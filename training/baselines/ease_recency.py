"""EASE that listens to the latest events: the same model, asked with a history that fades."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from training.answers import Scores
from training.baselines.baseline import Learned
from training.neighbours import ease


@dataclass(frozen=True, slots=True)
class EaseRecency:
    """EASE with penalty `reg`; an event `decay` events back counts for 1/e of the last."""

    reg: float = 500.0
    decay: float = 5.0

    def fit(self, learned: Learned) -> Scores:
        """Invert one matrix."""
        learned.few_items()
        weights = ease(learned.matrix, self.reg).astype(np.float32)
        return lambda asked: asked.histories(self.decay) @ weights
