"""The retrieval model: both towers and the loss that pulls a user's next item towards the user.

Every prefix of a history is an example: the user tower is causal, so one pass over a window of events asks for
the next item at each of them. It knows nothing of files, stores or epochs.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from catalog.records import Floats
from towers.frameworks import tf, tfrs
from towers.item_tower import ItemSizes, ItemTower
from towers.layers import tensors
from towers.negatives import Examples, negatives
from towers.user_tower import UserSizes, UserTower

Arrays = Mapping[str, NDArray[Any]]


@dataclass(frozen=True, slots=True)
class TowerConfig:
    """What the towers look like."""

    embedding_size: int = 64
    """Numbers in a vector of a user or an item; a multiple of `heads`."""
    blocks: int = 2
    """Layers of attention that the user tower reads a history by."""
    heads: int = 2
    """Attentions side by side in each of them."""
    dropout: float = 0.2
    """Share of the numbers within the towers that a training step leaves out."""
    item_id_dropout: float = 0.3
    """Share of items that a training step sees without their id, as a new item is seen in serving."""
    item_content_dropout: float = 0.1
    """Share of items that it sees without their text, and without their picture."""
    user_id_dropout: float = 0.5
    """Share of users that a training step sees without their id, as somebody new is seen in serving."""
    temperature: float = 1.0
    """By which the products of the vectors are divided before the softmax; below 1 near misses weigh more."""
    negatives: str = "batch"
    """What a next item is told apart from: `batch`, `mixed` or `full` (`towers.negatives`)."""


class RetrievalModel(tfrs.Model):
    """User tower, item tower, and a softmax over what the next item is told apart from."""

    def __init__(
        self,
        config: TowerConfig,
        item_sizes: ItemSizes,
        user_sizes: UserSizes,
        catalogue: Arrays,
        probability: Floats,
    ) -> None:
        """Build both towers.

        Args:
            config: sizes and dropout.
            item_sizes: of the item tower's inputs.
            user_sizes: of the user tower's inputs.
            catalogue: the item tower's inputs for all items, `[items, …]` each.
            probability: `[items]` share of the training examples whose target is the item.
        """
        super().__init__()
        self.config = config
        self.item_tower = ItemTower(
            item_sizes, config.embedding_size, config.item_id_dropout, config.item_content_dropout,
            config.dropout,
        )  # fmt: skip
        self.user_tower = UserTower(
            user_sizes,
            config.embedding_size,
            config.blocks,
            config.heads,
            config.user_id_dropout,
            config.dropout,
        )
        self._catalogue = tensors(catalogue)
        self.negatives = negatives(config.negatives, probability, config.embedding_size, config.temperature)
        self._vectors = tf.function(self.item_tower, reduce_retracing=True)
        self._last = tf.function(self.user_tower.last, reduce_retracing=True)

    def compute_loss(self, inputs: dict[str, tf.Tensor], training: bool = False) -> tf.Tensor:
        """Loss of a batch of windows, see `training.windows.Windows.batch`."""
        history, targets = inputs["history_rows"], inputs["target_rows"]
        shape = tf.shape(history)
        asked = targets >= 0
        wanted = tf.boolean_mask(targets, asked)
        beside = self.negatives.beside()
        # Each item goes through its tower once, however often it occurs.
        rows, position = tf.unique(tf.concat([tf.reshape(history, [-1]), wanted, beside], axis=0))

        def tower(rows: tf.Tensor) -> tf.Tensor:
            return self.item_tower(self.item_inputs(rows), training=training)

        vectors = tower(rows)
        each = tf.gather(vectors, position)
        events = shape[0] * shape[1]
        after = events + tf.size(wanted)
        present = tf.cast(inputs["history_types"] > 0, tf.float32)[..., None]
        size = self.config.embedding_size
        states = self.user_tower(
            {**inputs, "history_vectors": tf.reshape(each[:events], (shape[0], shape[1], size)) * present},
            training=training,
        )
        examples = Examples(
            queries=tf.boolean_mask(states, asked), rows=wanted, items=each[events:after],
            weights=tf.boolean_mask(inputs["target_weights"], asked), searches=states[:, -1],
        )  # fmt: skip
        return self.negatives.loss(examples, beside, each[after:], tower)

    def item_inputs(self, rows: tf.Tensor) -> dict[str, tf.Tensor]:
        """The item tower's inputs for some items."""
        return {name: tf.gather(column, rows) for name, column in self._catalogue.items()}

    def item_vectors(self, chunk: int = 8192, *, known: bool = True) -> Floats:
        """Vectors `[items, embedding_size]` of the whole catalogue, as it is or as if nobody had taken any."""
        count = len(self._catalogue["item_row"])
        parts = []
        for at in range(0, count, chunk):
            inputs = self.item_inputs(tf.range(at, min(at + chunk, count)))
            if not known:
                inputs["item_row"] = tf.zeros_like(inputs["item_row"])
            parts.append(self._vectors(inputs).numpy())
        vectors = np.concatenate(parts) if parts else np.zeros((0, self.config.embedding_size), np.float32)
        if known:
            self.negatives.validated(vectors)
        return vectors

    def user_vectors(self, inputs: Arrays) -> Floats:
        """Served vectors `[batch, embedding_size]` from the inputs of `user_tower.onnx`."""
        vectors: Floats = self._last(tensors(inputs)).numpy()
        return vectors
