"""Logistic regression as a ranker, by scikit-learn: six numbers about a user and a candidate, weighted."""

from __future__ import annotations

from dataclasses import dataclass

from training.answers import Scores
from training.baselines.affinity import six
from training.baselines.baseline import Learned
from training.baselines.second_stage import examples, reranked


@dataclass(frozen=True, slots=True)
class Logistic:
    """Standardised features, penalty 1 / `inverse_reg`."""

    inverse_reg: float = 1.0

    def fit(self, learned: Learned) -> Scores:
        """Learn what was taken from what was returned beside it.

        Raises:
            NotReadyError: too little to learn from.
        """
        from sklearn.linear_model import LogisticRegression
        from sklearn.pipeline import make_pipeline
        from sklearn.preprocessing import StandardScaler

        lists = examples(learned, six)
        model = make_pipeline(StandardScaler(), LogisticRegression(C=self.inverse_reg, max_iter=1000))
        model.fit(lists.numbers, lists.taken)
        return reranked(learned, six, model.decision_function)
