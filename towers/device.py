"""Where TensorFlow computes, and how a training step is spread over it.

One GPU, or the processor, runs the step as it is. On several GPUs every one has a copy of the model and takes a part
of each batch (`tf.distribute.MirroredStrategy`); what comes out is what one device would make of the whole batch. On
GPUs that have the units for it, the matrix products of the step are made of numbers rounded to bfloat16.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from typing import Any

import numpy as np
from numpy.typing import NDArray

from catalog.errors import ConfigError
from towers.frameworks import tf, tfrs
from towers.layers import rounded_products, tensors

Batch = dict[str, NDArray[Any]]
HALF_FROM = (8, 0)
"""The compute capability from which NVIDIA's GPUs multiply bfloat16."""


def use_device(device: str) -> tf.distribute.Strategy:
    """Make later computations use a device; the strategy in whose scope models are to be made.

    Raises:
        ConfigError: an unknown name, or `cuda` where TensorFlow sees no GPU.
    """
    if device not in ("auto", "cpu", "cuda"):
        raise ConfigError(f"expected device auto, cpu or cuda, got {device!r}")
    gpus = tf.config.list_physical_devices("GPU")
    if device == "cuda" and not gpus:
        raise ConfigError(
            "device cuda was asked for, but TensorFlow sees no GPU here; use --device auto or cpu"
        )
    visible = [] if device == "cpu" else gpus
    if tf.config.get_visible_devices("GPU") != visible:
        tf.config.set_visible_devices(visible, "GPU")
    return tf.distribute.MirroredStrategy() if len(visible) > 1 else tf.distribute.get_strategy()


def training_step(model: tfrs.Model, weight: Callable[[Batch], float]) -> Callable[[Batch], tf.Tensor]:
    """The function that trains a compiled model on one batch and returns its loss, a scalar.

    Args:
        model: its loss is a weighted mean over the examples of a batch.
        weight: the sum of the weights of a batch.
    """
    strategy = tf.distribute.get_strategy()
    replicas = strategy.num_replicas_in_sync
    precision = rounded_products if multiplies_halves() else nullcontext

    def replica_step(batch: Mapping[str, tf.Tensor], share: tf.Tensor) -> tf.Tensor:
        with tf.GradientTape() as tape, precision():
            loss = share * model.compute_loss(batch, training=True)
        variables = model.trainable_variables
        # Dense, because Keras measures the norm that it clips on sparse gradients before it adds up their rows; its
        # Adam moves every row anyway. It adds up the gradients of all replicas before that.
        gradients = [
            None if each is None else tf.convert_to_tensor(each) for each in tape.gradient(loss, variables)
        ]
        model.optimizer.apply_gradients(zip(gradients, variables, strict=True))
        return loss

    def whole_step(parts: Sequence[Mapping[str, tf.Tensor]], shares: Sequence[tf.Tensor]) -> tf.Tensor:
        if replicas == 1:
            return replica_step(parts[0], shares[0])

        def own_part() -> tf.Tensor:
            context = tf.distribute.get_replica_context()
            own = int(tf.get_static_value(context.replica_id_in_sync_group))
            return replica_step(parts[own], shares[own])

        return strategy.reduce("SUM", strategy.run(own_part), axis=None)

    step = tf.function(whole_step, reduce_retracing=True)

    def spread(batch: Batch) -> tf.Tensor:
        divided = divide(batch, replicas, weight)
        parts = [tensors(part) for part, _ in divided]
        return step(parts, [tf.constant(share, tf.float32) for _, share in divided])

    return spread


def divide(batch: Batch, parts: int, weight: Callable[[Batch], float]) -> Sequence[tuple[Batch, float]]:
    """Parts of a batch and their shares of its weight, which add up to 1.

    Of a batch with fewer rows than parts, the last parts are a row of the first that counts nothing.
    """
    if parts == 1:
        return [(batch, 1.0)]
    total = max(weight(batch), 1e-6)
    rows = np.arange(len(next(iter(batch.values()))))
    divided = []
    for some in np.array_split(rows, parts):
        part = {name: array[some if len(some) else rows[:1]] for name, array in batch.items()}
        divided.append((part, weight(part) / total if len(some) else 0.0))
    return divided


def of_all_replicas(rows: tf.Tensor) -> tf.Tensor:
    """The rows of this replica and, after them, those of all others: what a loss takes its negatives from."""
    context = tf.distribute.get_replica_context()
    if context.num_replicas_in_sync == 1:
        return rows
    counts = context.all_gather(tf.shape(rows)[:1], axis=0)
    before = tf.reduce_sum(counts[: context.replica_id_in_sync_group])
    return tf.roll(context.all_gather(rows, axis=0), -before, axis=0)


def multiplies_halves() -> bool:
    """Whether all GPUs that are used multiply bfloat16; the processor is better at float32."""
    gpus = tf.config.get_visible_devices("GPU")
    details = [tf.config.experimental.get_device_details(gpu) for gpu in gpus]
    return bool(gpus) and all(each.get("compute_capability", (0, 0)) >= HALF_FROM for each in details)
