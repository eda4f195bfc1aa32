"""LightFM: factorisation of ids and side features together (Kula 2015), by the package `rectools-lightfm`."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import sparse

from catalog.records import Floats
from training.answers import Scores
from training.baselines.baseline import Learned
from training.baselines.tokens import item_tokens, user_tokens
from training.questions import Questions


@dataclass(frozen=True, slots=True)
class LightFm:
    """WARP loss over users and items that are each the sum of their id and their side features."""

    factors: int = 64
    epochs: int = 20
    learning_rate: float = 0.05
    reg: float = 0.0

    def fit(self, learned: Learned) -> Scores:
        """Descend; a user without training events is their side features, a stranger gets the items' biases."""
        from lightfm import LightFM

        items, users = _with_ids(item_tokens(learned)), _with_ids(user_tokens(learned))
        model = LightFM(
            no_components=self.factors, loss="warp", learning_rate=self.learning_rate, item_alpha=self.reg,
            user_alpha=self.reg, random_state=learned.seed,
        )  # fmt: skip
        model.fit(learned.matrix, users, items, epochs=self.epochs, num_threads=1)
        item_biases, item_factors = model.get_item_representations(items)
        # An id that nobody has learned anything about is still at its random start.
        trained = sparse.diags((np.diff(learned.matrix.indptr) > 0).astype(np.float32))
        told = sparse.hstack([trained, user_tokens(learned)], format="csr")
        _, user_factors = model.get_user_representations(told)

        def scores(asked: Questions) -> Floats:
            factors = np.where(asked.users[:, None] >= 0, user_factors[asked.users], 0.0)
            return np.asarray(factors @ item_factors.T + item_biases, np.float32)

        return scores


def _with_ids(tokens: sparse.csr_matrix) -> sparse.csr_matrix:
    return sparse.hstack([sparse.identity(tokens.shape[0], np.float32), tokens], format="csr")
