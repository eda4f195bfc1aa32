"""Content alone: items whose text is near that of the history, by the vectors that the text encoder has stored."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf

import numpy as np

from catalog.errors import NotReadyError
from catalog.records import Floats
from training.answers import Scores
from training.baselines.baseline import Learned
from training.questions import Questions


@dataclass(frozen=True, slots=True)
class Content:
    """Sums the cosines of the `nearest` items of the history, an event `decay` events back counting 1/e.

    Vectors of an encoder share a direction that says nothing about any of them; `centred` takes it out, which makes
    this baseline half as good again on cold items (docs/LOG.md).
    """

    nearest: int = 1_000_000
    decay: float = inf
    centred: bool = True

    def fit(self, learned: Learned) -> Scores:
        """Nothing is learned: the encoder has been trained elsewhere.

        Raises:
            NotReadyError: no item has a text vector.
        """
        content = learned.data.content
        if not content.mask[:, 0].any():
            raise NotReadyError(
                f"expected text vectors of the items of {learned.data.schema.name}, found none; "
                "run `towerbridge embed`"
            )
        texts, there = content.text, content.mask[:, :1] > 0
        if self.centred:
            texts = texts - texts.mean(0, where=there)
        texts = np.where(there, texts / np.maximum(np.linalg.norm(texts, axis=1, keepdims=True), 1e-12), 0.0)

        def scores(asked: Questions) -> Floats:
            histories = asked.histories(self.decay)
            if self.nearest >= np.diff(histories.indptr).max(initial=0):
                return np.asarray((histories @ texts) @ texts.T, np.float32)
            found = np.zeros((len(asked), len(texts)), np.float32)
            for question, one in enumerate(histories):
                near = one.data[:, None] * (texts[one.indices] @ texts.T)
                if len(near) > self.nearest:
                    near = np.partition(near, -self.nearest, axis=0)[-self.nearest :]
                found[question] = near.sum(0)
            return found

        return scores
