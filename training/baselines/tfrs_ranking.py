"""The ranking model of the TensorFlow Recommenders tutorial: embeddings → dense layers → rating, by squared error.

It predicts how an item would be rated by somebody who chose it; as an order of recommendations it is what many a
first project ships.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from catalog.records import Floats, Ints
from towers.frameworks import keras, tf, tfrs
from towers.layers import mean_of_tokens, tensors
from training.answers import Scores
from training.baselines.baseline import Learned, Predicted
from training.baselines.tokens import feature_space
from training.questions import Questions

HELD = 0.05
"""Share of the ratings on which it is decided when to stop."""
PATIENCE = 3
ROWS = 1 << 16
"""Pairs that are predicted at once."""
Columns = dict[str, NDArray[np.int32] | Floats]


@dataclass(frozen=True, slots=True)
class TfrsRanking:
    """Ids alone, or ids and side features of both sides."""

    features: bool = False
    embedding_size: int = 32
    epochs: int = 30
    batch_size: int = 256
    learning_rate: float = 0.05

    def fit(self, learned: Learned) -> Scores:
        """Learn ratings; items come in order of predicted rating."""
        predict, count = self.fit_ratings(learned), len(learned.data.items)

        def scores(asked: Questions) -> Floats:
            pairs = np.repeat(asked.users, count), np.tile(np.arange(count), len(asked))
            return predict(*pairs).reshape(len(asked), count)

        return scores

    def fit_ratings(self, learned: Learned) -> Predicted:
        """Descend until the held-out ratings are predicted no better.

        Raises:
            NotReadyError: the data set has no ratings.
        """
        log = learned.values()
        users, items = _user_columns(learned), _item_columns(learned)

        def rows(of: Ints, what: Ints) -> dict[str, tf.Tensor]:
            return tensors(
                {name: column[of] for name, column in users.items()}
                | {name: column[what] for name, column in items.items()}
            )

        keras.utils.set_random_seed(learned.seed)
        model = _Ranking(
            self.features, self.embedding_size, float(log.values.mean()),
            {name: int(column.max(initial=0)) + 1 for name, column in {**users, **items}.items()},
        )  # fmt: skip
        model.compile(optimizer=keras.optimizers.legacy.Adagrad(self.learning_rate))
        examples = {**rows(log.user_rows, log.item_rows), "rating": tf.constant(log.values)}
        order = np.random.default_rng(learned.seed).permutation(len(log))
        held, rest = np.split(order, [max(1, int(len(order) * HELD))])

        def batches(of: Ints, size: int) -> tf.data.Dataset:
            # Positions are shuffled and gathered batch by batch: many times faster than shuffling rows.
            positions = tf.data.Dataset.from_tensor_slices(of).shuffle(len(of), seed=learned.seed).batch(size)
            return positions.map(
                lambda at: {name: tf.gather(column, at) for name, column in examples.items()}
            )

        model.fit(
            batches(rest, self.batch_size), epochs=self.epochs, verbose=0, validation_data=batches(held, ROWS),
            callbacks=[keras.callbacks.EarlyStopping("val_loss", patience=PATIENCE, restore_best_weights=True)],
        )  # fmt: skip

        def predicted(of: Ints, what: Ints) -> Floats:
            parts = [
                model(rows(of[at : at + ROWS], what[at : at + ROWS])).numpy()
                for at in range(0, len(of), ROWS)
            ]
            return np.concatenate([np.zeros(0, np.float32), *parts])

        return predicted


class _Ranking(tfrs.Model):
    """The tutorial's layers; side features join the ids as the mean of their tokens' embeddings."""

    def __init__(self, features: bool, size: int, mean: float, rows: dict[str, int]) -> None:
        super().__init__()
        self._features = features
        names = ("user", "item", "user_tokens", "item_tokens") if features else ("user", "item")
        self._tables = {name: keras.layers.Embedding(rows[name], size) for name in names}
        # The tutorial's last bias starts at 0, which costs it its first epochs; this one starts at the mean.
        start = keras.initializers.Constant(mean)
        self._dense = keras.Sequential([
            keras.layers.Dense(256, "relu"), keras.layers.Dense(64, "relu"),
            keras.layers.Dense(1, bias_initializer=start),
        ])  # fmt: skip
        self._task = tfrs.tasks.Ranking(loss=keras.losses.MeanSquaredError())

    def call(self, inputs: dict[str, tf.Tensor]) -> tf.Tensor:
        """Ratings `[n]`."""
        parts = [self._tables["user"](inputs["user"]), self._tables["item"](inputs["item"])]
        if self._features:
            parts += [
                mean_of_tokens(self._tables[name], inputs[name]) for name in ("user_tokens", "item_tokens")
            ]
            parts.append(inputs["item_numeric"])
        return self._dense(tf.concat(parts, axis=1))[:, 0]

    def compute_loss(self, inputs: dict[str, tf.Tensor], training: bool = False) -> tf.Tensor:
        """Squared error."""
        return self._task(labels=inputs["rating"], predictions=self(inputs), compute_metrics=False)


def _user_columns(learned: Learned) -> Columns:
    """One row a user, and at the end, where row -1 finds it, one for a stranger; without ratings, id 0."""
    data, space = learned.data, feature_space(learned)
    known = np.bincount(learned.values().user_rows, minlength=len(data.users)) > 0
    tokens = [space.user_inputs(user, 0)["user_tokens"] for user in (*data.users, None)]
    ids = np.append(np.where(known, np.arange(1, len(known) + 1), 0), 0)
    return {"user": ids.astype(np.int32), "user_tokens": np.concatenate(tokens)}


def _item_columns(learned: Learned) -> Columns:
    tokens, numeric = feature_space(learned).item_inputs(learned.data.items)
    known = np.bincount(learned.values().item_rows, minlength=len(tokens)) > 0
    ids = np.where(known, np.arange(1, len(known) + 1), 0).astype(np.int32)
    return {"item": ids, "item_tokens": tokens, "item_numeric": numeric}
