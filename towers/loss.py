"""The losses, on embeddings and scores alone: they know nothing of towers, features or users.

The losses over a batch and over a list are TFRS tasks; what is ours is which numbers go into them.
"""

from __future__ import annotations

from towers.device import of_all_replicas
from towers.frameworks import keras, tf, tfrs
from towers.layers import product

FLOOR = -1e9
"""The logit of what does not count."""


class InBatchSoftmax:
    """Softmax over the items of the batch: each query's own item against everybody else's.

    Popular items are in the batch more often than they would be drawn uniformly; subtracting the log of
    that probability from their logits takes the bias out (Yi et al. 2019, logQ correction). Another query's
    item that is the same as one's own is an accidental hit and does not count as a negative.
    """

    def __init__(self, temperature: float = 1.0) -> None:
        loss = keras.losses.CategoricalCrossentropy(from_logits=True, reduction=keras.losses.Reduction.SUM)
        self._task = tfrs.tasks.Retrieval(loss=loss, temperature=temperature, remove_accidental_hits=True)

    def __call__(
        self, queries: tf.Tensor, items: tf.Tensor, ids: tf.Tensor, probability: tf.Tensor, weights: tf.Tensor
    ) -> tf.Tensor:
        """Weighted mean loss, a scalar.

        Args:
            queries: `[batch, size]`.
            items: `[batch, size]`, row i the vector of query i's item.
            ids: `[batch]` identity of the items.
            probability: `[batch]` chance of each item to be a given row of a batch.
            weights: `[batch]` of the examples.
        """
        total = self._task(
            queries, of_all_replicas(items), sample_weight=weights,
            candidate_sampling_probability=of_all_replicas(probability), candidate_ids=of_all_replicas(ids),
            compute_metrics=False, compute_batch_metrics=False,
        )  # fmt: skip
        return total / tf.maximum(tf.reduce_sum(weights), 1e-6)


class SampledSoftmax:
    """Softmax over a catalogue of which some items stand for all.

    A candidate counts as many times as it stands for items (importance sampling, Bengio & Senécal 2008), so the loss
    over the whole catalogue is what more and more candidates come to, whatever they are drawn from. A query's own
    item counts once: it was not drawn, and a candidate that is the same is an accidental hit and does not count.
    """

    def __init__(self, temperature: float = 1.0) -> None:
        self._temperature = temperature

    def __call__(
        self, queries: tf.Tensor, items: tf.Tensor, ids: tf.Tensor, weights: tf.Tensor,
        candidates: tf.Tensor, candidate_ids: tf.Tensor, stands_for: tf.Tensor,
    ) -> tf.Tensor:  # fmt: skip
        """Weighted mean loss, a scalar.

        Args:
            queries: `[batch, size]`.
            items: `[batch, size]`, row i the vector of query i's item.
            ids: `[batch]` identity of the items.
            weights: `[batch]` of the examples.
            candidates: `[n, size]` vectors of other items.
            candidate_ids: `[n]` their identity.
            stands_for: `[n]` log of how many items each of them stands for.
        """
        own = tf.reduce_sum(queries * items, axis=1) / self._temperature
        others = product(queries, candidates, transpose_b=True) / self._temperature + stands_for
        hit = tf.equal(ids[:, None], candidate_ids[None, :])
        logits = tf.concat([own[:, None], tf.where(hit, FLOOR, others)], axis=1)
        losses = tf.reduce_logsumexp(logits, axis=1) - own
        return tf.reduce_sum(losses * weights) / tf.maximum(tf.reduce_sum(weights), 1e-6)


class SquaredError:
    """Mean squared error of predicted values."""

    def __init__(self) -> None:
        self._task = tfrs.tasks.Ranking(loss=keras.losses.MeanSquaredError())

    def __call__(self, values: tf.Tensor, predicted: tf.Tensor) -> tf.Tensor:
        """A scalar from values `[batch]` and predictions `[batch]`."""
        return self._task(labels=values[:, None], predictions=predicted[:, None], compute_metrics=False)


class ListSoftmax:
    """Which of a list's candidates was chosen: softmax cross-entropy over each list."""

    def __init__(self) -> None:
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        self._task = tfrs.tasks.Ranking(loss=loss)

    def __call__(self, chosen: tf.Tensor, scores: tf.Tensor) -> tf.Tensor:
        """A scalar from the chosen positions `[batch]` and scores `[batch, candidates]`."""
        return self._task(labels=chosen, predictions=scores, compute_metrics=False)
