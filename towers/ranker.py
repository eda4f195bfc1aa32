"""The ranking model: a head that predicts the rating and one that puts candidates in order.

The heads share inputs and a graph, not weights: they learn from different examples (all ratings of the
training data; what retrieval returned for held-out events) and each stops when its own validation says so.
"""

from __future__ import annotations

from dataclasses import dataclass

from towers.frameworks import tf, tfrs
from towers.loss import ListSoftmax, SquaredError
from towers.order import OrderHead
from towers.rating import RatingEnsemble


@dataclass(frozen=True, slots=True)
class RankerConfig:
    """What the ranker looks like."""

    kind: str = "tfrs"
    """`tfrs` for networks, `logistic` or `catboost` for a tabular one (`training.tabular`), without further knobs."""
    rating_factors: int = 32
    """Numbers by which a rating head describes a user, an item and a history."""
    rating_members: int = 3
    """Rating heads whose predictions are averaged: each is wrong in its own way. 0: no ratings are predicted."""
    rating_reg: float = 0.05
    """Penalty on the squares of those that a rating was predicted from."""
    order_factors: int = 8
    """Numbers by which the order head describes a side feature."""
    order_crosses: int = 1
    """Its layers of feature crosses (DCN-v2)."""
    order_hidden: int = 64
    """Width of its dense layer."""


class RatingModel(tfrs.Model):
    """Rating heads that learn side by side, each by squared error and a penalty on the factors that were used."""

    def __init__(self, heads: RatingEnsemble, reg: float) -> None:
        super().__init__()
        self.heads, self.reg = heads, reg
        self._loss = SquaredError()
        self._predict = tf.function(heads, reduce_retracing=True)

    def compute_loss(self, inputs: dict[str, tf.Tensor], training: bool = False) -> tf.Tensor:
        """Loss of a batch: the inputs of `ranker.onnx` with n rows on both sides, and `value [n]`."""
        losses = []
        for head in self.heads.members:
            predicted, penalty = head(inputs)
            losses.append(self._loss(inputs["value"], predicted))
            if training:
                losses.append(self.reg * tf.reduce_mean(penalty))
        return tf.add_n(losses)

    def predict_values(self, inputs: dict[str, tf.Tensor]) -> tf.Tensor:
        """Predictions `[n]` within the declared range."""
        return self._predict(inputs)


class OrderModel(tfrs.Model):
    """The order head and its loss: softmax over each list of candidates."""

    def __init__(self, head: OrderHead) -> None:
        super().__init__()
        self.head = head
        self._loss = ListSoftmax()

    def compute_loss(self, inputs: dict[str, tf.Tensor], training: bool = False) -> tf.Tensor:
        """Loss of a batch, see `training.lists.Lists.batch`."""
        return self._loss(inputs["chosen"], self.score_lists(inputs) + inputs["correction"])

    def score_lists(self, inputs: dict[str, tf.Tensor]) -> tf.Tensor:
        """Scores `[batch, list]` of candidates' inputs `[batch, list, …]` and the users' `[batch, …]`."""
        shape = tf.shape(inputs["cross"])
        flat = {
            name: tf.reshape(inputs[name], (shape[0] * shape[1], inputs[name].shape[-1]))
            for name in ("cross", "item_tokens", "item_numeric")
        }
        flat["user_tokens"] = tf.repeat(inputs["user_tokens"], shape[1], axis=0)
        return tf.reshape(self.head(flat), (shape[0], shape[1]))


class Ranker(tf.Module):
    """Order and ratings as they are exported: one candidate per row, one user for all of them."""

    def __init__(self, order: OrderHead, rating: RatingEnsemble | None) -> None:
        super().__init__()
        self.order, self.rating = order, rating

    def __call__(self, inputs: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        """`score [n]` and, with a rating head, `rating [n]` within the declared range."""
        outputs = {"score": self.order(inputs)}
        if self.rating:
            outputs["rating"] = self.rating(inputs)
        return outputs
