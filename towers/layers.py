"""Small parts that several towers and heads are made of."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from numpy.typing import NDArray

from towers.frameworks import keras, tf


def tensors(arrays: Mapping[str, NDArray[Any]]) -> dict[str, tf.Tensor]:
    """Named arrays as TensorFlow takes them."""
    return {name: tf.constant(array) for name, array in arrays.items()}


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


class LayerNorm(keras.layers.Layer):
    """Layer normalisation (Ba et al. 2016), spelled so that onnxruntime recognises it and runs it as one operator.

    Keras' own becomes ten operators, which cost more than the multiplications between them in a graph for one user.
    """

    def __init__(self, size: int, name: str | None = None) -> None:
        super().__init__(name=name)
        self.scale = self.add_weight(name="scale", shape=(size,), initializer="ones")
        self.shift = self.add_weight(name="shift", shape=(size,), initializer="zeros")

    def call(self, x: tf.Tensor) -> tf.Tensor:
        """`[…, size]` → the same, mean 0 and variance 1 over the last axis before scale and shift."""
        centred = x - tf.reduce_mean(x, axis=-1, keepdims=True)
        variance = tf.reduce_mean(tf.pow(centred, 2.0), axis=-1, keepdims=True)
        return centred / tf.sqrt(variance + 1e-6) * self.scale + self.shift


class Linear(keras.layers.Layer):
    """A dense layer over the last axis, as the one matrix product that it is.

    Keras' own flattens and restores all other axes around it, which an exported graph then does at every request.
    """

    def __init__(
        self, inputs: int, outputs: int, spread: float, *, bias: bool = True, name: str | None = None
    ) -> None:
        super().__init__(name=name)
        self.kernel = self.add_weight(name="kernel", shape=(inputs, outputs), initializer=normal(spread))
        self.bias = self.add_weight(name="bias", shape=(outputs,), initializer="zeros") if bias else None

    def call(self, x: tf.Tensor) -> tf.Tensor:
        """`[…, inputs]` → `[…, outputs]`."""
        product = tf.matmul(x, self.kernel)
        return product if self.bias is None else product + self.bias
