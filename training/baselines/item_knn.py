"""Item-based nearest neighbours: items that the same people took (Sarwar et al. 2001)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import sparse

from training.answers import Scores
from training.baselines.baseline import Learned
from training.baselines.unit import unit
from training.neighbours import strongest


@dataclass(frozen=True, slots=True)
class ItemKnn:
    """Sums, over the history, the cosines of each item's `neighbours` nearest."""

    neighbours: int = 200

    def fit(self, learned: Learned) -> Scores:
        """Find every item's neighbours."""
        count = len(learned.data.items)
        taken = unit(learned.matrix.T)
        cosines = taken @ taken.T
        cosines = (cosines - sparse.diags(cosines.diagonal())).tocsr()
        cosines.eliminate_zeros()
        near, weights = strongest(cosines, min(self.neighbours, count))
        there = near >= 0
        columns = (weights[there], (np.nonzero(there)[0], near[there]))
        said = sparse.csr_matrix(columns, shape=(count, count))
        return lambda asked: np.asarray((asked.histories() @ said).todense(), np.float32)
