"""User-based nearest neighbours: what people took who took the same (Resnick et al. 1994)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import sparse

from catalog.records import Floats
from training.answers import Scores
from training.baselines.baseline import Learned
from training.baselines.unit import unit
from training.questions import Questions


@dataclass(frozen=True, slots=True)
class UserKnn:
    """Sums what the `neighbours` people nearest by cosine took, weighted by that cosine."""

    neighbours: int = 100

    def fit(self, learned: Learned) -> Scores:
        """Scale histories to unit length; neighbours are found when somebody asks."""
        others, keep = unit(learned.matrix).T.tocsc(), min(self.neighbours, len(learned.data.users))

        def scores(asked: Questions) -> Floats:
            near = np.asarray((unit(asked.histories()) @ others).todense())
            known = np.flatnonzero(asked.users >= 0)
            near[known, asked.users[known]] = 0.0  # nobody is their own neighbour
            least = np.partition(near, -keep, axis=1)[:, -keep, None]
            near[near < least] = 0.0
            return np.asarray((sparse.csr_matrix(near) @ learned.matrix).todense(), np.float32)

        return scores
