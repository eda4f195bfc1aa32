"""The order head: which of the retrieved items comes next?

It starts as the retrieval order and learns what to change: feature crosses (Wang et al. 2021, DCN-v2) over
what relates this user to each candidate and the side features of both. It reads no vectors of the towers, so it
can be trained on what an earlier pair of towers retrieved, mistakes included, and serve a later one.
"""

from __future__ import annotations

import numpy as np

from catalog.records import Floats
from towers.frameworks import keras, tf, tfrs
from towers.layers import mean_of_tokens, normal, table
from towers.rating import SPREAD, RankerSizes


class OrderHead(keras.layers.Layer):
    """Inputs as in `ranker.onnx`, output `[n]`: higher comes first."""

    def __init__(
        self, sizes: RankerSizes, mean: Floats, std: Floats, factors: int, crosses: int, hidden: int
    ) -> None:
        """Build the head; `mean` and `std` `[cross]` are those of the cross features in training."""
        super().__init__(name="order_head")
        self.scale = (1.0 / np.maximum(std, 1e-6)).astype(np.float32)
        self.shift = mean.astype(np.float32)
        self.item_tokens = table(sizes.item_tokens, factors, SPREAD)
        # Sums an item's tokens as one product: with hundreds of candidates a masked mean would be most of the graph.
        # Padding is a token like any other here.
        self.pool = np.tile(np.eye(factors, dtype=np.float32), (sizes.item_slots, 1)) / sizes.item_slots
        self.user_tokens = table(sizes.user_tokens, factors, SPREAD)
        self.crosses = [tfrs.layers.dcn.Cross(kernel_initializer=normal(SPREAD)) for _ in range(crosses)]
        self.hidden = keras.layers.Dense(hidden, activation="relu")
        self.out = keras.layers.Dense(1, kernel_initializer="zeros", use_bias=False)
        self.linear = self.add_weight(name="linear", shape=(sizes.cross, 1), initializer="zeros")

    def call(self, inputs: dict[str, tf.Tensor], training: bool = False) -> tf.Tensor:
        """Scores `[n]`; the user's inputs have leading axis 1 or n."""
        cross = (inputs["cross"] - self.shift) * self.scale
        item = tf.matmul(tf.reshape(self.item_tokens(inputs["item_tokens"]), (-1, len(self.pool))), self.pool)
        user = mean_of_tokens(self.user_tokens, inputs["user_tokens"])
        x = tf.concat([cross, inputs["item_numeric"], item, item * user], axis=-1)
        crossed = x
        for layer in self.crosses:
            crossed = layer(x, crossed)
        learned = self.out(self.hidden(tf.concat([crossed, cross], axis=-1))) + tf.matmul(cross, self.linear)
        # The tower's own logit is the residual: with zeroed weights the order is that of retrieval.
        return inputs["cross"][:, 0] + learned[:, 0]
