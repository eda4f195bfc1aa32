"""The item tower: id, side features, text and picture of an item → its vector.

It is additive, so that each part can be missing on its own: an item that training never saw has id row 0 (and in
training ids are dropped at random, so that the other parts learn to carry such items), an item without a
picture has mask 0. Vectors are not normalised: their length carries how often an item is wanted.
"""

from __future__ import annotations

from dataclasses import dataclass

from towers.frameworks import keras, tf
from towers.layers import Dropout, Noise, mean_of_tokens, normal, table

SPREAD = 0.02
"""Standard deviation of weights before training."""


@dataclass(frozen=True, slots=True)
class ItemSizes:
    """Sizes of the item tower's inputs."""

    ids: int
    """Rows of the id embedding, row 0 (unknown) included."""
    tokens: int
    text: int
    image: int


class ItemTower(keras.layers.Layer):
    """Inputs as in `item_tower.onnx`; output `[n, embedding_size]`."""

    def __init__(self, sizes: ItemSizes, embedding_size: int, id_dropout: float, dropout: float) -> None:
        super().__init__(name="item_tower")
        self.id_dropout = id_dropout
        self.noise = Noise("noise")
        self.ids = table(sizes.ids, embedding_size, SPREAD, "ids")
        self.tokens = table(sizes.tokens, embedding_size, SPREAD, "tokens")
        self.numeric = keras.layers.Dense(embedding_size, kernel_initializer=normal(SPREAD), name="numeric")
        self.text = Modality(embedding_size, dropout, name="text")
        self.image = Modality(embedding_size, dropout, name="image")

    def call(self, inputs: dict[str, tf.Tensor], training: bool = False) -> tf.Tensor:
        """Item vectors `[n, embedding_size]`."""
        row = inputs["item_row"]
        if training:
            row = tf.where(self.noise.kept(self.id_dropout, tf.shape(row)), row, 0)
        mask = inputs["content_mask"]
        return (
            self.ids(row)
            + mean_of_tokens(self.tokens, inputs["item_tokens"])
            + self.numeric(inputs["item_numeric"])
            + self.text(inputs["text"], mask[:, 0:1], training)
            + self.image(inputs["image"], mask[:, 1:2], training)
        )


class Modality(keras.layers.Layer):
    """A content vector brought to the tower's size; a learned constant stands in where there is none."""

    def __init__(self, embedding_size: int, dropout: float, name: str) -> None:
        super().__init__(name=name)
        self.project = keras.layers.Dense(embedding_size, kernel_initializer=normal(SPREAD), name="project")
        self.dropout = Dropout(dropout)

    def call(self, content: tf.Tensor, mask: tf.Tensor, training: bool = False) -> tf.Tensor:
        """`[n, embedding_size]` from content `[n, dim]` and mask `[n, 1]`."""
        # The bias is inside the masked part: without the content, the item is exactly the sum of its other parts.
        return mask * self.project(self.dropout(content, training=training))
