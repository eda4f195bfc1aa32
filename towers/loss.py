"""The losses, on embeddings and scores alone: they know nothing of towers, features or users.

The retrieval loss and the ranking losses are TFRS tasks; what is ours is which numbers go into them.
"""

from __future__ import annotations

from towers.device import of_all_replicas
from towers.frameworks import keras, tf, tfrs


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
