"""Neural collaborative filtering: an inner product and a network side by side, NeuMF (He et al. 2017)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from catalog.records import Floats, Ints
from towers.frameworks import keras
from training.answers import Scores
from training.baselines.baseline import Learned
from training.questions import Questions

BATCH = 2_048
ROWS = 1 << 16
"""Pairs that are scored at once."""


@dataclass(frozen=True, slots=True)
class NeuralCf:
    """`factors` numbers that are multiplied, and as many in which the network beside them ends."""

    factors: int = 32
    epochs: int = 10
    negatives: int = 4
    """Items drawn beside each that was taken, anew in every epoch."""
    learning_rate: float = 3e-3

    def fit(self, learned: Learned) -> Scores:
        """Descend on the cross entropy; somebody of whom nothing was learned is the mean of all others."""
        keras.utils.set_random_seed(learned.seed)
        users, items = learned.matrix.shape
        model = _network(users + 1, items, self.factors)  # strangers are user -1, the last row
        model.compile(
            optimizer=keras.optimizers.legacy.Adam(self.learning_rate),
            loss=keras.losses.BinaryCrossentropy(from_logits=True),
        )
        rng = np.random.default_rng(learned.seed)
        for _ in range(self.epochs):
            of, what, taken = self._drawn(learned, rng)
            model.fit([of, what], taken, BATCH, verbose=0)
        unknown = np.append(np.diff(learned.matrix.indptr) == 0, True)
        for table in (layer for layer in model.layers if layer.name.startswith("user_")):
            (rows,) = table.get_weights()
            rows[unknown] = rows[~unknown].mean(0)
            table.set_weights([rows])

        def scores(asked: Questions) -> Floats:
            of, what = np.repeat(asked.users % (users + 1), items), np.tile(np.arange(items), len(asked))
            parts = [
                model([of[at : at + ROWS], what[at : at + ROWS]]).numpy() for at in range(0, len(of), ROWS)
            ]
            return np.concatenate([np.zeros((0, 1), np.float32), *parts]).reshape(len(asked), items)

        return scores

    def _drawn(self, learned: Learned, rng: np.random.Generator) -> tuple[Ints, Ints, NDArray[np.bool_]]:
        """Users and items `[pairs]` of one epoch in random order, and which of them were taken."""
        count = learned.matrix.shape[1]
        own, mine = (each.astype(np.int64) for each in learned.matrix.nonzero())
        beside = np.repeat(own, self.negatives)
        drawn = rng.integers(0, count, len(beside))
        wrong = ~np.isin(beside * count + drawn, own * count + mine)
        of, what = np.concatenate([own, beside[wrong]]), np.concatenate([mine, drawn[wrong]])
        order = rng.permutation(len(of))
        return of[order], what[order], order < len(own)


def _network(users: int, items: int, factors: int) -> keras.Model:
    """Logits `[n, 1]` of users `[n]` for items `[n]`, by the paper's sizes: a tower of 4, 2 and 1 times `factors`."""
    user, item = keras.Input((), dtype="int64"), keras.Input((), dtype="int64")

    def tables(name: str, size: int) -> tuple[keras.KerasTensor, keras.KerasTensor]:
        return tuple(
            keras.layers.Embedding(
                rows, size, keras.initializers.RandomNormal(stddev=0.01), name=f"{side}_{name}"
            )(of)
            for side, rows, of in (("user", users, user), ("item", items, item))
        )

    product = keras.layers.multiply(tables("product", factors))
    deep = keras.layers.concatenate(tables("deep", 2 * factors))
    for size in (2 * factors, factors):
        deep = keras.layers.Dense(size, "relu")(deep)
    return keras.Model([user, item], keras.layers.Dense(1)(keras.layers.concatenate([product, deep])))
