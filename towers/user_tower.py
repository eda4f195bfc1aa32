"""The user tower: side features and recent behaviour → the vector that retrieval searches with.

A causal transformer (Kang & McAuley 2018, SASRec) over the item tower's own vectors, so an item that arrived a
second ago can already be part of a history. Position 0 of every sequence is the user: id and side features.
All later positions attend to it, and it is all there is for somebody without a history. Positions are
relative (learned biases by distance), so every prefix of a history trains the same function that serving asks.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from towers.features import GAP_EDGES
from towers.frameworks import keras, tf
from towers.item_tower import SPREAD
from towers.layers import Dropout, LayerNorm, Linear, Noise, mean_of_tokens, product, table

FLOOR = -1e9
"""The logit of what must not be attended to."""


@dataclass(frozen=True, slots=True)
class UserSizes:
    """Sizes of the user tower's inputs."""

    ids: int
    """Rows of the id embedding, row 0 (unknown) included."""
    tokens: int
    types: int
    """Interaction types, padding not counted."""
    history: int
    unknown: tuple[int, ...]
    """Tokens of somebody of whom nothing is known, one per column."""


class UserTower(keras.layers.Layer):
    """Inputs as in `user_tower.onnx`; `call` gives every position, `last` the vector that is served."""

    def __init__(
        self,
        sizes: UserSizes,
        embedding_size: int,
        blocks: int,
        heads: int,
        id_dropout: float,
        dropout: float,
    ) -> None:
        super().__init__(name="user_tower")
        self.id_dropout = id_dropout
        self.noise = Noise("noise")
        self.unknown = np.array(sizes.unknown, np.int32)
        self.ids = table(sizes.ids, embedding_size, SPREAD, "ids")
        self.tokens = table(sizes.tokens, embedding_size, SPREAD, "tokens")
        self.types = table(sizes.types + 1, embedding_size, SPREAD, "types")
        self.value = Linear(2, embedding_size, SPREAD, bias=False, name="value")
        self.gaps = table(len(GAP_EDGES) + 1, embedding_size, SPREAD, "gaps")
        self.dropout = Dropout(dropout)
        self.blocks = [
            Block(embedding_size, heads, sizes.history + 1, dropout, f"block_{i}") for i in range(blocks)
        ]
        self.norm = LayerNorm(embedding_size, "norm")

    def call(self, inputs: dict[str, tf.Tensor], training: bool = False) -> tf.Tensor:
        """Vectors `[batch, 1 + history, embedding_size]`: entry t has read the user and the first t events."""
        x, present = self.sequence(inputs, training)
        for block in self.blocks:
            x = block(x, present, training=training)
        return self.norm(x)

    def last(self, inputs: dict[str, tf.Tensor]) -> tf.Tensor:
        """The served vector `[batch, embedding_size]`: the latest event's, or the user's where there is none.

        The same numbers as the first and last entry of `call`; the last block computes those two alone.
        """
        x, present = self.sequence(inputs, training=False)
        for block in self.blocks[:-1]:
            x = block(x, present)
        ends = self.norm(self.blocks[-1](x, present, at=(0, x.shape[1] - 1)))
        any_event = tf.reduce_any(inputs["history_types"] > 0, axis=1, keepdims=True)
        return tf.where(any_event, ends[:, 1], ends[:, 0])

    def sequence(self, inputs: dict[str, tf.Tensor], training: bool) -> tuple[tf.Tensor, tf.Tensor]:
        """The user and the events `[batch, 1 + history, embedding_size]`, and which of them are not padding."""
        row, tokens = inputs["user_row"], inputs["user_tokens"]
        if training:
            # Half of those whose id is dropped are strangers altogether, so that a stranger's vector is learned too.
            kept = self.noise.kept(self.id_dropout, tf.shape(row))
            told = kept | self.noise.kept(0.5, tf.shape(row))
            row = tf.where(kept, row, 0)
            tokens = tf.where(told[:, None], tokens, self.unknown[None, :])
        user = self.ids(row) + mean_of_tokens(self.tokens, tokens)
        types = inputs["history_types"]
        values = inputs["history_values"][..., None]
        events = (
            inputs["history_vectors"]
            + self.types(types)
            + self.value(tf.concat([values, tf.square(values)], axis=-1))
            + self.gaps(inputs["history_gaps"])
        )
        x = self.dropout(tf.concat([user[:, None, :], events], axis=1), training=training)
        return x, tf.concat([types[:, :1] * 0 + 1, types], axis=1) > 0


class Block(keras.layers.Layer):
    """Pre-norm causal attention and a feed-forward layer, each with a residual."""

    def __init__(self, size: int, heads: int, length: int, dropout: float, name: str) -> None:
        super().__init__(name=name)
        assert size % heads == 0, f"embedding_size {size} is not a multiple of heads {heads}"
        self.heads, self.size = heads, size
        self.norm_attention = LayerNorm(size)
        self.norm_forward = LayerNorm(size)
        self.query = Linear(size, size, SPREAD, bias=False)
        self.key = Linear(size, size, SPREAD, bias=False)
        self.value = Linear(size, size, SPREAD, bias=False)
        self.out = Linear(size, size, SPREAD)
        self.up = Linear(size, 2 * size, SPREAD)
        self.down = Linear(2 * size, size, SPREAD)
        self.dropout = Dropout(dropout)
        self.distance = self.add_weight(name="distance", shape=(heads, length + 1), initializer="zeros")
        ahead = np.arange(length)[:, None] - np.arange(length)[None, :]
        # The user at position 0 is at no distance in time: it has a bias of its own, the last one.
        steps = np.where(np.arange(length)[None, :] == 0, length, np.maximum(ahead, 0))
        self.steps = steps.astype(np.int32)
        self.future = np.where(ahead < 0, FLOOR, 0.0).astype(np.float32)

    def call(
        self, x: tf.Tensor, present: tf.Tensor, at: tuple[int, ...] | None = None, training: bool = False
    ) -> tf.Tensor:
        """`[batch, length, size]` → the same, or its entries `at`; `present [batch, length]` is False at padding."""
        kept = x if at is None else tf.gather(x, at, axis=1)
        kept += self.dropout(self.attend(self.norm_attention(x), present, at), training=training)
        return kept + self.dropout(self.down(tf.nn.relu(self.up(self.norm_forward(kept)))), training=training)

    def attend(self, x: tf.Tensor, present: tf.Tensor, at: tuple[int, ...] | None) -> tf.Tensor:
        """Causal multi-head attention with a learned bias per distance (Raffel et al. 2020)."""
        asking = x if at is None else tf.gather(x, at, axis=1)
        steps, future = self.apart(x)
        here = slice(None) if at is None else list(at)
        bias = tf.gather(self.distance, steps[here], axis=1) + future[here]
        q, k, v = (
            self._split(layer(y)) for layer, y in ((self.query, asking), (self.key, x), (self.value, x))
        )
        logits = product(q, k, transpose_b=True) * (self.size // self.heads) ** -0.5 + bias
        # Added, not selected: the user at position 0 is always there, so no row is without a finite logit.
        padding = (1.0 - tf.cast(present, tf.float32)) * FLOOR
        weights = tf.nn.softmax(logits + padding[:, None, None, :], axis=-1)
        joined = tf.transpose(product(weights, v), (0, 2, 1, 3))
        return self.out(tf.reshape(joined, (-1, asking.shape[1] or tf.shape(asking)[1], self.size)))

    def apart(self, x: tf.Tensor) -> tuple[Any, Any]:
        """Distances, and what is added where an event lies ahead, of a sequence `[batch, length, size]`.

        Batches of short histories are narrower than the tower's, and their length is known in the step only.
        """
        length = x.shape[1]
        if length is not None:
            return self.steps[:length, :length], self.future[:length, :length]
        length = tf.shape(x)[1]
        return tf.constant(self.steps)[:length, :length], tf.constant(self.future)[:length, :length]

    def _split(self, x: tf.Tensor) -> tf.Tensor:
        """`[batch, length, size]` → `[batch, heads, length, size / heads]`."""
        length = x.shape[1] or tf.shape(x)[1]
        return tf.transpose(tf.reshape(x, (-1, length, self.heads, self.size // self.heads)), (0, 2, 1, 3))
