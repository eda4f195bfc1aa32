"""The rating head: what value would this user give this item?

A sum of parts that each answer to a published idea, so that any of them may be without data: biases of item and
user, the user's estimated live from the values given so far; factors of id, side features and history
(Koren 2008, SVD++ and asymmetric SVD); and attention over the rated items (a learned item-kNN: how the values of
similar items deviate). The candidate itself is masked out of the history, so a training example never
sees its own answer, nor does a request that asks about an item already rated.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from towers.frameworks import keras, tf
from towers.layers import mean_of_tokens, table

SPREAD = 0.05
"""Standard deviation of factors before training."""


@dataclass(frozen=True, slots=True)
class RankerSizes:
    """Sizes of the ranker's inputs."""

    item_ids: int
    item_tokens: int
    item_slots: int
    """Columns of an item's tokens."""
    user_ids: int
    user_tokens: int
    numbers: int
    cross: int


class RatingHead(keras.layers.Layer):
    """Inputs as in `ranker.onnx`, output `[n]` in the unit of the data set; also keeps what is to be penalised."""

    def __init__(self, sizes: RankerSizes, mean: float, low: float, high: float, factors: int) -> None:
        super().__init__(name="rating_head")
        self.mean, self.low, self.high = mean, low, high
        self.item_bias = table(sizes.item_ids, 1, SPREAD)
        self.item_token_bias = table(sizes.item_tokens, 1, SPREAD)
        self.user_bias = table(sizes.user_ids, 1, SPREAD)
        self.user_token_bias = table(sizes.user_tokens, 1, SPREAD)
        self.item_factors = table(sizes.item_ids, factors, SPREAD)
        self.item_token_factors = table(sizes.item_tokens, factors, SPREAD)
        self.user_factors = table(sizes.user_ids, factors, SPREAD)
        self.user_token_factors = table(sizes.user_tokens, factors, SPREAD)
        self.valued = table(sizes.item_ids, factors, SPREAD)
        self.noticed = table(sizes.item_ids, factors, SPREAD)
        self.keys = table(sizes.item_ids, factors, SPREAD)
        self.queries = table(sizes.item_ids, factors, SPREAD)
        self.shrink = self.add_weight(name="shrink", shape=(), initializer=keras.initializers.Constant(5.0))
        self.sharp = self.add_weight(name="sharp", shape=(), initializer="ones")

    def call(self, inputs: dict[str, tf.Tensor]) -> tuple[tf.Tensor, tf.Tensor]:
        """Predictions `[n]`, not clipped, and a penalty `[n]` on the parts that each of them used.

        The user's inputs have leading axis 1 or n; everything about one user alone is computed on that axis.
        """
        item, tokens = inputs["item_row"], inputs["item_tokens"]
        rated, values = inputs["rated_rows"], inputs["rated_values"]
        known = tf.cast(rated > 0, tf.float32)
        others = known * tf.cast(tf.not_equal(rated, item[:, None]), tf.float32)

        item_bias = self.item_bias(item)[:, 0]
        base = self.mean + item_bias + mean_of_tokens(self.item_token_bias, tokens)[:, 0]
        surprise = (values - self.mean - self.item_bias(rated)[..., 0]) * known
        count = tf.reduce_sum(others, axis=1)
        leaning = (
            tf.reduce_sum(surprise * others, axis=1) / (tf.nn.softplus(self.shrink) + count)
            + mean_of_tokens(self.user_token_bias, inputs["user_tokens"])[:, 0]
        )
        user_bias = self.user_bias(inputs["user_row"])[:, 0]
        leaning += user_bias
        deviation = (surprise - leaning[:, None]) * others

        factors = self.item_factors(item) + mean_of_tokens(self.item_token_factors, tokens)
        told = _attend(deviation, self.valued(rated)) + _attend(others, self.noticed(rated))
        taste = self.user_factors(inputs["user_row"]) + mean_of_tokens(
            self.user_token_factors, inputs["user_tokens"]
        )
        taste = taste + told * tf.math.rsqrt(count + 1.0)[:, None]
        matched = tf.reduce_sum(taste * factors, axis=1)

        query = self.queries(item)
        alike = _similarity(query, self.keys(rated))
        weights = tf.nn.softplus(self.sharp * alike - 2.0) * others
        nearby = tf.reduce_sum(weights * deviation, axis=1) / (tf.reduce_sum(weights, axis=1) + 1.0)

        penalty = _square(factors) + _square(taste) + _square(query) + 0.25 * (item_bias**2 + user_bias**2)
        return base + leaning + matched + nearby, penalty


class RatingEnsemble(tf.Module):
    """Heads that differ in where they started; what they predict is their mean (Hansen & Salamon 1990)."""

    def __init__(self, members: Sequence[RatingHead]) -> None:
        super().__init__()
        self.members = list(members)
        self.low, self.high = members[0].low, members[0].high

    def __call__(self, inputs: dict[str, tf.Tensor]) -> tf.Tensor:
        """Predictions `[n]` within the declared range."""
        mean = tf.add_n([head(inputs)[0] for head in self.members]) / len(self.members)
        return tf.clip_by_value(mean, self.low, self.high)


# Matrix products that broadcast one user's history over all candidates: nothing of [n, history, size] is made.


def _attend(weights: tf.Tensor, vectors: tf.Tensor) -> tf.Tensor:
    """Weighted sums `[n, size]` of `vectors [1 or n, history, size]` by `weights [n, history]`."""
    return tf.matmul(weights[:, None, :], vectors)[:, 0]


def _similarity(queries: tf.Tensor, keys: tf.Tensor) -> tf.Tensor:
    """Inner products `[n, history]` of `queries [n, size]` and `keys [1 or n, history, size]`."""
    return tf.matmul(keys, queries[:, :, None])[..., 0]


def _square(vectors: tf.Tensor) -> tf.Tensor:
    return tf.reduce_sum(tf.square(vectors), axis=-1)
