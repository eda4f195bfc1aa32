"""Small parts that several towers and heads are made of."""

from __future__ import annotations

from towers.frameworks import keras, tf


def normal(spread: float) -> keras.initializers.Initializer:
    """A new normal initialiser of a standard deviation.

    Always a new one: Keras gives every tensor of one shape that shares an unseeded initialiser the same values.
    """
    return keras.initializers.RandomNormal(stddev=spread)


def table(rows: int, size: int, spread: float, name: str | None = None) -> keras.layers.Embedding:
    """An embedding table that starts at random, or at zero where it holds single numbers (biases)."""
    return keras.layers.Embedding(rows, size, normal(spread) if size > 1 else "zeros", name=name)


def mean_of_tokens(tokens_table: keras.layers.Embedding, tokens: tf.Tensor) -> tf.Tensor:
    """Mean embedding `[n, size]` of tokens `[n, slots]` that are not padding (0)."""
    present = tf.cast(tokens > 0, tf.float32)[..., None]
    total = tf.reduce_sum(tokens_table(tokens) * present, axis=-2)
    return total / tf.maximum(tf.reduce_sum(present, axis=-2), 1.0)
