"""What a next item is told apart from, as the scale demands: the rest of its batch, a mixture, or all there is.

`batch` costs nothing more however large the catalogue is, and is what ships. `full` is exact and costs a pass of the
item tower over everything at each step. `mixed` lies between: the batch, items drawn uniformly, which nobody may have
taken lately, and the ones that are hardest to tell apart, from the index of the last validation.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from catalog.errors import ConfigError
from catalog.records import Floats
from towers.device import of_all_replicas
from towers.frameworks import tf
from towers.layers import Noise, product
from towers.loss import FLOOR, InBatchSoftmax, SampledSoftmax

KINDS = ("batch", "mixed", "full")
MOST = 50_000
"""Items above which all of them are too many for every step."""
UNIFORM = 1_024
"""Items that a step draws from the catalogue."""
HARDEST = 32
"""Items that a step looks up in the index for each window of events."""

Tower = Callable[[tf.Tensor], tf.Tensor]
"""From rows `[n]` to vectors `[n, size]`."""


@dataclass(frozen=True, slots=True)
class Examples:
    """What a step learns from, as vectors."""

    queries: tf.Tensor
    """`[batch, size]`"""
    rows: tf.Tensor
    """`[batch]` the item that came next."""
    items: tf.Tensor
    """`[batch, size]` its vector."""
    weights: tf.Tensor
    """`[batch]`"""
    searches: tf.Tensor
    """`[windows, size]` what would be searched with at the end of each window."""


class Negatives(Protocol):
    """The other items of a softmax."""

    def beside(self) -> tf.Tensor:
        """Rows `[n]` whose vectors are needed besides those of the batch."""

    def loss(self, examples: Examples, beside: tf.Tensor, vectors: tf.Tensor, tower: Tower) -> tf.Tensor:
        """Weighted mean loss of a batch, a scalar.

        Args:
            examples: of the batch.
            beside: the rows of before.
            vectors: `[n, size]` of these.
            tower: makes those of further rows.
        """

    def validated(self, vectors: Floats) -> None:
        """Told the vectors `[items, size]` of the whole catalogue at each validation."""


def negatives(kind: str, probability: Floats, size: int, temperature: float) -> Negatives:
    """The negatives of a name.

    Args:
        kind: one of `KINDS`.
        probability: `[items]` share of the training examples whose target is the item.
        size: numbers in a vector.
        temperature: by which products of vectors are divided.

    Raises:
        ConfigError: too many items for all of them.
    """
    if kind == "batch":
        return InBatch(probability, temperature)
    if kind == "mixed":
        return Mixed(probability, size, temperature)
    if len(probability) > MOST:
        raise ConfigError(
            f"expected at most {MOST:,} items for towers.negatives = 'full', got {len(probability):,}; use 'mixed'"
        )
    return Full(len(probability), temperature)


class InBatch(tf.Module):
    """The next items of the other examples of the batch."""

    def __init__(self, probability: Floats, temperature: float) -> None:
        super().__init__()
        self._probability = tf.constant(probability, tf.float32)
        self._loss = InBatchSoftmax(temperature)

    def beside(self) -> tf.Tensor:
        """None."""
        return tf.zeros([0], tf.int32)

    def loss(self, examples: Examples, beside: tf.Tensor, vectors: tf.Tensor, tower: Tower) -> tf.Tensor:
        """With the correction for popular items, which are in a batch more often (`InBatchSoftmax`)."""
        probability = tf.gather(self._probability, examples.rows)
        return self._loss(examples.queries, examples.items, examples.rows, probability, examples.weights)

    def validated(self, vectors: Floats) -> None:
        """Of no use here."""


class Full(tf.Module):
    """The whole catalogue."""

    def __init__(self, items: int, temperature: float) -> None:
        super().__init__()
        self._items = items
        self._loss = SampledSoftmax(temperature)

    def beside(self) -> tf.Tensor:
        """All rows."""
        return tf.range(self._items)

    def loss(self, examples: Examples, beside: tf.Tensor, vectors: tf.Tensor, tower: Tower) -> tf.Tensor:
        """Everything stands for itself."""
        return self._loss(
            examples.queries, examples.items, examples.rows, examples.weights,
            vectors, beside, tf.zeros_like(beside, tf.float32),
        )  # fmt: skip

    def validated(self, vectors: Floats) -> None:
        """Of no use here."""


class Mixed(tf.Module):
    """The batch, a uniform draw, and the hardest: mixed negative sampling (Yang et al. 2020) with a third part.

    A drawn item stands for the inverse of how often it is expected among batch and uniform draw together, whichever
    of the two it came by. The hardest are no draw but chosen, so each stands for itself, and leaves the draws.
    """

    def __init__(self, probability: Floats, size: int, temperature: float) -> None:
        super().__init__()
        items = len(probability)
        self._probability = tf.constant(probability, tf.float32)
        self._items, self._hardest = items, min(HARDEST, items)
        self._loss = SampledSoftmax(temperature)
        self.noise = Noise("negatives")
        # A weight of the model, so that a training that is taken up again looks where it would have looked. Zeros
        # until the first validation: the hardest are the first ones then, which is as right as any others.
        self.index = tf.Variable(np.zeros((items, size), np.float32), trainable=False, name="index")

    def beside(self) -> tf.Tensor:
        """The uniform draw."""
        return self.noise.drawn(UNIFORM, self._items)

    def loss(self, examples: Examples, beside: tf.Tensor, vectors: tf.Tensor, tower: Tower) -> tf.Tensor:
        """Batch and draw by what they stand for, the hardest by themselves."""
        batch, hard = of_all_replicas(examples.rows), self.hardest(examples.searches)
        sampled = tf.concat([batch, beside], axis=0)
        probability = tf.gather(self._probability, sampled)
        expected = expected_draws(probability, tf.size(batch), tf.size(beside), self._items)
        chosen = tf.reduce_any(tf.equal(sampled[:, None], hard[None, :]), axis=1)
        stands_for = tf.where(chosen, FLOOR, -tf.math.log(expected))
        return self._loss(
            examples.queries, examples.items, examples.rows, examples.weights,
            tf.concat([of_all_replicas(examples.items), vectors, tower(hard)], axis=0),
            tf.concat([sampled, hard], axis=0),
            tf.concat([stands_for, tf.zeros_like(hard, tf.float32)], axis=0),
        )  # fmt: skip

    def hardest(self, searches: tf.Tensor) -> tf.Tensor:
        """Rows `[n]` that the index of the last validation has next to any search `[windows, size]`."""
        scores = product(tf.stop_gradient(searches), self.index, transpose_b=True)
        return tf.unique(tf.reshape(tf.math.top_k(scores, self._hardest).indices, [-1])).y

    def validated(self, vectors: Floats) -> None:
        """Look for the hardest among these from now on."""
        self.index.assign(vectors)


def expected_draws(probability: tf.Tensor, batch: tf.Tensor, drawn: tf.Tensor, items: int) -> tf.Tensor:
    """How often items are expected in a sample `[n]`, from their chance `[n]` to be a given row of a batch.

    Args:
        probability: of the items.
        batch: rows that come of the batch.
        drawn: rows that are drawn uniformly.
        items: of which these are drawn.
    """
    return tf.cast(batch, tf.float32) * probability + tf.cast(drawn, tf.float32) / items
