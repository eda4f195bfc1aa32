"""Small parts that several towers and heads are made of."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from numpy.typing import NDArray

from towers.frameworks import keras, tf


def tensors(arrays: Mapping[str, NDArray[Any]]) -> dict[str, tf.Tensor]:
    """Named arrays as TensorFlow takes them."""
    return {name: tf.constant(array) for name, array in arrays.items()}


_rounded: ContextVar[bool] = ContextVar("rounded", default=False)


@contextmanager
def rounded_products() -> Iterator[None]:
    """Functions that are traced within round the operands of `product` to bfloat16."""
    token = _rounded.set(True)
    try:
        yield
    finally:
        _rounded.reset(token)


def product(left: tf.Tensor, right: tf.Tensor, transpose_b: bool = False) -> tf.Tensor:
    """A matrix product in float32, of numbers rounded to bfloat16 where `rounded_products` says so."""
    if not _rounded.get():
        return tf.matmul(left, right, transpose_b=transpose_b)
    halves = tf.matmul(tf.cast(left, tf.bfloat16), tf.cast(right, tf.bfloat16), transpose_b=transpose_b)
    return tf.cast(halves, tf.float32)


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


class Noise(keras.layers.Layer):
    """Random decisions whose state is a weight: a training that is taken up again draws what it would have drawn.

    TensorFlow's own random operations count inside their kernels, where nothing can be read or restored. A byte
    decides about one number, in steps of 1/256 then, and costs half the time of a float.
    """

    def __init__(self, name: str | None = None) -> None:
        super().__init__(name=name)
        self.state = self.add_weight(
            name="state", shape=(2,), dtype=tf.int64, initializer=keras.initializers.RandomUniform(0, 2**31 - 1),
            trainable=False, synchronization=tf.VariableSynchronization.ON_READ,
            aggregation=tf.VariableAggregation.ONLY_FIRST_REPLICA,
        )  # fmt: skip

    def kept(self, dropped: float, shape: tf.Tensor) -> tf.Tensor:
        """Booleans of a shape, false with the probability `dropped`."""
        count = tf.reduce_prod(shape)
        drawn = tf.random.stateless_uniform(
            [(count + 3) // 4], self._seed(), None, None, tf.int32, alg="philox"
        )
        bytes_ = tf.reshape(tf.bitcast(drawn, tf.uint8), [-1])[:count]
        return tf.reshape(bytes_, shape) >= tf.constant(in_bytes(dropped), tf.uint8)

    def drawn(self, count: int, below: int) -> tf.Tensor:
        """`[count]` whole numbers of 0 … below - 1, each as likely as any other."""
        return tf.random.stateless_uniform([count], self._seed(), 0, below, tf.int32, alg="philox")

    def _seed(self) -> tf.Tensor:
        """Another one at each call; replicas of a model on several devices draw different numbers."""
        replica = tf.cast(tf.distribute.get_replica_context().replica_id_in_sync_group, tf.int64)
        return self.state.assign_add((0, 1)) + tf.stack([replica * 2**32, 0])


def in_bytes(share: float) -> int:
    """A share as a number of the 256 values of a byte, never all of them."""
    return min(255, round(256 * share))


class Dropout(keras.layers.Layer):
    """Zeroes a share of its input in training and scales up the rest (Srivastava et al. 2014)."""

    def __init__(self, rate: float, name: str | None = None) -> None:
        super().__init__(name=name)
        self.rate = rate
        self.noise = Noise("noise")

    def call(self, x: tf.Tensor, training: bool = False) -> tf.Tensor:
        """The input's shape; outside training the input itself."""
        dropped = in_bytes(self.rate)
        if not training or not dropped:
            return x
        kept = tf.cast(self.noise.kept(self.rate, tf.shape(x)), x.dtype)
        return x * (kept * (256 / (256 - dropped)))


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
        y = product(x, self.kernel)
        return y if self.bias is None else y + self.bias
