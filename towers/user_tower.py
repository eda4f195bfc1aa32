"""The user tower: side features and recent behaviour → the vector that retrieval searches with.

A causal transformer (Kang & McAuley 2018, SASRec) over the item tower's own vectors, so an item that arrived a
second ago can already be part of a history. Position 0 of every sequence is the user: id and side features.
All later positions attend to it, and it is all there is for somebody without a history. Positions are
relative (learned biases by distance), so every prefix of a history trains the same function that serving asks.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from towers.features import GAP_EDGES
from towers.frameworks import keras, tf
from towers.item_tower import SPREAD
from towers.layers import mean_of_tokens, normal, table


@dataclass(frozen=True, slots=True)
class UserSizes:
    """Sizes of the user tower's inputs."""

    ids: int
    """Rows of the id embedding, row 0 (unknown) included."""
    tokens: int
    types: int
    """Interaction types, padding not counted."""
    history: int


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
        self.ids = table(sizes.ids, embedding_size, SPREAD, "ids")
        self.tokens = table(sizes.tokens, embedding_size, SPREAD, "tokens")
        self.types = table(sizes.types + 1, embedding_size, SPREAD, "types")
        self.value = keras.layers.Dense(
            embedding_size, use_bias=False, kernel_initializer=normal(SPREAD), name="value"
        )
        self.gaps = table(len(GAP_EDGES) + 1, embedding_size, SPREAD, "gaps")
        self.dropout = keras.layers.Dropout(dropout)
        self.blocks = [
            Block(embedding_size, heads, sizes.history + 1, dropout, f"block_{i}") for i in range(blocks)
        ]
        self.norm = keras.layers.LayerNormalization(epsilon=1e-6, name="norm")

    def call(self, inputs: dict[str, tf.Tensor], training: bool = False) -> tf.Tensor:
        """Vectors `[batch, 1 + history, embedding_size]`: entry t has read the user and the first t events."""
        row = inputs["user_row"]
        if training:
            keep = tf.random.uniform(tf.shape(row)) >= self.id_dropout
            row = tf.where(keep, row, 0)
        user = self.ids(row) + mean_of_tokens(self.tokens, inputs["user_tokens"])
        types = inputs["history_types"]
        values = inputs["history_values"][..., None]
        events = (
            inputs["history_vectors"]
            + self.types(types)
            + self.value(tf.concat([values, tf.square(values)], axis=-1))
            + self.gaps(inputs["history_gaps"])
        )
        x = self.dropout(tf.concat([user[:, None, :], events], axis=1), training=training)
        present = tf.concat([tf.ones_like(types[:, :1]), types], axis=1) > 0
        for block in self.blocks:
            x = block(x, present, training=training)
        return self.norm(x)

    def last(self, inputs: dict[str, tf.Tensor]) -> tf.Tensor:
        """The served vector `[batch, embedding_size]`: the latest event's, or the user's where there is none."""
        states = self(inputs)
        any_event = tf.reduce_any(inputs["history_types"] > 0, axis=1, keepdims=True)
        return tf.where(any_event, states[:, -1], states[:, 0])


class Block(keras.layers.Layer):
    """Pre-norm causal attention and a feed-forward layer, each with a residual."""

    def __init__(self, size: int, heads: int, length: int, dropout: float, name: str) -> None:
        super().__init__(name=name)
        assert size % heads == 0, f"embedding_size {size} is not a multiple of heads {heads}"
        self.heads, self.size = heads, size
        self.norm_attention = keras.layers.LayerNormalization(epsilon=1e-6)
        self.norm_forward = keras.layers.LayerNormalization(epsilon=1e-6)
        self.qkv = keras.layers.Dense(3 * size, use_bias=False, kernel_initializer=normal(SPREAD))
        self.out = keras.layers.Dense(size, kernel_initializer=normal(SPREAD))
        self.up = keras.layers.Dense(2 * size, activation="relu", kernel_initializer=normal(SPREAD))
        self.down = keras.layers.Dense(size, kernel_initializer=normal(SPREAD))
        self.dropout = keras.layers.Dropout(dropout)
        self.distance = self.add_weight(name="distance", shape=(heads, length + 1), initializer="zeros")
        ahead = np.arange(length)[:, None] - np.arange(length)[None, :]
        # The user at position 0 is at no distance in time: it has a bias of its own, the last one.
        steps = np.where(np.arange(length)[None, :] == 0, length, np.maximum(ahead, 0))
        self.steps = steps.astype(np.int32)
        self.causal = ahead >= 0

    def call(self, x: tf.Tensor, present: tf.Tensor, training: bool = False) -> tf.Tensor:
        """`[batch, length, size]` → the same; `present [batch, length]` is False at padding."""
        x = x + self.dropout(self.attend(self.norm_attention(x), present), training=training)
        return x + self.dropout(self.down(self.up(self.norm_forward(x))), training=training)

    def attend(self, x: tf.Tensor, present: tf.Tensor) -> tf.Tensor:
        """Causal multi-head attention with a learned bias per distance (Raffel et al. 2020)."""
        length, width = x.shape[1], self.size // self.heads
        qkv = tf.reshape(self.qkv(x), (-1, length, 3, self.heads, width))
        q, k, v = (tf.transpose(qkv[:, :, i], (0, 2, 1, 3)) for i in range(3))
        logits = tf.matmul(q, k, transpose_b=True) * width**-0.5
        logits += tf.gather(self.distance, self.steps, axis=1)[None]
        allowed = self.causal[None, None] & present[:, None, None, :]
        weights = tf.nn.softmax(tf.where(allowed, logits, -1e9), axis=-1)
        joined = tf.transpose(tf.matmul(weights, v), (0, 2, 1, 3))
        return self.out(tf.reshape(joined, (-1, length, self.size)))
